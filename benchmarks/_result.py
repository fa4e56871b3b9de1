"""The form of a benchmark's result: one JSON object that says what was measured, on what, and how to repeat it."""

from __future__ import annotations

import json
import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ("clt-ray", "ray", "torch", "torch-xla", "libtpu", "transformers", "trl", "mlflow", "pydantic", "numpy")


def emit(name: str, figures: Mapping[str, float], baseline: Mapping[str, float] | None = None) -> None:
    """Prints the result of a benchmark as one JSON object.

    Args:
        name: Name of the benchmark.
        figures: Measured numbers; the names include the units.
        baseline: The same figures of the method with which the project is compared.
    """
    compared = baseline or {}
    result = {
        "benchmark": name,
        "figures": dict(figures),
        "baseline": dict(compared),
        "ratio": {key: figures[key] / value for key, value in compared.items() if key in figures and value},
        "machine": machine(),
        "versions": versions(),
        "command": shlex.join(["python", *sys.argv]),
    }
    print(json.dumps(result))


def run_in_subprocess(what: str, *arguments: str, **variables: str) -> dict[str, float]:
    """Runs this program again in a separate process and returns the figures that it prints as its last line.

    Args:
        what: Name of the measured side, for error messages.
        arguments: Arguments of the program.
        variables: Environment variables in addition to those of this process.
    """
    command = [sys.executable, sys.argv[0], *arguments]
    environment = {**os.environ, **variables}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        raise SystemExit(f"{what} failed:\n{done.stderr[-3000:]}")
    return dict(json.loads(done.stdout.splitlines()[-1]))


def machine() -> dict[str, object]:
    """Returns the processor, the number of cores that this process may use, and the memory of this machine."""
    return {
        "cpu": _cpu_model(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
    }


def _cpu_model() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor()


def versions() -> dict[str, str]:
    """Returns the versions of Python and of the installed packages that can influence a figure."""
    installed = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            installed[package] = version(package)
        except PackageNotFoundError:
            continue
    return installed
