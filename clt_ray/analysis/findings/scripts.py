"""Claims about the script of training languages and of evaluation languages."""

from collections.abc import Iterator
from typing import Final

import numpy as np

from clt_ray.analysis.findings.claim import (
    SMALL,
    Claim,
    agrees,
    find_curve,
    mean_over,
    mean_score,
    noise_of,
    run_ids,
    untestable,
    values,
    verdict,
)
from clt_ray.analysis.metrics import task_label
from clt_ray.analysis.peak import peak
from clt_ray.analysis.study import Study

_NON_LATIN: Final = ("ar", "ja", "ko", "zh")


def latin_in_math(study: Study) -> Iterator[Claim]:
    """Yields the claim on the best run trained on es fr against the best run trained on ja zh in math."""
    claim = f"Math, {SMALL}: training on Latin-script languages is better than on others"
    published_text = "37.4 against 36.6"
    latin, other = (find_curve(study, SMALL, "math", group=group) for group in ("latin", "non_latin"))
    if latin is None or other is None:
        yield untestable(claim, published_text, "runs of the groups latin and non_latin")
        return
    noise = noise_of(study, latin, mean_score)
    best = [peak(values(study, curve, mean_score), noise.standard_deviation) for curve in (latin, other)]
    value, half_width = best[0].value - best[1].value, noise.half_width()
    centre = best[0].corrected - best[1].corrected
    certain = centre - half_width > 0
    reason = "" if certain else ", but two runs that differ only in the seed may differ by more"
    definition = (
        "best run trained on es fr minus best run trained on ja zh, mean accuracy of non-English languages: "
        f"{100 * best[0].value:.1f} and {100 * best[1].value:.1f}. The number follows{reason}"
    )
    yield Claim(claim, published_text, value, centre - half_width, centre + half_width, definition,
                verdict(certain, agrees(value, 0.008)), run_ids([latin, other]))  # fmt: skip


def own_script(study: Study) -> Iterator[Claim]:
    """Yields the claims that languages in non-Latin scripts gain more from training languages in such scripts."""
    statistic = mean_over(_NON_LATIN)
    for task in ("summarization", "instruction"):
        claim = f"{task_label(task)}, {SMALL}: languages in other scripts need training data in other scripts"
        published_text = "higher in figures 6 and 7"
        non_latin, latin = (find_curve(study, SMALL, task, group=group) for group in ("non_latin", "latin"))
        if non_latin is None or latin is None:
            yield untestable(claim, published_text, "runs of the groups latin and non_latin")
            continue
        means = [float(np.mean(values(study, curve, statistic)[1:])) for curve in (non_latin, latin)]
        value = means[0] - means[1]
        weight = sum(1 / (len(curve.points) - 1) for curve in (non_latin, latin))
        half_width = noise_of(study, non_latin, statistic).half_width(weight)
        reason = "" if value - half_width > 0 else "; the interval includes zero"
        definition = (
            "mean of ar ja ko zh over all runs with n > 0 when trained on ja zh, minus the same when trained on es fr; "
            f"runs at n = 0 are equal by design and left out{reason}"
        )
        yield Claim(claim, published_text, value, value - half_width, value + half_width, definition,
                    verdict(value - half_width > 0), run_ids([non_latin, latin]))  # fmt: skip
