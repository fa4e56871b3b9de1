"""Every table that a study gives, in one place: each function takes a `Study` and returns a frame of estimates.

`fidelity` is the exception: it takes the scores frame itself. The report writes each table as `tables/<name>.csv`.
"""

from typing import Final

import pandas as pd

from clt_ray.analysis.comparisons import equal_volume, interference, plateau, script_by_task, script_effect
from clt_ray.analysis.curve_tables import (
    MEAN,
    fidelity,
    gain,
    leave_one_out,
    per_language,
    relative_to_english,
    seen_unseen,
    source_to_target,
    transfer_correlation,
)
from clt_ray.analysis.follow_rates import follow_rates
from clt_ray.analysis.run_noise_tables import gain_over_runs, noise
from clt_ray.analysis.study import Study

__all__ = [
    "MEAN", "compute_all", "equal_volume", "fidelity", "follow_rates", "gain", "gain_over_runs", "interference",
    "leave_one_out", "noise", "per_language", "plateau", "relative_to_english", "script_by_task", "script_effect",
    "seen_unseen", "source_to_target", "transfer_correlation",
]  # fmt: skip

_MEASURES: Final = (
    relative_to_english, seen_unseen, per_language, gain, transfer_correlation, plateau, interference, script_effect,
    script_by_task, leave_one_out, noise, gain_over_runs, equal_volume, source_to_target, follow_rates,
)  # fmt: skip


def compute_all(study: Study, scores: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Returns every table by the name of its function; language fidelity is computed from all scores."""
    return {measure.__name__: measure(study) for measure in _MEASURES} | {"fidelity": fidelity(scores)}
