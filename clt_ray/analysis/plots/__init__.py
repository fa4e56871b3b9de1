"""Figures of the analysis tables: `plot_x(table)` returns a matplotlib figure. Only this folder imports matplotlib."""

from clt_ray.analysis.plots.correlation import plot_transfer_correlation
from clt_ray.analysis.plots.estimates import plot_estimates
from clt_ray.analysis.plots.gain import plot_gain
from clt_ray.analysis.plots.languages import plot_per_language
from clt_ray.analysis.plots.relative import plot_relative_to_english
from clt_ray.analysis.plots.seen_unseen import plot_seen_unseen
from clt_ray.analysis.plots.sources import plot_source_to_target

__all__ = [
    "plot_estimates",
    "plot_gain",
    "plot_per_language",
    "plot_relative_to_english",
    "plot_seen_unseen",
    "plot_source_to_target",
    "plot_transfer_correlation",
]
