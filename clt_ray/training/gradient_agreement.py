"""Measures during training how far the gradients of a run's tasks and languages point in the same direction.

Every few steps, the gradient of the mean completion loss of each task-language pair that the run trains on is computed
at the current weights, over the first `PROBE_ROWS` of its validation rows. If two gradients point in the same direction
(cosine above 0), a small step that lowers one loss lowers the other; a negative cosine is interference in the sense of
Yu et al. 2020, "Gradient Surgery for Multi-Task Learning", arXiv 2001.06782.

A gradient is as large as the model, and a run has many task-language pairs, so no gradient is kept. Each is reduced to
a *count sketch* (Charikar, Chen and Farach-Colton 2002, "Finding frequent items in data streams"): parameter i is
added with a random sign to one of `BUCKETS` random buckets, which are the same for all gradients. Inner products of
sketches are unbiased; for unit vectors their standard deviation is at most sqrt(2 / BUCKETS) = 0.006. Sketches are
linear: the sketch of a sum of losses is the sum of the sketches, so a few rows can be processed at a time. TPU slices
sum signed rows of matrices instead (`backends.xla.gradient_agreement`).

    rows 0 2 4 6 of math.en     ->  sketch a          cosine(a, b)                  interference/math.en/math.en
    rows 1 3 5 7 of math.en     ->  sketch b          cosine(a + b, c + d)          interference/math.en/math.es
    the same rows of math.es    ->  sketches c, d     |a + b| / labelled tokens     interference/math.en/norm

A gradient over few rows is noisy, which moves all cosines towards 0. The cosine of a pair's two halves, on the
diagonal, measures this noise, so that the analysis can correct for it.

**Measuring does not change training.** `.grad` is neither read nor written, no module hook of data parallelism runs,
random bits come from a separate generator, and the model is in evaluation mode meanwhile, so dropout is off.
"""

import time
from collections.abc import Callable, Mapping, Sequence
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
from clt_ray.training.validation import completion_nll

PROBE_ROWS = 8
"""Validation rows of each task-language pair whose loss is differentiated."""
BUCKETS = 65_536
"""Length of a sketch."""
PARAMETERS_AT_A_TIME = 2**24
"""Parameters that are hashed at a time, which bounds the memory of the hashes."""
HASH_SEED = 2002
"""Seed of the buckets and signs, the same in all runs. Another kind of device draws other ones, which changes a cosine
by no more than the error of the sketch."""

PREFIX = "interference"
"""First part of the names of all metrics of gradients."""
SECONDS = "perf/gradient_agreement_seconds"

Batch = dict[str, Tensor]


@dataclass(frozen=True)
class Probe:
    """The rows on which the gradient of a task-language pair is measured."""

    pair: TaskLanguage
    halves: tuple[tuple[Batch, ...], tuple[Batch, ...]]
    """Batches of the rows with even index, and of the rows with odd index."""


@dataclass(frozen=True)
class PairGradient:
    """The sketched gradient of the sum of a task-language pair's token losses, in two halves."""

    halves: tuple[NDArray[np.float64], NDArray[np.float64]]
    """Sketch of each half, (buckets of the device's kind of sketch,)."""
    tokens: int
    """Labelled tokens in both halves."""

    @property
    def whole(self) -> NDArray[np.float64]:
        """Sketch of both halves together."""
        return self.halves[0] + self.halves[1]


Measure = Callable[[Sequence[Probe]], dict[TaskLanguage, PairGradient]]
"""Returns the gradients of probes at the current weights; all processes of a run call it together."""


class GradientAgreement(TrainerCallback):
    """Measures gradients after every `every`-th optimizer step and records their agreement in the journal."""

    def __init__(self, probes: Sequence[Probe], every: int, journal: Journal, measure: Measure, rank: int = 0) -> None:
        self.probes, self.every, self.journal = probes, every, journal
        self.measure, self.rank = measure, rank

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.global_step % self.every or not self.probes:
            return
        started = time.monotonic()
        gradients = self.measure(self.probes)
        if self.rank == 0:
            metrics = agreement_metrics({probe.pair: gradients[probe.pair] for probe in self.probes})
            seconds = {SECONDS: time.monotonic() - started}
            self.journal.append_metrics("interference", state.global_step, metrics | seconds)


def probes_of(
    run: RunSpec,
    validation: Mapping[TaskLanguage, Sequence[Encoded]],
    pad_id: int,
    rows_per_pair: int = PROBE_ROWS,
    rows_at_a_time: int = PROBE_ROWS,
) -> list[Probe]:
    """Returns one probe for each task-language pair that a run trains on and that has at least 2 labelled rows.

    The probes are in a canonical order, and there are none when there are fewer than two pairs to compare.
    """
    # Sorted, so that a cosine has one name whatever order a sweep file lists its languages in.
    trained = sorted((run.tasks.index(task), code) for task, code in validation if run.rows_in(code))
    probes = []
    for pair in (TaskLanguage(run.tasks[index], code) for index, code in trained):
        labelled = [row for row in validation[pair] if any(label != IGNORED for label in row.labels[1:])]
        rows = labelled[:rows_per_pair]
        if len(rows) > 1:
            first, second = (
                tuple(collate(half[at : at + rows_at_a_time], pad_id) for at in range(0, len(half), rows_at_a_time))
                for half in (rows[::2], rows[1::2])
            )
            probes.append(Probe(pair, (first, second)))
    return probes if len(probes) > 1 else []


def pair_gradients(model: Any, probes: Sequence[Probe]) -> dict[TaskLanguage, PairGradient]:
    """Returns the gradients of probes, computed in evaluation mode; the mode of the model is as before afterwards."""
    training = model.training
    model.eval()
    computed = {probe.pair: pair_gradient(model, probe) for probe in probes}
    model.train(training)
    return computed


def pair_gradient(model: Any, probe: Probe) -> PairGradient:
    """Returns the sketched gradient of a task-language pair's loss at the weights of a model in evaluation mode."""
    first, second = (sum((gradient_sketch(model, batch) for batch in half), np.zeros(BUCKETS)) for half in probe.halves)
    tokens = sum(int((batch["labels"][:, 1:] != IGNORED).sum()) for half in probe.halves for batch in half)
    return PairGradient((first, second), tokens)


def gradient_sketch(model: Any, batch: Batch) -> NDArray[np.float64]:
    """Returns the sketch of the gradient of a batch's summed token losses, (BUCKETS,)."""
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    nll, _ = completion_nll(model, {name: tensor.to(parameters[0].device) for name, tensor in batch.items()})
    # Unlike `backward`, this neither touches `.grad` nor runs the hooks by which processes share gradients.
    gradients = torch.autograd.grad(nll.sum(), parameters, allow_unused=True)
    return sketch([torch.zeros_like(p) if g is None else g for p, g in zip(parameters, gradients, strict=True)])


@torch.no_grad()
def sketch(tensors: Sequence[Tensor]) -> NDArray[np.float64]:
    """Returns the count sketch of the concatenation of tensors, (BUCKETS,).

    Tensors of equal shapes in equal order are hashed equally on one kind of device.
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


def agreement_metrics(gradients: Mapping[TaskLanguage, PairGradient]) -> dict[str, float]:
    """Returns the logged metrics of one measurement; a metric names two pairs in the order of `gradients`."""
    metrics = {cosine_metric(pair, pair): cosine(*gradient.halves) for pair, gradient in gradients.items()}
    whole = {pair: gradient.whole for pair, gradient in gradients.items()}
    metrics |= {cosine_metric(a, b): cosine(whole[a], whole[b]) for a, b in combinations(whole, 2)}
    norms = {pair: float(np.linalg.norm(whole[pair])) / gradient.tokens for pair, gradient in gradients.items()}
    return metrics | {f"{PREFIX}/{_name(pair)}/norm": norm for pair, norm in norms.items()}


def cosine_metric(first: TaskLanguage, second: TaskLanguage) -> str:
    """Returns the name of the cosine of two pairs' gradients; that of a pair with itself compares its two halves."""
    return f"{PREFIX}/{_name(first)}/{_name(second)}"


def _name(pair: TaskLanguage) -> str:
    return ".".join(pair)


def cosine(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Returns the cosine of two vectors; NaN when one of them is zero."""
    length = float(np.linalg.norm(first) * np.linalg.norm(second))
    return float(first @ second) / length if length else nan
