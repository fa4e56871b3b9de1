"""Selects the backend for a run's hardware, and answers what can be asked about backends without their libraries."""

from importlib.util import find_spec

from clt_ray.errors import ConfigurationError, Problem
from clt_ray.sweep.accelerators import ACCELERATORS, TPUS
from clt_ray.sweep.run import RunSpec
from clt_ray.training.backends.base import Backend
from clt_ray.training.backends.xla.plan import misfits


def unsupported(run: RunSpec) -> Problem | None:
    """Returns the problem that keeps this version from training the run on its hardware, or None.

    This is asked where a sweep is started, so it imports none of the libraries of the hardware.
    """
    accelerator = run.hardware.accelerator
    if accelerator in TPUS:
        return next(iter(misfits(run)), None)
    if accelerator in ACCELERATORS:
        return None
    remedy = f"use one of {', '.join(ACCELERATORS)} (--set hardware.accelerator=CPU), or add a backend in "
    return _problem(run, "no training backend for this hardware is installed", f"{remedy}clt_ray/training/backends/")


def _problem(run: RunSpec, message: str, remedy: str) -> Problem:
    return Problem("hardware", f"{run.model.name}.accelerator", run.hardware.accelerator, message, remedy)


def select_backend(run: RunSpec) -> Backend:
    """Returns the backend that trains `run`; call it in the process that will train.

    Raises:
        ConfigurationError: No backend fits the accelerator of the run, or its libraries are not installed.
    """
    problem = unsupported(run)
    if problem is None and run.hardware.accelerator in TPUS and find_spec("torch_xla") is None:
        remedy = "install the package with its extra: pip install 'clt-ray[tpu]'"
        problem = _problem(run, "torch_xla is not installed in the environment of this process", remedy)
    if problem is not None:
        raise ConfigurationError([problem])
    if run.hardware.accelerator in TPUS:
        from clt_ray.training.backends.xla.backend import XlaBackend

        return XlaBackend()
    from clt_ray.training.backends.torch import TorchBackend

    return TorchBackend(run.hardware.accelerator)
