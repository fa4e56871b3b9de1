"""What a run will cost before it runs: tokens, FLOPs, chip-hours.

All three are estimates for deciding whether to start, built on two stated assumptions: the mean length of a row
(`TOKENS_PER_ROW`) and the fraction of a chip's peak that training reaches (`UTILISATION`). `status` and the
report show what was measured.
"""

from __future__ import annotations

from clt_ray.sweep.accelerators import TPUS
from clt_ray.sweep.run import RunSpec

TOKENS_PER_ROW = {"summarization": 900, "instruction": 400, "math": 250}
"""Assumed mean tokens of a training row, prompt and completion, over the eight study languages with a large
multilingual tokenizer. From the length of the data sets: an XL-Sum article has about 430 words; single-turn
instruction rows about 800 characters and step-by-step solutions about 400 in Latin script, at 3 characters a
token and less for other scripts."""

UTILISATION = 0.35
"""Assumed model FLOP/s over peak FLOP/s. Published SFT runs on TPU v5e reach 0.3 to 0.5; unpacked rows padded
to buckets and recomputed activations cost the upper part of that range."""

FLOPS_PER_PARAMETER_AND_TOKEN = 6
"""Multiply-adds of forward (2) and backward (4) pass: Kaplan et al. 2020, arXiv 2001.08361, section 2.1."""

SECONDS_PER_HOUR = 3600


def tokens_per_row(run: RunSpec) -> float:
    """Assumed mean tokens of the run's rows, of which every task has as many; none is longer than `max_length`."""
    lengths = [min(TOKENS_PER_ROW[task], run.training.max_length) for task in run.tasks]
    return sum(lengths) / len(lengths)


def training_tokens(run: RunSpec) -> int:
    """Estimated tokens that the run trains on, over all its epochs and not beyond `max_steps`."""
    rows = min(run.train_rows * run.training.epochs, run.steps * run.training.batch_size)
    return round(rows * tokens_per_row(run))


def training_flops(parameters: int, tokens: int) -> float:
    """FLOPs of training a dense decoder on that many tokens: C = 6 N D."""
    return float(FLOPS_PER_PARAMETER_AND_TOKEN) * parameters * tokens


def chip_hours(run: RunSpec, tokens: int) -> float | None:
    """Estimated chip-hours of training; None where the chip's peak or the model's size is not known.

    Validation, evaluation, start-up and compilation are not counted.
    """
    kind = TPUS.get(run.hardware.accelerator)
    if kind is None or run.model.parameters is None:
        return None
    flops = training_flops(run.model.parameters, tokens)
    return flops / (kind.peak_flops * UTILISATION) / SECONDS_PER_HOUR
