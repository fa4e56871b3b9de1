"""What a run will cost before it runs: tokens, FLOPs, chip-hours.

All three are estimates for deciding whether to start, built on stated assumptions: the mean length of a row
(`Task.tokens_per_row`), the fraction of a chip's peak that training reaches (`UTILISATION`), and that of its links
(`LINK_SHARE`). `status` and the report show what was measured.

Worked example: Llama 3.1 8B on a v5e-64, 14,000 rows of math in 219 steps of 64.

    computing   6 x 8.03e9 x 3.5e6 tokens / (64 chips x 197e12 x 0.35)  =   38 s
    weights     219 steps x 3 x 2 bytes x 8.03e9 / (200e9 B/s x 0.5)    =  106 s   <- longer: 106 s, 1.9 chip-hours

One short row per chip and step leaves the chips waiting for the weights; a smaller slice costs less.
"""

from __future__ import annotations

from collections.abc import Collection

from clt_ray.sweep.accelerators import TPUS
from clt_ray.sweep.run import RunSpec
from clt_ray.tasks import TASKS

UTILISATION = 0.35
"""Assumed model FLOP/s over peak FLOP/s. Published SFT runs on TPU v5e reach 0.3 to 0.5; unpacked rows padded
to buckets and recomputed activations cost the upper part of that range."""

LINK_SHARE = 0.5
"""Assumed part of a chip's link bandwidth that moves weights: a chip in the corner of a slice without wrap-around has
half of the links, and all wait for it."""

WEIGHT_PASSES = 3
"""Times per step that the weights of sharded training cross the links: gathered for the forward and again for the
backward pass, and their gradients reduced. Rajbhandari et al. 2020, arXiv 1910.02054, section 7.2."""

BYTES_PER_WEIGHT = 2
"""Weights and gradients travel in bf16."""

FLOPS_PER_PARAMETER_AND_TOKEN = 6
"""Multiply-adds of forward (2) and backward (4) pass: Kaplan et al. 2020, arXiv 2001.08361, section 2.1."""

SECONDS_PER_HOUR = 3600


def tokens_per_row(run: RunSpec) -> float:
    """Assumed mean tokens of the run's rows, of which every task has as many; none is longer than `max_length`."""
    lengths = [min(TASKS[task].tokens_per_row, run.training.max_length) for task in run.tasks]
    return sum(lengths) / len(lengths)


def training_tokens(run: RunSpec) -> int:
    """Estimated tokens that the run trains on, over all its epochs and not beyond `max_steps`."""
    rows = min(run.train_rows * run.training.epochs, run.steps * run.training.batch_size)
    return round(rows * tokens_per_row(run))


def training_flops(parameters: int, tokens: int) -> float:
    """FLOPs of training a dense decoder on that many tokens: C = 6 N D."""
    return float(FLOPS_PER_PARAMETER_AND_TOKEN) * parameters * tokens


def chip_hours(run: RunSpec, tokens: int) -> float | None:
    """Estimated chip-hours of training: of computing or of moving weights, whichever takes longer.

    None where the chip's peak or the model's size is not known. Validation, evaluation, start-up and compilation are
    not counted.
    """
    kind = TPUS.get(run.hardware.accelerator)
    if kind is None or run.model.parameters is None:
        return None
    computing = training_flops(run.model.parameters, tokens) / (kind.peak_flops * UTILISATION)
    moving = 0.0
    sharded, tensor = run.hardware.mesh_shape
    if kind.interconnect and sharded > 1:
        # Chips of a tensor axis hold different weights, and each gathers only its own part.
        traffic = run.steps * WEIGHT_PASSES * BYTES_PER_WEIGHT * run.model.parameters / tensor
        moving = traffic / (kind.interconnect * LINK_SHARE) * run.hardware.chips
    return max(computing, moving) / SECONDS_PER_HOUR


def assumptions(tasks: Collection[str]) -> str:
    """What the estimates rest on, in a line for people."""
    lengths = ", ".join(f"{TASKS[task].tokens_per_row} of {task}" for task in TASKS if task in tasks)
    return (
        f"assuming tokens per row: {lengths}; chip-hours: 6 x parameters x tokens at {UTILISATION:.0%} of peak, or "
        "moving the weights where that takes longer; training only"
    )
