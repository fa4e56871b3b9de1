"""Runs on simulated slices: what a test asks one process of `CPU_NUM_DEVICES` devices to do."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
TOPOLOGY = {1: "1x1", 4: "2x2", 8: "2x4"}
"""A slice that exists, by its number of chips."""


def chips(mesh: str) -> int:
    fsdp, tensor = map(int, mesh.split("x"))
    return fsdp * tensor


def hardware(mesh: str | None) -> dict[str, Any]:
    """The hardware section: a simulated slice, or the CPU for no mesh."""
    if mesh is None:
        return {"accelerator": "CPU"}
    return {"accelerator": "TPU-V5LITEPOD", "topology": TOPOLOGY[chips(mesh)], "mesh": mesh}


def make_run(folder: Path, mesh: str | None, model: str | None = None, **changes: Any) -> Any:
    """The last run of the tests' tiny sweep on some mesh, of a local model or the bundled one."""
    from clt_ray.sweep.grid import expand
    from clt_ray.sweep.load import load_sweep
    from tests.support.sweeps import sweep, write

    folder.mkdir(parents=True, exist_ok=True)
    if model is not None:
        changes |= {"models": {"local": {"source": model}}, "grid": {"model": ["local"]}}
    document = sweep(hardware=hardware(mesh), **changes)
    return expand(load_sweep(write(folder / "sweep.yaml", document)))[-1]


def start(program: Path, devices: int, *arguments: str, packages: str = "") -> subprocess.Popen[str]:
    """Starts a program of the tests in a process of its own.

    Args:
        program: Path of the program.
        devices: Number of virtual devices.
        arguments: Command line of the program.
        packages: Folder of packages that only this process can import; empty for none.
    """
    environment = {
        **os.environ,
        "PJRT_DEVICE": "CPU",
        "CPU_NUM_DEVICES": str(devices),
        # The torch backend of an environment with torch_xla: transformers would look for a TPU.
        **({"USE_TORCH_XLA": "0"} if "cpu" in arguments else {}),
        "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), packages, *sys.path])),
    }
    command = [sys.executable, str(program), *arguments]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )  # fmt: skip


def elsewhere(program: Path, devices: int, *arguments: str, packages: str = "") -> Any:
    """Runs a program of the tests to its end, as `start` does, and returns the JSON that it prints last."""
    process = start(program, devices, *arguments, packages=packages)
    printed, errors = process.communicate()
    assert process.returncode == 0, errors[-3000:]
    return json.loads(printed.splitlines()[-1])
