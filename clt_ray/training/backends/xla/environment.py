"""Environment variables of a process that trains on a TPU, to be set before torch_xla is imported in it.

`prepare_slice_process` sets them, and `XlaBackend.start` checks them. PJRT_DEVICE=CPU with CPU_NUM_DEVICES=<chips>
makes one process simulate a slice of that many chips, for tests and for counting graphs.
"""

import glob
import os
import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

PROCESS_INDEX = "CLT_RAY_PROCESS_INDEX"
"""Index of this process among the hosts of the slice; process 0 writes. torch_xla cannot tell: under SPMD it sees one
device and calls every host the first."""
PROCESS_COUNT = "CLT_RAY_PROCESS_COUNT"
"""Number of hosts of the slice."""
CHIPS = ("/dev/accel*", "/dev/vfio/[0-9]*")
"""Device files of the chips of a host; libtpu ends a process that starts while another one has one of them open."""
MOST_TRACED = 64
"""Largest number of virtual devices of a tracing process. PyTorch's automatic differentiation counts devices in 8 bits;
partitions for more chips can still be recorded."""

FORBIDDEN = ("XLA_USE_BF16", "XLA_DOWNCAST_BF16", "WORLD_SIZE", "RANK", "LOCAL_RANK")
"""Variables that must be unset: the first two would store fp32 masters in bf16, and the others make accelerate start a
process group of its own."""


def prepare_slice_process(index: int, count: int, address: str, port: int) -> None:
    """Sets the variables of a process that trains on a TPU slice, before torch_xla is imported in it.

    Args:
        index: Rank of the process. Under SPMD each process sees itself as the first, so only this tells them apart.
        address: Host name or IP address of the first process, where the process group meets.
    """
    for name in FORBIDDEN:
        os.environ.pop(name, None)
    os.environ.setdefault("PJRT_DEVICE", "TPU")
    # Without special scalars, a learning rate of 0 or 1 does not become part of the graph and cost a compilation.
    os.environ.update({"XLA_NO_SPECIAL_SCALARS": "1", PROCESS_INDEX: str(index), PROCESS_COUNT: str(count)})
    os.environ.update({"MASTER_ADDR": address, "MASTER_PORT": str(port)})


def tracing_environment(chips: int) -> dict[str, str]:
    """Returns the variables of a process that traces a step for a number of chips, without a TPU."""
    return {
        "PJRT_DEVICE": "CPU",
        "CPU_NUM_DEVICES": str(min(chips, MOST_TRACED)),
        "XLA_NO_SPECIAL_SCALARS": "1",
        "JAX_PLATFORMS": "cpu",
    }


def wrong(environment: Mapping[str, str] = os.environ) -> list[str]:
    """Returns the errors of a process's environment, as clauses; empty if it fits training on a TPU."""
    errors = [f"{name} is set" for name in FORBIDDEN if name in environment]
    if environment.get("XLA_NO_SPECIAL_SCALARS") != "1":
        errors.append("XLA_NO_SPECIAL_SCALARS is not 1")
    if environment.get("PJRT_DEVICE") not in ("TPU", "CPU"):
        errors.append("PJRT_DEVICE is neither TPU nor CPU")
    return errors


def wait_for_chips(devices: Sequence[str], seconds: float = 120.0) -> None:
    """Waits until no other process of this host has a chip open, as one that was killed may have for some seconds.

    Raises:
        RuntimeError: A process has one open after this time. A later attempt may succeed.
    """
    deadline = time.monotonic() + seconds
    while holders := _holders({path for pattern in devices for path in glob.glob(pattern)}):
        if time.monotonic() > deadline:
            raise RuntimeError(f"the chips of this host are in use by the processes {', '.join(sorted(holders))}")
        time.sleep(0.5)


def _holders(devices: Collection[str]) -> set[str]:
    """Returns the ids of the processes, apart from this one, that have one of these files open."""
    holders = set()
    for opened in glob.glob("/proc/[0-9]*/fd/*") if devices else ():
        with suppress(OSError):
            if os.readlink(opened) in devices:
                holders.add(Path(opened).parts[2])
    return holders - {str(os.getpid())}
