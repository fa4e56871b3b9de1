"""The reference study's findings as statements that can be recomputed.

    claim                what the study says, and the number it gives
    recomputed           the same quantity from scores, by a stated definition
    low, high            95% interval, from how much runs differ that differ in nothing (`noise`)
    verdict              SUPPORTED, NOT_SUPPORTED, or UNTESTABLE when the scores do not hold what the claim is about

A claim is supported when its number follows from the scores *and* the interval leaves no doubt about its direction. It
is not supported when either fails; the definition says which. The published scores have one run per cell and no
items, so intervals rest on run-to-run differences alone; test items are the same for all runs and stay fixed.

The definitions are those that reproduce the study's figures where any does. Peaks are compared as published (best
run against a start), and the luck of picking the best of eight or sixteen runs is taken off the recomputed number
only in the interval, which is centred on what is left (`peak`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from math import isfinite, nan
from typing import Final

import numpy as np
import pandas as pd

from clt_ray.analysis import transfer
from clt_ray.analysis.metrics import task_label
from clt_ray.analysis.noise import Statistic, run_noise
from clt_ray.analysis.peak import peak
from clt_ray.analysis.study import ENGLISH, Curve, Point, Study
from clt_ray.analysis.transfer import relative_to_english

SUPPORTED: Final = "supported"
NOT_SUPPORTED: Final = "not supported"
UNTESTABLE: Final = "cannot be tested on these runs"

SMALL, LARGE, LLAMA = "aya-23-7b", "aya-23-35b", "llama-3.1-8b"
"""The study's models, as its scores name them."""
SEEN: Final = ("es", "fr", "ja", "zh")
NON_LATIN: Final = ("ar", "ja", "ko", "zh")
ROUNDING: Final = 0.006
"""Two printed numbers of two decimals may differ by this much and mean the same."""


@dataclass(frozen=True)
class Claim:
    """One finding, recomputed."""

    claim: str
    """What the study says, as a sentence."""
    published: str
    """The number it gives."""
    recomputed: float
    """The same quantity from the scores; NaN when it cannot be computed."""
    low: float
    """Lower end of the 95% interval; NaN without one."""
    high: float
    """Upper end of the 95% interval; NaN without one."""
    definition: str
    """How it was recomputed, and what decides the verdict."""
    verdict: str
    """`SUPPORTED`, `NOT_SUPPORTED` or `UNTESTABLE`."""


def claims(study: Study) -> tuple[Claim, ...]:
    """All claims, on a study's scores; those whose runs are missing cannot be tested.

    Args:
        study: Made from `reference.reference_scores`, or own runs whose models carry the study's names.
    """
    return tuple(claim for make in _CLAIMS for claim in make(study))


def table(study: Study) -> pd.DataFrame:
    """The claims as a frame: claim, published, recomputed, low, high, definition, verdict."""
    columns = ["claim", "published", "recomputed", "low", "high", "definition", "verdict"]
    return pd.DataFrame([vars(claim) for claim in claims(study)], columns=columns)


def _missing(claim: str, published: str, what: str) -> Claim:
    return Claim(claim, published, nan, nan, nan, f"needs {what}, which these scores do not hold", UNTESTABLE)


def _curve(study: Study, model: str, task: str, setting: str = "single", group: str = "all") -> Curve | None:
    key = (model, task, setting, group)
    found = [c for c in study.curves if (c.model, c.task, c.setting, c.language_group) == key]
    return found[0] if found and found[0].origin is not None and len(found[0].points) > 1 else None


def _share(study: Study, curve: Curve, point: Point) -> float:
    return relative_to_english(study, curve, point).estimate


def _mean_of(languages: tuple[str, ...] | None) -> Statistic:
    """Mean score over some languages; over all but English for None."""

    def statistic(study: Study, curve: Curve, point: Point) -> float:
        wanted = languages or [code for code in study.cells[curve.task].languages if code != ENGLISH]
        return study.cells[curve.task].mean(point.run_ids, wanted).value

    return statistic


def _gap(study: Study, curve: Curve, point: Point) -> float:
    return transfer.seen_unseen(study, curve, point).gap.estimate


def _values(study: Study, curve: Curve, statistic: Statistic) -> list[float]:
    return [statistic(study, curve, point) for point in curve.points]


def _alike(study: Study, curve: Curve) -> list[Curve]:
    """Curves whose noise is that of a curve: same task and setting."""
    return [other for other in study.curves if (other.task, other.setting) == (curve.task, curve.setting)]


def _agrees(number: float, published: float, tolerance: float = ROUNDING) -> bool:
    return abs(number - published) <= tolerance


def _rise_to_peak(study: Study, model: str, task: str, published: float, at_least: bool = False) -> Iterator[Claim]:
    sign = "over " if at_least else ""
    claim = f"{task_label(task)}, {model}: multilingual data brings the other languages nearer to English"
    told = f"{sign}{100 * published:g} points of performance relative to English"
    curve = _curve(study, model, task)
    if curve is None:
        yield _missing(claim, told, f"single-task runs of {model}")
        return
    values, noise = _values(study, curve, _share), run_noise(study, _alike(study, curve), _share)
    best = peak(values, noise.deviation)
    rise, half = best.value - values[0], noise.half_width()
    centre = rise - best.optimism
    follows = rise >= published - ROUNDING if at_least else _agrees(rise, published)
    certain = centre - half > 0
    n = curve.points[best.index].samples_per_language
    why = "" if follows else f"; the printed scores give {100 * rise:.1f} points, not {sign}{100 * published:g}"
    why += "" if certain else "; less than what runs differ by anyway"
    definition = (
        f"best run (n = {n}) minus n = 0 of mean(7 non-English languages) / English; interval without the "
        f"{100 * best.optimism:.1f} points that picking the best of {len(values)} brings{why}"
    )
    verdict = SUPPORTED if follows and certain else NOT_SUPPORTED
    yield Claim(claim, told, rise, centre - half, centre + half, definition, verdict)


def _plateau(study: Study, model: str, task: str, first: int, last: int) -> Iterator[Claim]:
    """Where the best run is: the study names no definition of its plateau."""
    where = f"{first}" if first == last else f"{first} to {last}"
    claim = f"{task_label(task)}, {model}: levels off at {where} samples per language"
    curve = _curve(study, model, task)
    if curve is None:
        yield _missing(claim, where, f"single-task runs of {model}")
        return
    from clt_ray.analysis.saturation import FALLING, FLAT, saturation
    from clt_ray.analysis.series import Series

    span = study.cells[task].metric.span
    tolerance = 0.01 * span
    found = saturation(Series.of(study, curve), tolerance)
    inside = found.plateau.low <= last and found.plateau.high >= first
    tight = isfinite(found.plateau.high) and found.plateau.high <= 2 * last
    flat = found.verdict in (FLAT, FALLING)
    if flat:
        why = f"the series is {found.verdict}: nothing rises by more than the tolerance, so nothing levels off"
    elif not inside:
        why = "the interval of the plateau leaves it out"
    elif not tight:
        why = "it is inside the interval, which also holds much larger n"
    else:
        why = "the interval holds it and little else"
    definition = (
        f"smallest n within {100 * 0.01:g}% of the scale of the fitted ceiling, non-English mean, saturating fit "
        f"with bootstrap; {why}"
    )
    verdict = SUPPORTED if inside and tight and not flat else NOT_SUPPORTED
    yield Claim(claim, where, found.plateau.samples, found.plateau.low, found.plateau.high, definition, verdict)


def _thirteen(study: Study) -> Iterator[Claim]:
    claim = f"{SMALL}: math needs about 13 times the multilingual data of instruction following to reach its peak"
    curves = [_curve(study, SMALL, task) for task in ("math", "instruction")]
    if None in curves:
        yield _missing(claim, "13", f"single-task runs of {SMALL} in both tasks")
        return
    ratios, point = np.ones(4000), 1.0
    rng = np.random.default_rng(0)
    for curve, power in zip(curves, (1, -1), strict=True):
        assert curve is not None
        sizes = np.array([p.samples_per_language for p in curve.points[1:]], dtype=float)
        values = np.array(_values(study, curve, _mean_of(None))[1:])
        noise = run_noise(study, _alike(study, curve), _mean_of(None)).deviation
        again = sizes[(values + rng.normal(0, noise, (len(ratios), len(values)))).argmax(axis=1)]
        point, ratios = point * sizes[values.argmax()] ** power, ratios * again**power
    low, high = np.quantile(ratios, [0.025, 0.975], method="inverted_cdf")
    definition = (
        "n of the best run in math / n of the best run in instruction following, both by the non-English mean; 5000 / "
        "400 in the study. Interval: best runs picked again with run-to-run noise added. A ratio of two best places "
        "among eight says little: noise alone moves it over the interval"
    )
    yield Claim(claim, "13", point, float(low), float(high), definition, SUPPORTED if low > 1 else NOT_SUPPORTED)


_SPEARMAN: Final = (
    (SMALL, "instruction", 0.67), (SMALL, "summarization", 0.24), (SMALL, "math", 0.77),
    (LLAMA, "instruction", 0.83), (LLAMA, "summarization", 0.56), (LLAMA, "math", 0.88),
    (LARGE, "instruction", 0.51), (LARGE, "summarization", 0.39), (LARGE, "math", 0.49),
)  # fmt: skip


def _correlations(study: Study) -> Iterator[Claim]:
    for model, task, published in _SPEARMAN:
        claim = f"{task_label(task)}, {model}: seen and unseen languages improve together"
        curve = _curve(study, model, task)
        if curve is None:
            yield _missing(claim, f"Spearman {published:.2f}", f"single-task runs of {model}")
            continue
        found = transfer.transfer_correlation(study, curve)
        definition = (
            f"Spearman over the {found.n} single-task runs (p = {found.p:.2g}); the study's number is over more, "
            "probably all checkpoints, which it does not publish and does not count, so only its direction is tested"
        )
        verdict = SUPPORTED if found.low > 0 else UNTESTABLE
        yield Claim(claim, f"Spearman {published:.2f}", found.spearman, found.low, found.high, definition, verdict)


def _mixing(study: Study) -> Iterator[Claim]:
    for model, published, direction in ((SMALL, -0.08, "costs"), (LARGE, 0.0, "does not cost")):
        claim = f"Math, {model}: training together with other tasks {direction} accuracy"
        told = "8 points less at the best run" if published else "the best mixed run is at least the best single one"
        alone, mixed = _curve(study, model, "math"), _curve(study, model, "math", "multi")
        if alone is None or mixed is None:
            yield _missing(claim, told, f"single-task and mixed runs of {model}")
            continue
        statistic, value, variance, luck, freedom = _mean_of(None), 0.0, 0.0, 0.0, []
        for curve, sign in ((mixed, 1), (alone, -1)):
            noise = run_noise(study, _alike(study, curve), statistic)
            best = peak(_values(study, curve, statistic), noise.deviation)
            value, luck = value + sign * best.value, luck + sign * best.optimism
            variance += noise.deviation**2
            freedom.append(noise)
        half = max(noise.half_width(variance / noise.deviation**2) for noise in freedom)
        low, high = value - luck - half, value - luck + half
        follows = _agrees(value, published) if published else value >= 0
        certain = high < 0 if published else low > 0
        why = "" if certain else "; the interval includes zero"
        definition = (
            "best mixed run minus best single-task run, mean accuracy of 7 non-English languages; interval without "
            f"the luck of picking the best of 16 and of 8{why}"
        )
        yield Claim(claim, told, value, low, high, definition, SUPPORTED if follows and certain else NOT_SUPPORTED)


def _less_math_data(study: Study) -> Iterator[Claim]:
    claim = f"{LARGE}: mixed training reaches the best single-task math score with 11k instead of 18k math samples"
    alone, mixed = _curve(study, LARGE, "math"), _curve(study, LARGE, "math", "multi")
    if alone is None or mixed is None:
        yield _missing(claim, "68% at 11k", f"single-task and mixed math runs of {LARGE}")
        return
    outcome = {}
    for name, languages in (("without English", SEEN), ("with English", (ENGLISH, *SEEN))):
        statistic = _mean_of(languages)
        target = max(_values(study, alone, statistic))
        reached = [p.samples_per_language for p in mixed.points if statistic(study, mixed, p) >= target - 0.0051]
        outcome[name] = 5000 + 4 * reached[0] if reached else nan
    definition = (
        "math samples of the first mixed run that comes within rounding of the best single-task run, seen languages: "
        f"{outcome['without English']:,.0f} by the study's own definition (English is not seen), "
        f"{outcome['with English']:,.0f} when English is counted in, which is the one that gives its 68%"
    )
    value = outcome["without English"]
    verdict = SUPPORTED if isfinite(value) and _agrees(value, 11_000, 1) else NOT_SUPPORTED
    yield Claim(claim, "11,000", value, nan, nan, definition, verdict)


def _scripts(study: Study) -> Iterator[Claim]:
    yield from _latin_is_better(study)
    for task in ("summarization", "instruction"):
        claim = f"{task_label(task)}, {SMALL}: languages in other scripts need training data in other scripts"
        told = "visible in figures 6 and 7"
        curves = [_curve(study, SMALL, task, group=group) for group in ("non_latin", "latin")]
        if None in curves:
            yield _missing(claim, told, "runs of the groups latin and non_latin")
            continue
        statistic, value = _mean_of(NON_LATIN), 0.0
        for curve, sign in zip(curves, (1, -1), strict=True):
            assert curve is not None
            values = _values(study, curve, statistic)
            value += sign * (float(np.mean(values[1:])) - values[0])
            count = len(values) - 1
        noise = run_noise(study, [c for c in study.curves if c.task == task and c.setting == "single"], statistic)
        half = noise.half_width(2 * (1 + 1 / count))
        certain = value - half > 0
        why = "" if certain else "; the interval includes zero"
        definition = (
            "gain of ar ja ko zh (mean of all runs with n > 0, minus n = 0) when trained on ja zh, minus the same when "
            f"trained on es fr{why}"
        )
        yield Claim(claim, told, value, value - half, value + half, definition,
                    SUPPORTED if certain else NOT_SUPPORTED)  # fmt: skip


def _latin_is_better(study: Study) -> Iterator[Claim]:
    claim = f"Math, {SMALL}: training on Latin-script languages is better than on others"
    latin, other = (_curve(study, SMALL, "math", group=group) for group in ("latin", "non_latin"))
    if latin is None or other is None:
        yield _missing(claim, "37.4 against 36.6", "runs of the groups latin and non_latin")
        return
    statistic = _mean_of(None)
    noise = run_noise(study, _alike(study, latin), statistic)
    value = max(_values(study, latin, statistic)) - max(_values(study, other, statistic))
    half = noise.half_width()
    certain = value - half > 0
    definition = (
        "best run trained on es fr minus best run trained on ja zh, mean of 7 non-English languages. The number "
        f"follows{'' if certain else ', but two runs that differ in nothing differ by more'}"
    )
    verdict = SUPPORTED if certain and _agrees(value, 0.008) else NOT_SUPPORTED
    yield Claim(claim, "37.4 against 36.6", value, value - half, value + half, definition, verdict)


def _constant_gap(study: Study) -> Iterator[Claim]:
    for task in ("summarization", "instruction", "math"):
        claim = f"{task_label(task)}, {SMALL}: the gap between seen and unseen stays what English-only training left"
        curve = _curve(study, SMALL, task)
        if curve is None:
            yield _missing(claim, "constant", f"single-task runs of {SMALL}")
            continue
        values = _values(study, curve, _gap)
        noise = run_noise(study, [c for c in _alike(study, curve) if c.language_group == "all"], _gap)
        late = values[-3:]
        value, half = float(np.mean(late)) - values[0], noise.half_width(1 + 1 / len(late))
        # A tenth of what the scale could show would be a change that matters.
        margin = 0.05 * study.cells[task].metric.span
        constant = -margin < value - half and value + half < margin
        widens = value - half > 0
        why = "it changes" if widens or value + half < 0 else "the interval also holds changes that would matter"
        definition = (
            f"seen minus unseen, mean of the three largest n minus n = 0; constant when the interval stays within "
            f"{margin:g}{'' if constant else f': {why}'}"
        )
        yield Claim(claim, "constant", value, value - half, value + half, definition,
                    SUPPORTED if constant else NOT_SUPPORTED)  # fmt: skip


def _english_is_enough(study: Study) -> Iterator[Claim]:
    for task in ("summarization", "instruction", "math"):
        claim = f"{task_label(task)}, {LARGE}: English alone is about as good as multilingual data"
        curve = _curve(study, LARGE, task)
        if curve is None:
            yield _missing(claim, "comparable", f"single-task runs of {LARGE}")
            continue
        values = _values(study, curve, _share)
        noise = run_noise(study, _alike(study, curve), _share)
        value = float(np.mean(values[1:])) - values[0]
        half = noise.half_width(1 + 1 / (len(values) - 1))
        enough = value + half < 0.05
        why = "" if enough else "; the interval reaches beyond 5 points"
        definition = (
            "mean over all runs with n > 0 minus n = 0, performance relative to English; enough when multilingual data "
            f"adds less than 5 points{why}"
        )
        yield Claim(claim, "comparable", value, value - half, value + half, definition,
                    SUPPORTED if enough else NOT_SUPPORTED)  # fmt: skip


_CLAIMS: Final[tuple[Callable[[Study], Iterator[Claim]], ...]] = (
    partial(_rise_to_peak, model=SMALL, task="instruction", published=0.068),
    partial(_rise_to_peak, model=SMALL, task="summarization", published=0.087),
    partial(_rise_to_peak, model=SMALL, task="math", published=0.227),
    partial(_rise_to_peak, model=LLAMA, task="instruction", published=0.123),
    partial(_rise_to_peak, model=LLAMA, task="summarization", published=0.147),
    partial(_rise_to_peak, model=LLAMA, task="math", published=0.40, at_least=True),
    partial(_plateau, model=SMALL, task="instruction", first=400, last=400),
    partial(_plateau, model=SMALL, task="summarization", first=400, last=400),
    partial(_plateau, model=LARGE, task="instruction", first=200, last=400),
    partial(_plateau, model=LARGE, task="summarization", first=200, last=400),
    partial(_plateau, model=LARGE, task="math", first=200, last=400),
    _thirteen,
    _correlations,
    _mixing,
    _less_math_data,
    _scripts,
    _constant_gap,
    _english_is_enough,
)
