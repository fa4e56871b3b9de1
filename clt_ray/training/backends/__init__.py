"""Choice of the backend by hardware."""

from __future__ import annotations

from clt_ray.errors import ConfigurationError, Problem
from clt_ray.sweep.run import RunSpec
from clt_ray.training.backends.base import Backend

ACCELERATORS = ("CPU", "GPU")
"""Hardware that this version can train on."""


def unsupported(run: RunSpec) -> Problem | None:
    """Why this version cannot train the run on the hardware it asks for, if so."""
    accelerator = run.hardware.accelerator
    if accelerator in ACCELERATORS:
        return None
    return Problem(
        where="hardware",
        key=f"{run.model.name}.accelerator",
        value=accelerator,
        message="no training backend for this hardware is installed",
        remedy=f"use one of {', '.join(ACCELERATORS)} (--set hardware.accelerator=CPU), or add a backend "
        "in clt_ray/training/backends/",
    )


def select_backend(run: RunSpec) -> Backend:
    """The backend that trains `run`.

    Raises:
        ConfigurationError: No backend fits the accelerator of the run.
    """
    problem = unsupported(run)
    if problem is not None:
        raise ConfigurationError([problem])
    from clt_ray.training.backends.torch import TorchBackend

    return TorchBackend(run.hardware.accelerator)
