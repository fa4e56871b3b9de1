"""A small sweep, its runs and its problems."""

from __future__ import annotations

from typing import Any

from clt_ray.errors import ConfigurationError, Problem
from clt_ray.sweep import RunSpec, expand, parse_sweep

TPU = {"accelerator": "TPU-V5LITEPOD", "topology": "8x8", "mesh": "64x1"}


def sweep(**changes: Any) -> dict[str, Any]:
    """A small valid sweep with some top-level keys replaced; None removes one."""
    content: dict[str, Any] = {
        "name": "small",
        "grid": {"model": ["llama-3.1-8b"], "task": ["math"], "samples_per_language": [0, 100]},
        **changes,
    }
    return {key: value for key, value in content.items() if value is not None}


def runs_of(**changes: Any) -> tuple[RunSpec, ...]:
    return expand(parse_sweep(sweep(**changes)))


def problems_of(**changes: Any) -> tuple[Problem, ...]:
    """The problems of a small sweep with some keys replaced; none when it is valid."""
    try:
        parse_sweep(sweep(**changes))
    except ConfigurationError as error:
        return error.problems
    return ()
