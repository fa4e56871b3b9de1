"""Sweeps: the file, its cells and runs, their identity, and the plan.

Imports neither torch nor ray nor mlflow, so that commands which only read a sweep start fast.
"""

from clt_ray.sweep.grid import Cell as Cell
from clt_ray.sweep.grid import cells as cells
from clt_ray.sweep.grid import expand as expand
from clt_ray.sweep.load import load_sweep as load_sweep
from clt_ray.sweep.load import parse_sweep as parse_sweep
from clt_ray.sweep.plan import Plan as Plan
from clt_ray.sweep.plan import PlannedCell as PlannedCell
from clt_ray.sweep.plan import RunStatus as RunStatus
from clt_ray.sweep.plan import make_plan as make_plan
from clt_ray.sweep.run import RunSpec as RunSpec
from clt_ray.sweep.spec import SweepSpec as SweepSpec
from clt_ray.sweep.spec import json_schema as json_schema
