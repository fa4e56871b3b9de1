"""How far unseen languages follow the seen ones: the follow rate of each unseen language in each curve.

**Contract.** The *follow rate* of an unseen language in one curve is what the language gains per unit of gain of the
seen mean: the slope of the regression through the origin of

    score(n, language) - score(0, language)   on   seen(n) - seen(0),   over the points of the curve with n > 0.

A rate of 1 is full transfer, 0 none, and a negative rate is harm. Curves whose seen mean has no gain beyond its noise
have no follow rate. The table states whether a training language shares the script or the family of the language; no
effect of either is estimated, because that needs about ten unseen languages, and the study has three.

**Example.** Seen languages rise from 0.2 to 0.4 and Korean from 0.1 to 0.15. The follow rate of Korean is 0.25.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pandas as pd

from clt_ray.analysis.saturation import Series, run_noise_around_fit
from clt_ray.analysis.study import ENGLISH, Curve, Study
from clt_ray.analysis.table_columns import curve_columns
from clt_ray.analysis.uncertainty import Floats, Z
from clt_ray.languages import LANGUAGES

SHARED: Final = ("script", "family")
"""What an unseen language may share with a training language."""
_COLUMNS: Final = [
    "model", "setting", "task", "language_group", "eval_language", "shares_script", "shares_family", "follow_rate",
    "low", "high", "seen_gain", "run_ids",
]  # fmt: skip
_CLEAR: Final = 2.0
"""Number of standard errors that the seen gain must exceed for a follow rate to be computed."""


def follow_rates(study: Study) -> pd.DataFrame:
    """Returns the follow rate of every unseen language in every curve with a clear gain of the seen mean.

    Columns: `model, setting, task, language_group, eval_language`; `shares_script` and `shares_family`, whether a
    training language, English included, has the script or the family of the language; `follow_rate` with `low` and
    `high` (normal approximation); `seen_gain`, the largest gain of the seen mean in the stored unit; `run_ids`.
    """
    rows = []
    for seed, curve in enumerate(study.curves):
        if curve.origin is None or len(curve.points) < 2 or not curve.is_multilingual:
            continue
        rng = np.random.default_rng(seed)
        seen = Series.of(study, curve, "seen")
        seen_gains = _resampled_gains(seen, rng)
        if seen_gains is None or not (mean := seen_gains.mean(axis=1)).mean() > _CLEAR * mean.std():
            continue
        for language in filter(lambda code: curve.exposure(code) == "unseen", study.task_scores[curve.task].languages):
            series = Series.of(study, curve, [language])
            gains = _resampled_gains(series, rng)
            if gains is not None:
                rows.append(_row(curve, language) | _rate_and_interval(seen, seen_gains, series, gains))
    return pd.DataFrame(rows, columns=_COLUMNS)


def _resampled_gains(series: Series, rng: np.random.Generator) -> Floats | None:
    """Returns resampled gains over n = 0, shape (resamples, points - 1); None when their error is not known."""
    noise = run_noise_around_fit(series)
    if not series.samples or (not series.has_stderr and np.isnan(noise)):
        return None
    scores = series.resampled(0.0 if np.isnan(noise) else noise, rng)
    return np.asarray(scores[:, 1:] - scores[:, :1])


def _rate_and_interval(seen: Series, seen_gains: Floats, series: Series, language_gains: Floats) -> dict[str, float]:
    x = np.asarray(seen.scores[1:]) - seen.scores[0]
    rows = min(len(seen_gains), len(language_gains))
    rate = float(x @ (np.asarray(series.scores[1:]) - series.scores[0]) / (x @ x))
    # Delta method: the ratio itself has extreme values in resamples where the seen gain is near zero.
    error = float(np.std((language_gains[:rows] - rate * seen_gains[:rows]) @ x / (x @ x)))
    interval = {"low": rate - Z * error, "high": rate + Z * error}
    return {"follow_rate": rate, "seen_gain": max(seen.scores) - seen.scores[0]} | interval


def _row(curve: Curve, language: str) -> dict[str, Any]:
    trained = [LANGUAGES[code] for code in (ENGLISH, *curve.train_languages) if code in LANGUAGES]
    shares = {
        f"shares_{name}": language in LANGUAGES
        and getattr(LANGUAGES[language], name) in {getattr(other, name) for other in trained}
        for name in SHARED
    }
    run_ids = "+".join(run_id for point in curve.points for run_id in point.run_ids)
    return curve_columns(curve) | shares | {"eval_language": language, "run_ids": run_ids}
