"""Figures of the analysis tables: `plot_x(table)` returns a matplotlib figure. Only this folder imports matplotlib."""

from clt_ray.analysis.plots.curves import plot_per_language, plot_relative_to_english, plot_seen_unseen
from clt_ray.analysis.plots.estimates import plot_estimates
from clt_ray.analysis.plots.matrices import plot_source_to_target

__all__ = [
    "plot_estimates", "plot_per_language", "plot_relative_to_english", "plot_seen_unseen", "plot_source_to_target",
]  # fmt: skip
