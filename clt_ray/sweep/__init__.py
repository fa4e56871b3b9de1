"""Sweeps: the file, its cells and runs, their identity, and the plan.

Imports neither torch nor ray nor mlflow, so that commands which only read a sweep start fast.
"""

from clt_ray.sweep.grid import Cell, cells, expand
from clt_ray.sweep.load import load_sweep, parse_sweep
from clt_ray.sweep.plan import Plan, PlannedCell, RunStatus, make_plan
from clt_ray.sweep.run import RunSpec
from clt_ray.sweep.spec import SweepSpec, json_schema

__all__ = [
    "Cell",
    "Plan",
    "PlannedCell",
    "RunSpec",
    "RunStatus",
    "SweepSpec",
    "cells",
    "expand",
    "json_schema",
    "load_sweep",
    "make_plan",
    "parse_sweep",
]
