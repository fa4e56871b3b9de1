"""Environment of a process that trains on a TPU, to be set before torch_xla is imported in it.

What starts such processes passes `worker_environment` on; `XlaBackend.start` checks it. PJRT_DEVICE=CPU with
CPU_NUM_DEVICES=<chips> makes one process simulate a slice of that many chips, for tests and for counting graphs.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

PROCESS_INDEX = "CLT_RAY_PROCESS_INDEX"
"""Index of this process among the hosts of the slice; process 0 writes. Every host would call itself the first:
under SPMD torch_xla sees one device."""
PROCESS_COUNT = "CLT_RAY_PROCESS_COUNT"
"""Hosts of the slice."""
CACHE = "CLT_RAY_XLA_CACHE"
"""Folder of the persistent compilation cache, shared by the runs on a host; unset means none."""

MOST_TRACED = 64
"""Devices that a tracing process pretends to have. Automatic differentiation counts devices in 8 bits; partitions for
more chips can be written down all the same."""

FORBIDDEN = ("XLA_USE_BF16", "XLA_DOWNCAST_BF16", "WORLD_SIZE", "RANK", "LOCAL_RANK")
"""The first two would store fp32 masters in bf16; the rest make accelerate start a process group of its own."""


def worker_environment(index: int, count: int, cache: str | None = None, device: str = "TPU") -> dict[str, str]:
    """Variables of one host's process.

    Args:
        index: Of the host, from 0.
        count: Hosts of the slice.
        cache: Folder of the persistent compilation cache.
        device: `TPU`, or `CPU` to simulate one.
    """
    wanted = {
        "PJRT_DEVICE": device,
        # A learning rate of 0 or 1 would otherwise become part of the graph and cost a compilation.
        "XLA_NO_SPECIAL_SCALARS": "1",
        PROCESS_INDEX: str(index),
        PROCESS_COUNT: str(count),
    }
    return wanted | ({CACHE: cache} if cache else {})


def prepare(index: int, count: int, address: str, port: int) -> None:
    """Set the variables of this process, one of those that train a run; see `backends.prepare_slice_process`."""
    for name in FORBIDDEN:
        os.environ.pop(name, None)
    device = os.environ.get("PJRT_DEVICE", "TPU")
    cache = os.environ.get(CACHE) or str(Path(tempfile.gettempdir()) / f"clt-ray-xla-cache-{os.getuid()}")
    os.environ.update(worker_environment(index, count, cache, device))
    os.environ.update({"MASTER_ADDR": address, "MASTER_PORT": str(port)})


def tracing_environment(chips: int) -> dict[str, str]:
    """Variables of a process that traces a step for so many chips, without any."""
    return {
        "PJRT_DEVICE": "CPU",
        "CPU_NUM_DEVICES": str(min(chips, MOST_TRACED)),
        "XLA_NO_SPECIAL_SCALARS": "1",
        "JAX_PLATFORMS": "cpu",
    }


def complete() -> None:
    """Set what has one right value and nobody has set; has no effect on a torch_xla that has met a device."""
    os.environ.setdefault("PJRT_DEVICE", "TPU")
    os.environ.setdefault("XLA_NO_SPECIAL_SCALARS", "1")


def wrong(environment: Mapping[str, str] = os.environ) -> list[str]:
    """What of a process's environment does not fit training on a TPU, as clauses."""
    found = [f"{name} is set" for name in FORBIDDEN if name in environment]
    if environment.get("XLA_NO_SPECIAL_SCALARS") != "1":
        found.append("XLA_NO_SPECIAL_SCALARS is not 1")
    if environment.get("PJRT_DEVICE") not in ("TPU", "CPU"):
        found.append("PJRT_DEVICE is neither TPU nor CPU")
    return found


def process_index() -> int:
    return int(os.environ.get(PROCESS_INDEX, "0"))


def process_count() -> int:
    return int(os.environ.get(PROCESS_COUNT, "1"))
