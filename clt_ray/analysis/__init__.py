"""From finished runs to findings: measures of transfer with confidence intervals, as tables and figures.

    from clt_ray.analysis import Study, load_scores, plots, tables

    study = Study.of(load_scores("scores.csv"))
    gains = tables.gain(study)
    figure = plots.plot_estimates(gains)

`tables` holds a function per table, `plots` a function per figure, `advise` answers how many samples to train on, and
`claims` recomputes the findings of the reference study, whose scores are `reference_scores()`. Names are imported on
first use, so that a program that needs the tables does not wait for matplotlib.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from clt_ray.analysis import claims, plots, tables, transfer
    from clt_ray.analysis.advice import Advice, ThinEvidence, advise
    from clt_ray.analysis.loading import load_items, load_scores
    from clt_ray.analysis.reference import reference_scores
    from clt_ray.analysis.run_log import RunLog
    from clt_ray.analysis.saturation import Series
    from clt_ray.analysis.study import Curve, Point, Study
    from clt_ray.analysis.uncertainty import Estimate

_MODULES: Final = ("claims", "plots", "tables", "transfer")
_HOME: Final = {
    "Advice": "advice", "Curve": "study", "Estimate": "uncertainty", "Point": "study", "RunLog": "run_log",
    "Series": "saturation", "Study": "study", "ThinEvidence": "advice", "advise": "advice", "load_items": "loading",
    "load_scores": "loading", "reference_scores": "reference",
}  # fmt: skip
"""Module of each exported name."""

__all__ = [
    "Advice", "Curve", "Estimate", "Point", "RunLog", "Series", "Study", "ThinEvidence", "advise", "claims",
    "load_items", "load_scores", "plots", "reference_scores", "tables", "transfer",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f"{__name__}.{name}")
    if name in _HOME:
        return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
