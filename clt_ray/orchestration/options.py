"""How a sweep uses a Ray cluster."""

from dataclasses import dataclass


@dataclass(frozen=True)
class RayOptions:
    """The cluster to use, and how. No option changes the results of a run."""

    address: str | None = None
    """Address of a cluster. None stands for RAY_ADDRESS, which `ray job submit` sets, or for a new local cluster on
    127.0.0.1 where that is not set."""
    max_concurrent: int | None = None
    """Most runs at the same time; None for as many as the cluster can train."""
    max_wait_hours: float = 24.0
    """Longest time that a run waits for its place while no other run trains, in hours."""
    stop_grace_seconds: float = 10.0
    """Time that the runs under way have to write a checkpoint when the sweep is interrupted, in seconds."""
    verbose: bool = False
