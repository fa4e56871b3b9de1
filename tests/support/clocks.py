"""A wrong wall clock for a command and all the Python processes that it starts."""

from __future__ import annotations

import os
from pathlib import Path

# Python imports this module before any other one, so nobody has the right clock.
SHIFT = """
import time

time.time = lambda clock=time.time: clock() + {seconds}
time.time_ns = lambda clock=time.time_ns: clock() + int({seconds} * 1e9)
"""


def wrong_clock(folder: Path, seconds: float) -> dict[str, str]:
    """Returns the environment of processes whose clock is ahead by some seconds, or behind where they are negative."""
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(SHIFT.format(seconds=seconds))
    return {"PYTHONPATH": os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH")]))}
