"""Choice of the backend by hardware."""

from __future__ import annotations

from importlib.util import find_spec

from clt_ray.errors import ConfigurationError, Problem
from clt_ray.sweep.accelerators import TPUS
from clt_ray.sweep.run import RunSpec
from clt_ray.training.backends.base import Backend
from clt_ray.training.backends.xla.fit import misfits

ACCELERATORS = ("CPU", "GPU", *TPUS)
"""Hardware that this version can train on."""


def unsupported(run: RunSpec) -> Problem | None:
    """Why this version cannot train the run on the hardware it asks for, if so.

    Asked where a sweep is started, which needs none of the libraries of the hardware.
    """
    accelerator = run.hardware.accelerator
    if accelerator in TPUS:
        return next(iter(misfits(run)), None)
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
    """The backend that trains `run`, in the process that will train it.

    Raises:
        ConfigurationError: No backend fits the accelerator of the run, or its libraries are not installed.
    """
    problem = unsupported(run)
    if problem is None and run.hardware.accelerator in TPUS and find_spec("torch_xla") is None:
        problem = Problem(
            where="hardware",
            key=f"{run.model.name}.accelerator",
            value=run.hardware.accelerator,
            message="torch_xla is not installed in the environment of this process",
            remedy="install the package with its extra: pip install 'clt-ray[tpu]'",
        )
    if problem is not None:
        raise ConfigurationError([problem])
    if run.hardware.accelerator in TPUS:
        from clt_ray.training.backends.xla.backend import XlaBackend

        return XlaBackend()
    from clt_ray.training.backends.torch import TorchBackend

    return TorchBackend(run.hardware.accelerator)
