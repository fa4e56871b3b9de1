"""The one shape of every benchmark's result, so that committed numbers can be read and repeated."""

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
    """Print one benchmark's result as one JSON object.

    Args:
        name: Name of the benchmark.
        figures: What was measured; names carry units.
        baseline: The same figures of what the measurement is compared with.
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


def apart(what: str, *arguments: str, **variables: str) -> dict[str, float]:
    """Figures that this program prints when it is run again in a process of its own, as its last line.

    Args:
        what: Of the side that is measured, for the error.
        arguments: For the program.
        variables: Of its environment, beside those of this process.
    """
    command = [sys.executable, sys.argv[0], *arguments]
    environment = {**os.environ, **variables}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        raise SystemExit(f"{what} failed:\n{done.stderr[-3000:]}")
    return dict(json.loads(done.stdout.splitlines()[-1]))


def machine() -> dict[str, object]:
    """Processor, cores that this process may use, and memory of this machine."""
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
    """Python and the installed packages that a figure may depend on."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
