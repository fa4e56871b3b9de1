"""The verb `plan --compile`: proves, without a TPU, that the planned runs fit the chips of their slices."""

from __future__ import annotations

from collections.abc import Callable

from clt_ray.sweep.plan import Plan
from clt_ray.training.backends import prove as prove_runs
from clt_ray.training.backends.fit_proof import FitProof


def prove(planned: Plan, announce: Callable[[FitProof], None] = lambda _: None) -> list[FitProof]:
    """Compiles the training step of every distinct model, shape and slice of a plan.

    Args:
        planned: Result of `plan`; runs on CPU or GPU are passed over.
        announce: Called with each proof before its compilation, to show which one is in progress.

    Raises:
        ConfigurationError: No run is on a TPU that the compiler supports, a model's configuration cannot be read, or
            the compiler is not installed in this environment.
    """
    return prove_runs((cell.run for cell in planned.cells), announce)
