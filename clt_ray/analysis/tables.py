"""Every table that a study gives, in one place: each function takes a `Study` and returns a frame of estimates.

`fidelity` is the exception: it takes the scores frame itself. The report writes each table as `tables/<name>.csv`.
"""

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
from clt_ray.analysis.generalization_tables import boundary, follow_rates, scale, scale_values
from clt_ray.analysis.random_effects import gain_over_languages
from clt_ray.analysis.run_noise_tables import gain_over_runs, noise, peaks

__all__ = [
    "MEAN", "boundary", "equal_volume", "fidelity", "follow_rates", "gain", "gain_over_languages", "gain_over_runs",
    "interference", "leave_one_out", "noise", "peaks", "per_language", "plateau", "relative_to_english", "scale",
    "scale_values", "script_by_task", "script_effect", "seen_unseen", "source_to_target", "transfer_correlation",
]  # fmt: skip
