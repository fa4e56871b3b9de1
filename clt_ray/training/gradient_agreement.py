"""How far the gradients of a run's tasks and languages agree while it trains.

Every few steps, the gradient of the mean completion loss of each (task, language) that the run trains on is taken at
the current weights, over the first `PROBE_ROWS` of its validation rows. Two gradients that point the same way (cosine
above 0) mean that a small step which lowers one loss lowers the other; a negative cosine is interference in the sense
of Yu et al. 2020, "Gradient Surgery for Multi-Task Learning", arXiv 2001.06782.

A gradient is as large as the model, and a run has many cells, so none is kept. Each is reduced to a *count sketch*
(Charikar, Chen and Farach-Colton 2002, "Finding frequent items in data streams"): parameter i is added, with a random
sign, to one of `BUCKETS` random buckets, the same for every gradient. Inner products of sketches are unbiased, those of
unit vectors with a standard deviation of at most sqrt(2 / BUCKETS), 0.006. Sketches are linear: that of a sum of losses
is the sum of sketches, so rows can be taken a few at a time. (TPU slices add up signed rows of matrices instead, see
`backends.xla.agreement`.)

    rows 0 2 4 6 of math.en  ->  sketch a          cosine(a, b)                  interference/math.en/math.en
    rows 1 3 5 7 of math.en  ->  sketch b          cosine(a + b, c + d)          interference/math.en/math.es
    the same of math.es      ->  sketches c, d     |a + b| / labelled tokens     interference/math.en/norm

A gradient over few rows is noisy, which draws all cosines towards 0. The cosine of a cell's two halves, on the
diagonal, says how much, and lets the analysis take it out.

**Measuring leaves training as it was.** `.grad` is neither read nor written, no module hook of data parallelism runs,
and random bits come from a generator of its own; the model is in evaluation mode meanwhile, so nothing is dropped out.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import nan
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import TrainerCallback

from clt_ray.data.formatting import IGNORED, Encoded
from clt_ray.sweep.run import RunSpec
from clt_ray.tasks import TaskLanguage
from clt_ray.training.batches import collate
from clt_ray.training.journal import Journal
from clt_ray.training.loss import completion_nll

PROBE_ROWS = 8
"""Validation rows per cell whose loss is differentiated."""
BUCKETS = 65_536
"""Numbers that a gradient is reduced to."""
PARAMETERS_AT_A_TIME = 2**24
"""Bounds the memory of the hashes."""
HASH_SEED = 2002
"""Of the buckets and signs; the same in all runs. Another kind of device draws others, which moves a cosine by no more
than the sketch's error."""

PREFIX = "interference"
SECONDS = "perf/gradient_agreement_seconds"

Batch = dict[str, Tensor]


@dataclass(frozen=True)
class Probe:
    """The rows on which the gradient of a cell is measured."""

    cell: TaskLanguage
    halves: tuple[tuple[Batch, ...], tuple[Batch, ...]]
    """Batches of every other row, and of the rows between."""


@dataclass(frozen=True)
class CellGradient:
    """What is kept of a cell's gradient: of the sum of its token losses, in two halves."""

    halves: tuple[NDArray[np.float64], NDArray[np.float64]]
    """Sketches, each of as many numbers as the device's kind of sketch has buckets."""
    tokens: int
    """Labelled tokens in both halves."""

    @property
    def whole(self) -> NDArray[np.float64]:
        return self.halves[0] + self.halves[1]


Measure = Callable[[Sequence[Probe]], dict[TaskLanguage, CellGradient]]


class GradientAgreement(TrainerCallback):
    """Measures after the optimizer step, every so many steps, and records in the journal.

    Args:
        probes: What is measured.
        every: Steps from one measurement to the next.
        journal: Process 0 writes to it.
        measure: Gives the gradients of probes at the current weights; called by all processes of a run at once.
        rank: Of this process.
    """

    def __init__(self, probes: Sequence[Probe], every: int, journal: Journal, measure: Measure, rank: int = 0) -> None:
        self.probes, self.every, self.journal = probes, every, journal
        self.measure, self.rank = measure, rank

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.global_step % self.every or not self.probes:
            return
        started = time.monotonic()
        found = self.measure(self.probes)
        if self.rank == 0:
            metrics = agreement_metrics({probe.cell: found[probe.cell] for probe in self.probes})
            seconds = {SECONDS: time.monotonic() - started}
            self.journal.append_metrics("interference", state.global_step, metrics | seconds)


def probes_of(
    run: RunSpec,
    validation: Mapping[TaskLanguage, Sequence[Encoded]],
    pad_id: int,
    rows_per_cell: int = PROBE_ROWS,
    rows_at_a_time: int = PROBE_ROWS,
) -> list[Probe]:
    """The probes of a run: one per task and language that it trains on and that has at least 2 validation rows.

    Args:
        run: Says which languages have training rows.
        validation: Rows per (task, language); the first with a labelled token are taken.
        pad_id: Of the tokenizer.
        rows_per_cell: Most rows of a probe.
        rows_at_a_time: Most rows in a batch.

    Returns:
        No probes when there are fewer than two cells to compare.
    """
    # Sorted, so that a pair has one name whatever order a sweep file lists its languages in.
    trained = sorted((run.tasks.index(task), code) for task, code in validation if run.rows_in(code))
    probes = []
    for cell in (TaskLanguage(run.tasks[place], code) for place, code in trained):
        rows = [row for row in validation[cell] if _labelled(row)][:rows_per_cell]
        if len(rows) > 1:
            first, second = (tuple(_batches(rows[start::2], pad_id, rows_at_a_time)) for start in (0, 1))
            probes.append(Probe(cell, (first, second)))
    return probes if len(probes) > 1 else []


def _labelled(row: Encoded) -> bool:
    return any(label != IGNORED for label in row.labels[1:])


def _batches(rows: Sequence[Encoded], pad_id: int, size: int) -> Iterable[Batch]:
    for start in range(0, len(rows), size):
        yield collate(rows[start : start + size], pad_id)


def cell_gradients(
    model: Any, probes: Sequence[Probe], rank: int = 0, world_size: int = 1
) -> dict[TaskLanguage, CellGradient]:
    """The gradients of probes; with several processes each one takes some of them, and all get all."""
    training = model.training
    model.eval()
    own = {probe.cell: cell_gradient(model, probe) for probe in probes[rank::world_size]}
    model.train(training)
    if world_size == 1:
        return own
    parts: list[Any] = [None] * world_size
    torch.distributed.all_gather_object(parts, own)
    return {cell: gradient for part in parts for cell, gradient in part.items()}


def cell_gradient(model: Any, probe: Probe) -> CellGradient:
    """Sketch the gradient of a cell's loss at the model's weights, in evaluation mode."""
    first, second = (sum((gradient_sketch(model, batch) for batch in half), np.zeros(BUCKETS)) for half in probe.halves)
    tokens = sum(int((batch["labels"][:, 1:] != IGNORED).sum()) for half in probe.halves for batch in half)
    return CellGradient((first, second), tokens)


def gradient_sketch(model: Any, batch: Batch) -> NDArray[np.float64]:
    """The sketch of the gradient of a batch's summed token losses, (BUCKETS,)."""
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    nll, _ = completion_nll(model, {name: tensor.to(parameters[0].device) for name, tensor in batch.items()})
    # Unlike `backward`, this neither touches `.grad` nor runs the hooks by which processes share gradients.
    gradients = torch.autograd.grad(nll.sum(), parameters, allow_unused=True)
    return sketch([torch.zeros_like(p) if g is None else g for p, g in zip(parameters, gradients, strict=True)])


@torch.no_grad()
def sketch(tensors: Sequence[Tensor]) -> NDArray[np.float64]:
    """Count sketch of the concatenation of tensors, (BUCKETS,).

    Equal shapes in equal order are hashed equally, on one kind of device.
    """
    device = tensors[0].device
    bits = torch.Generator(device).manual_seed(HASH_SEED)
    total = torch.zeros(BUCKETS, dtype=torch.float32, device=device)
    for tensor in tensors:
        for part in tensor.detach().flatten().split(PARAMETERS_AT_A_TIME):
            draw = torch.empty(part.numel(), dtype=torch.int32, device=device)
            draw.random_(0, 2 * BUCKETS, generator=bits)
            total.index_add_(0, draw >> 1, part.float() * ((draw & 1) * 2 - 1))
    return total.double().cpu().numpy()  # type: ignore[no-any-return]


def agreement_metrics(gradients: Mapping[TaskLanguage, CellGradient]) -> dict[str, float]:
    """Metrics of one measurement under the names that they are logged by.

    Args:
        gradients: By cell, in the order in which a pair names its cells.
    """
    metrics = {pair_metric(cell, cell): cosine(*gradient.halves) for cell, gradient in gradients.items()}
    whole = {cell: gradient.whole for cell, gradient in gradients.items()}
    metrics |= {pair_metric(a, b): cosine(whole[a], whole[b]) for a, b in combinations(whole, 2)}
    norms = {cell: float(np.linalg.norm(whole[cell])) / gradient.tokens for cell, gradient in gradients.items()}
    return metrics | {f"{PREFIX}/{_name(cell)}/norm": norm for cell, norm in norms.items()}


def pair_metric(first: TaskLanguage, second: TaskLanguage) -> str:
    """Name of the cosine of two cells' gradients; of a cell with itself, of its two halves'."""
    return f"{PREFIX}/{_name(first)}/{_name(second)}"


def _name(cell: TaskLanguage) -> str:
    return ".".join(cell)


def cosine(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Cosine of two vectors; NaN when one is zero."""
    length = float(np.linalg.norm(first) * np.linalg.norm(second))
    return float(first @ second) / length if length else nan
