"""Sweeps of full fine-tunings on Ray for the study of cross-lingual transfer in post-training.

    import clt_ray

    sweep = clt_ray.open_sweep("sweeps/smoke.yaml")
    clt_ray.run(sweep)
    print(clt_ray.report(sweep))

Every verb of the command line is a function here that takes an open sweep. Importing the package loads nothing else.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from clt_ray.analysis.study import Study
    from clt_ray.opened import OpenSweep, open_sweep, open_sweeps
    from clt_ray.verbs.advise import Question, advise
    from clt_ray.verbs.best import best
    from clt_ray.verbs.clean import clean
    from clt_ray.verbs.data import summarize_data
    from clt_ray.verbs.export import export
    from clt_ray.verbs.judge import JudgeOptions, judge
    from clt_ray.verbs.plan import plan, prove_fits
    from clt_ray.verbs.report import ReportOptions, report
    from clt_ray.verbs.run import RunOptions, run
    from clt_ray.verbs.status import status
    from clt_ray.verbs.submit import SubmitOptions, submit
    from clt_ray.verbs.ui import ui
    from clt_ray.verbs.validate import validate

__all__ = [
    "JudgeOptions", "OpenSweep", "Question", "ReportOptions", "RunOptions", "Study", "SubmitOptions", "advise", "best",
    "clean", "export", "judge", "open_sweep", "open_sweeps", "plan", "prove_fits", "report", "run", "status", "submit",
    "summarize_data", "ui", "validate",
]  # fmt: skip

_MODULES = {
    "Study": "clt_ray.analysis.study",
    "OpenSweep": "clt_ray.opened",
    "open_sweep": "clt_ray.opened",
    "open_sweeps": "clt_ray.opened",
    "Question": "clt_ray.verbs.advise",
    "JudgeOptions": "clt_ray.verbs.judge",
    "ReportOptions": "clt_ray.verbs.report",
    "RunOptions": "clt_ray.verbs.run",
    "SubmitOptions": "clt_ray.verbs.submit",
    "prove_fits": "clt_ray.verbs.plan",
    "summarize_data": "clt_ray.verbs.data",
}
"""Modules of the names that are not defined in the verb's file of the same name."""


def __getattr__(name: str) -> Any:
    """Imports a public name when it is first used (PEP 562), so that `import clt_ray` stays light."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES.get(name, f"clt_ray.verbs.{name}")), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
