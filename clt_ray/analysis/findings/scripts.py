"""Claims about the script of training languages and of evaluation languages."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from clt_ray.analysis.findings.claim import (
    SMALL,
    Claim,
    agrees,
    find,
    mean_over,
    mean_score,
    missing,
    noise_around,
    run_ids,
    values,
    verdict,
)
from clt_ray.analysis.metrics import task_label
from clt_ray.analysis.peak import peak
from clt_ray.analysis.study import Study

_NON_LATIN: Final = ("ar", "ja", "ko", "zh")


def latin_in_math(study: Study) -> Iterator[Claim]:
    """Best run trained on es fr against best run trained on ja zh."""
    claim = f"Math, {SMALL}: training on Latin-script languages is better than on others"
    told = "37.4 against 36.6"
    latin, other = (find(study, SMALL, "math", group=group) for group in ("latin", "non_latin"))
    if latin is None or other is None:
        yield missing(claim, told, "runs of the groups latin and non_latin")
        return
    noise = noise_around(study, latin, mean_score)
    best = [peak(values(study, curve, mean_score), noise.deviation) for curve in (latin, other)]
    value, half = best[0].value - best[1].value, noise.half_width()
    centre = best[0].corrected - best[1].corrected
    certain = centre - half > 0
    why = "" if certain else ", but two runs that differ in nothing differ by more"
    definition = (
        "best run trained on es fr minus best run trained on ja zh, mean accuracy of non-English languages: "
        f"{100 * best[0].value:.1f} and {100 * best[1].value:.1f}. The number follows{why}"
    )
    yield Claim(claim, told, value, centre - half, centre + half, definition,
                verdict(certain, agrees(value, 0.008)), run_ids([latin, other]))  # fmt: skip


def own_script(study: Study) -> Iterator[Claim]:
    """Whether languages in other scripts gain more from training languages in other scripts."""
    statistic = mean_over(_NON_LATIN)
    for task in ("summarization", "instruction"):
        claim = f"{task_label(task)}, {SMALL}: languages in other scripts need training data in other scripts"
        told = "higher in figures 6 and 7"
        own, latin = (find(study, SMALL, task, group=group) for group in ("non_latin", "latin"))
        if own is None or latin is None:
            yield missing(claim, told, "runs of the groups latin and non_latin")
            continue
        means = [float(np.mean(values(study, curve, statistic)[1:])) for curve in (own, latin)]
        value = means[0] - means[1]
        weight = sum(1 / (len(curve.points) - 1) for curve in (own, latin))
        half = noise_around(study, own, statistic).half_width(weight)
        why = "" if value - half > 0 else "; the interval includes zero"
        definition = (
            "mean of ar ja ko zh over all runs with n > 0 when trained on ja zh, minus the same when trained on es fr; "
            f"runs at n = 0 are equal by design and left out{why}"
        )
        yield Claim(claim, told, value, value - half, value + half, definition, verdict(value - half > 0),
                    run_ids([own, latin]))  # fmt: skip
