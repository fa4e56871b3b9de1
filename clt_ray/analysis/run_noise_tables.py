"""Tables based on run-to-run noise: the noise itself, and gains whose intervals cover retraining."""

from collections.abc import Callable, Iterator
from operator import attrgetter
from typing import Any, Final

import pandas as pd

from clt_ray.analysis import transfer
from clt_ray.analysis.run_noise import RunNoise, interval_with_run_noise, run_noise
from clt_ray.analysis.study import NON_ENGLISH, Curve, Point, Study, grouped
from clt_ray.analysis.table_columns import ESTIMATE_COLUMNS, SERIES_COLUMNS, series_columns
from clt_ray.analysis.uncertainty import Estimate, ResampledValue

REPEATS: Final = "items and repeated runs"
"""Method of intervals whose run-to-run noise comes from replicates."""
NEIGHBOURS: Final = "items and neighbouring runs"
"""Method of intervals whose run-to-run noise comes from neighbouring points of curves."""
_DESIGN: Final = ("model", "setting", "task", "mixture", "metric")


def noise(study: Study) -> pd.DataFrame:
    """Returns the run-to-run noise of the mean non-English score, one row per model, setting and task.

    Columns: `model, setting, task, mixture, metric`; `deviation`, the standard deviation of one run in the stored unit;
    `difference`, which chance exceeds between two runs in 5% of pairs; `n`, the degrees of freedom; `method`.
    """
    rows = []
    for curves in grouped(study.curves, attrgetter(*_DESIGN)):
        estimate = run_noise(study, curves, _mean_score(NON_ENGLISH))
        if estimate.is_known:
            design = {name: getattr(curves[0], name) for name in _DESIGN}
            width = {"deviation": estimate.standard_deviation, "difference": estimate.half_width()}
            rows.append(design | width | {"n": estimate.degrees_of_freedom, "method": _method(curves)})
    return pd.DataFrame(rows, columns=[*_DESIGN, "deviation", "difference", "n", "method"])


def gain_over_runs(study: Study) -> pd.DataFrame:
    """Returns the gain of the seen and of the unseen mean with an interval that also covers retraining of the runs.

    There is one row per curve, point with n > 0 and exposure. Columns: those of `SERIES_COLUMNS`, `exposure`, `gain`
    (score at n minus that at 0, in the stored unit), `low`, `high`, `n` (degrees of freedom of the noise), `method`,
    `run_ids`. Table `gain` holds the runs fixed; this interval says what training the cells again would give.
    """
    rows: list[dict[str, Any]] = []
    for curve, start, exposure, run_to_run in _curves_with_noise(study):
        for point in curve.points[1:]:
            codes = study.languages(curve, *curve.points, among=exposure)
            gain = transfer.gain(study, curve, point.samples_per_language, codes)
            runs = (_runs_used(point, gain), _runs_used(start, gain))
            low, high = interval_with_run_noise(gain, run_to_run, runs)
            rows.append(
                series_columns(curve, point)
                | {"exposure": exposure, "gain": gain.estimate, "low": low, "high": high}
                | {"n": run_to_run.degrees_of_freedom, "method": _method([curve]), "run_ids": "+".join(gain.run_ids)}
            )
    return pd.DataFrame(rows, columns=[*SERIES_COLUMNS, "exposure", "gain", *ESTIMATE_COLUMNS])


def _curves_with_noise(study: Study) -> Iterator[tuple[Curve, Point, str, RunNoise]]:
    for curves in grouped(study.curves, attrgetter(*_DESIGN)):
        for curve in curves:
            if curve.origin is None or len(curve.points) < 2 or curve.is_control:
                continue
            same_languages = [other for other in curves if other.train_languages == curve.train_languages]
            for exposure in ("seen", "unseen"):
                if study.languages(curve, *curve.points, among=exposure):
                    yield curve, curve.origin, exposure, run_noise(study, same_languages, _mean_score(exposure))


def _runs_used(point: Point, estimate: Estimate) -> int:
    """Returns how many runs of the point the estimate uses; not all of them where seeds differ between points."""
    return len(set(point.run_ids) & set(estimate.run_ids))


def _mean_score(exposure: str) -> Callable[[Study, Curve, Point], ResampledValue]:
    """Returns the statistic "mean over the languages of an exposure in which every run of the curve was scored"."""
    return lambda study, curve, point: study.mean(curve, point, study.languages(curve, *curve.points, among=exposure))


def _method(curves: list[Curve]) -> str:
    repeated = any(len(point.runs) > 1 for curve in curves for point in curve.points)
    return REPEATS if repeated else NEIGHBOURS
