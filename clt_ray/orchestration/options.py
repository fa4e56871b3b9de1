"""Options of executing runs with Ray."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class RayOptions:
    """The cluster to use, and how. No option changes the results of a run."""

    address: str | None = None
    """Address of a cluster. None stands for RAY_ADDRESS, which `ray job submit` sets, or for a new local cluster on
    127.0.0.1 where that is not set."""
    max_concurrent: int | None = None
    """Most runs at the same time; None for as many as the cluster can train."""
    verbose: bool = False
    """Show the output of Ray and Tune."""
