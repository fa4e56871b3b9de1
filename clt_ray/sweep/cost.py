"""Estimates the cost of a run before it starts: tokens, FLOPs and chip-hours.

The estimates serve to decide whether to start. They assume a mean length of a row (`Task.tokens_per_row`), the fraction
of a chip's peak FLOP/s that training reaches (`UTILISATION`), and the fraction of its links' bandwidth (`LINK_SHARE`).
`status` and the report show measured values.

Example: Llama 3.1 8B on a v5e-64, 14,000 rows of math in 219 steps of 64 rows.

    computation   6 x 8.03e9 x 3.5e6 tokens / (64 chips x 197e12 x 0.35)  =   38 s
    transfer      219 steps x 3 x 2 bytes x 8.03e9 / (200e9 B/s x 0.5)    =  106 s   <- longer, so 1.9 chip-hours

With one short row per chip and step, the transfer of the weights takes longer than the computation, and a smaller slice
costs less.
"""

from collections.abc import Collection

from clt_ray.sweep.accelerators import TPUS
from clt_ray.sweep.run import RunSpec
from clt_ray.tasks import TASKS

UTILISATION = 0.35
"""Assumed model FLOP/s over peak FLOP/s. Published fine-tuning runs on TPU v5e reach 0.3 to 0.5. Padding of unpacked
rows and recomputation of activations keep training here in the lower part of that range."""

LINK_SHARE = 0.5
"""Assumed fraction of a chip's link bandwidth that is available for weights. In a slice without wrap-around links, a
chip at a corner has half of the links, and all chips wait for it."""

WEIGHT_PASSES = 3
"""Number of transfers per step of as many bytes as the weights have, in sharded training: the weights are gathered for
the forward and for the backward pass, and the gradients are reduced (Rajbhandari et al. 2020, arXiv 1910.02054, section
7.2)."""

BYTES_PER_WEIGHT = 2
"""Bytes per weight or gradient in transfer, which is in bf16."""

FLOPS_PER_PARAMETER_AND_TOKEN = 6
"""FLOPs of the forward (2) and the backward (4) pass (Kaplan et al. 2020, arXiv 2001.08361, section 2.1)."""

SECONDS_PER_HOUR = 3600


def tokens_per_row(run: RunSpec) -> float:
    """Returns the assumed mean length of the run's rows in tokens; all tasks have the same number of rows."""
    lengths = [min(TASKS[task].tokens_per_row, run.training.max_length) for task in run.tasks]
    return sum(lengths) / len(lengths)


def training_tokens(run: RunSpec) -> int:
    """Estimates the number of tokens that the run trains on over all epochs, up to `max_steps`."""
    rows = min(run.train_rows * run.training.epochs, run.steps * run.training.batch_size)
    return round(rows * tokens_per_row(run))


def chip_hours(run: RunSpec, tokens: int) -> float | None:
    """Estimates the chip-hours of training, from computation or from transfer of weights, whichever takes longer.

    Validation, evaluation, start-up and compilation are not counted. The result is None where the chip's peak FLOP/s
    or the model's size is unknown.
    """
    kind = TPUS.get(run.hardware.accelerator)
    if kind is None or run.model.parameters is None:
        return None
    flops = FLOPS_PER_PARAMETER_AND_TOKEN * run.model.parameters * tokens
    computation_seconds = flops / (kind.peak_flops * UTILISATION)
    transfer_seconds = 0.0
    sharded, tensor = run.hardware.mesh_shape
    if kind.interconnect and sharded > 1:
        # Chips along the tensor axis hold different parts of each layer, and each gathers only its part.
        traffic_bytes = run.steps * WEIGHT_PASSES * BYTES_PER_WEIGHT * run.model.parameters / tensor
        transfer_seconds = traffic_bytes / (kind.interconnect * LINK_SHARE) * run.hardware.chips
    return max(computation_seconds, transfer_seconds) / SECONDS_PER_HOUR


def assumptions(tasks: Collection[str]) -> str:
    """Returns the assumptions of the estimates in one line for people."""
    lengths = ", ".join(f"{TASKS[task].tokens_per_row} of {task}" for task in TASKS if task in tasks)
    return (
        f"assuming tokens per row: {lengths}; chip-hours: 6 x parameters x tokens at {UTILISATION:.0%} of peak, or "
        "the transfer of the weights where that takes longer; training only"
    )
