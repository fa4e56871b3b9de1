"""Tables that rest on how much runs differ that differ in nothing: the noise itself, peaks, gains over runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import nan
from typing import Any, Final

import pandas as pd

from clt_ray.analysis import transfer
from clt_ray.analysis.equal_volume import is_control
from clt_ray.analysis.peak import peak
from clt_ray.analysis.run_noise import LEAST_FREEDOM, RunNoise, interval_with_run_noise, run_noise
from clt_ray.analysis.study import ENGLISH, Curve, Point, Study
from clt_ray.analysis.table_columns import ESTIMATE_COLUMNS, SERIES_COLUMNS, series_columns
from clt_ray.analysis.uncertainty import Estimate, ResampledValue

REPEATS: Final = "items and repeated runs"
NEIGHBOURS: Final = "items and neighbouring runs"
_DESIGN: Final = ("model", "setting", "task", "mixture", "metric")


def noise(study: Study) -> pd.DataFrame:
    """Per model, setting and task: standard deviation between equal runs of the mean non-English score.

    `difference` is the difference of two runs that chance exceeds in 5% of pairs; `n` counts degrees of freedom.
    """
    rows = []
    for curves in _designs(study):
        found = run_noise(study, curves, _mean_over(None))
        if found.freedom >= LEAST_FREEDOM:
            about = {name: getattr(curves[0], name) for name in _DESIGN}
            width = {"deviation": found.deviation, "difference": found.half_width(), "n": found.freedom}
            rows.append(about | width | {"method": _method(curves)})
    return pd.DataFrame(rows, columns=[*_DESIGN, "deviation", "difference", "n", "method"])


def peaks(study: Study) -> pd.DataFrame:
    """Per curve and kind of language: the best run against n = 0, as scored and without the luck of the best.

    `rise` is best minus n = 0; `corrected` is the rise less the optimism, which the interval is around. It covers items
    and training the runs again.
    """
    rows: list[dict[str, Any]] = []
    for curve, start, exposure, known in _compared(study):
        statistic = _mean_over(exposure)
        series = [statistic(study, curve, point).value for point in curve.points]
        # More seeds at a point leave less to luck; the fewest at any point are the safe side.
        fewest = min(len(point.runs) for point in curve.points)
        best = peak(series, known.deviation / fewest**0.5)
        top = curve.points[best.index]
        optimism = best.optimism if top is not start else 0.0
        low = high = nan
        if top is not start:
            rise = _gain(study, curve, top, exposure)
            ends = interval_with_run_noise(rise, known, (_used(top, rise), _used(start, rise)))
            low, high = ends[0] - optimism, ends[1] - optimism
        rows.append(
            series_columns(curve, top)
            | {"exposure": exposure, "best": best.value, "rise": best.value - series[0], "optimism": optimism}
            | {"corrected": best.value - series[0] - optimism, "low": low, "high": high, "n": len(series)}
            | {"method": _method([curve]), "run_ids": "+".join(run for p in curve.points for run in p.run_ids)}
        )
    columns = [*SERIES_COLUMNS, "exposure", "best", "rise", "optimism", "corrected", *ESTIMATE_COLUMNS]
    return pd.DataFrame(rows, columns=columns)


def gain_over_runs(study: Study) -> pd.DataFrame:
    """Gain of the mean over seen and over unseen languages, with an interval that also covers training again.

    `low` and `high` of `gain` hold the runs fixed; these do not, and are what another training of the same cells
    would be compared with.
    """
    rows: list[dict[str, Any]] = []
    for curve, start, exposure, known in _compared(study):
        for point in curve.points[1:]:
            found = _gain(study, curve, point, exposure)
            low, high = interval_with_run_noise(found, known, (_used(point, found), _used(start, found)))
            rows.append(
                series_columns(curve, point)
                | {"exposure": exposure, "gain": found.estimate, "low": low, "high": high}
                | {"n": known.freedom, "method": _method([curve]), "run_ids": "+".join(found.run_ids)}
            )
    return pd.DataFrame(rows, columns=[*SERIES_COLUMNS, "exposure", "gain", *ESTIMATE_COLUMNS])


def _compared(study: Study) -> Iterator[tuple[Curve, Point, str, RunNoise]]:
    """Curves with a start and a kind of language, and the noise of its mean."""
    for curves in _designs(study):
        for curve in curves:
            if curve.origin is None or len(curve.points) < 2 or is_control(curve):
                continue
            alike = [other for other in curves if other.train_languages == curve.train_languages]
            for exposure in ("seen", "unseen"):
                if any(curve.exposure(code) == exposure for code in _common(study, curve)):
                    yield curve, curve.origin, exposure, run_noise(study, alike, _mean_over(exposure))


def _designs(study: Study) -> list[list[Curve]]:
    found: dict[tuple[str, ...], list[Curve]] = {}
    for curve in study.curves:
        found.setdefault(tuple(getattr(curve, name) for name in _DESIGN), []).append(curve)
    return list(found.values())


def _common(study: Study, curve: Curve) -> set[str]:
    """Languages scored at every point."""
    return set.intersection(*(set(transfer.languages_of(study, curve, point)) for point in curve.points))


def _gain(study: Study, curve: Curve, point: Point, exposure: str) -> Estimate:
    wanted = [code for code in sorted(_common(study, curve)) if curve.exposure(code) == exposure]
    return transfer.gain(study, curve, point.samples_per_language, wanted)


def _used(point: Point, found: Estimate) -> int:
    """Runs of the point that the estimate rests on: with unequal seeds not all of them."""
    return len(set(point.run_ids) & set(found.run_ids))


def _mean_over(exposure: str | None) -> Callable[[Study, Curve, Point], ResampledValue]:
    """Mean over the languages of an exposure, over all but English for None."""

    def statistic(study: Study, curve: Curve, point: Point) -> ResampledValue:
        codes = sorted(_common(study, curve) - {ENGLISH})
        wanted = [code for code in codes if exposure is None or curve.exposure(code) == exposure]
        return study.task_scores[curve.task].mean(point.run_ids, wanted)

    return statistic


def _method(curves: list[Curve]) -> str:
    repeated = any(len(point.runs) > 1 for curve in curves for point in curve.points)
    return REPEATS if repeated else NEIGHBOURS
