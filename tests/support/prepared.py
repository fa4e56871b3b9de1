"""Prepares a fork server for the runs of the tiny sweep: importing this module reads their rows, which are cached."""

import gc
import tempfile
from pathlib import Path

from clt_ray.data.mixture import build_run_data
from tests.support.trained import last_run, quick_run

with tempfile.TemporaryDirectory() as folder:
    for run in (last_run(Path(folder)), quick_run(Path(folder))):
        build_run_data(run)
# The collector writes to the objects it visits; frozen ones are not visited, so children share their memory.
gc.collect()
gc.freeze()
