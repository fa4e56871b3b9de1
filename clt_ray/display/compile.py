"""What the compiler says of planned runs, for people."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from clt_ray.display.tables import console, table
from clt_ray.display.text import duration

if TYPE_CHECKING:
    from clt_ray.training.backends.fit_proof import FitProof


def print_compiling(proof: FitProof) -> None:
    """What is being compiled, as a line of its own beside the output."""
    print(
        f"compiling {proof.model} for {proof.accelerator} {proof.topology}, mesh {proof.mesh}, "
        f"{proof.batch_size} rows of {proof.max_length:,} tokens ...",
        file=sys.stderr,
        flush=True,
    )


def print_proofs(proofs: Sequence[FitProof]) -> None:
    """GiB of a chip that every distinct step needs, and whether the chip has them."""
    grid = table(
        ("model", "left"), ("slice", "left"), ("mesh", "right"), ("batch", "right"), ("runs", "right"),
        ("layers", "right"), ("state", "right"), ("step", "right"), ("of a chip", "right"), ("took", "right"),
        ("", "left"),
    )  # fmt: skip
    for proof in proofs:
        grid.add_row(
            proof.model,
            f"{proof.accelerator.removeprefix('TPU-')} {proof.topology}",
            proof.mesh,
            f"{proof.batch_size} x {proof.max_length:,}",
            str(proof.runs),
            _layers(proof),
            _gib(proof.state_gib),
            _gib(proof.step_gib),
            f"{_gib(proof.total_gib) or 'more'} of {_gib(proof.chip_gib)}",
            duration(proof.compile_seconds),
            "fits" if proof.fits else "[red]does not fit[/red]",
        )
    out = console()
    out.print()
    out.print(grid)
    for proof in proofs:
        if proof.error:
            out.print(f"{proof.model}: {proof.error}", highlight=False, markup=False, soft_wrap=True)
    note = (
        "GiB per chip. State: parameters and optimizer; step: activations, gradients, gathered weights and the program."
    )
    remedy = " Larger slice, larger tensor part of the mesh, smaller training.batch_size or training.max_length."
    out.print(note + ("" if all(proof.fits for proof in proofs) else remedy), highlight=False)


def _layers(proof: FitProof) -> str:
    """`32`, or `11, 22 of 40`."""
    compiled = ", ".join(map(str, proof.compiled_layers))
    return compiled if proof.compiled_layers == (proof.layers,) else f"{compiled} of {proof.layers}"


def _gib(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"
