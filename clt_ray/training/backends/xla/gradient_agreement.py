"""Gradient agreement on a slice: sketches of the gradients of tasks and languages, from which cosines are computed.

`clt_ray.training.gradient_agreement` defines the measurement and the reason for sketches. A slice uses another kind of
sketch, since chips are slow at adding billions of numbers to random places, and the parts of a gradient are on
different chips. Every element gets a random sign, and the rows of each matrix are added up:

    gradient (words, hidden), split over chips    ->    signs * gradient, added over words    ->    (hidden,)

So a bucket is a column of a matrix, and vectors (norms) are kept as they are. Inner products of sketches are unbiased,
and those of unit vectors have a standard deviation of at most sqrt(2 * sum over columns of s * t), where s and t are
the shares of both squared lengths in a column: 0.002 if a model of eight billion parameters spreads them evenly over
half a million columns, 0.014 if one column holds a hundredth of both.

The signs are a hash of row, column and matrix that the chips compute on the fly, the same for every gradient of a run
and on every mesh. All probes are padded to one shape and so share one graph.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from clt_ray.data.formatting import IGNORED
from clt_ray.tasks import TaskLanguage
from clt_ray.training.backends.xla.buckets import fit, width_for
from clt_ray.training.backends.xla.graphs import Computation, GraphBook
from clt_ray.training.backends.xla.model import ShardedModel
from clt_ray.training.backends.xla.optimizer import AdamW
from clt_ray.training.backends.xla.plan import BATCH
from clt_ray.training.backends.xla.vocabulary import summed_nll
from clt_ray.training.gradient_agreement import HASH_SEED, Batch, PairGradient, Probe

_FACTORS: Final = (-2048144789, -1028477387)
"""Factors of MurmurHash3's finalizer (Appleby 2011, public domain), as signed 32-bit numbers."""


class GradientSketches:
    """Measures the gradients of probes on a model, between the steps of its optimizer."""

    def __init__(self, model: ShardedModel, optimizer: AdamW, graphs: GraphBook, pad_id: int) -> None:
        self.model, self.optimizer, self.graphs, self.pad_id = model, optimizer, graphs, pad_id
        shapes = [parameter.shape for parameter in model.parameters().values() if parameter.dim() > 1]
        bits = torch.Generator().manual_seed(HASH_SEED)
        sizes = max(shape[0] for shape in shapes), max(shape[1] for shape in shapes), len(model.parameters())
        words = [torch.randint(-(2**31), 2**31, (size,), generator=bits, dtype=torch.int64) for size in sizes]
        self._hashes = [model.chips.put(drawn.to(torch.int32)) for drawn in words]

    def measure(
        self, probes: Sequence[Probe], rows: int, ladder: Sequence[int], step: int
    ) -> dict[TaskLanguage, PairGradient]:
        """Returns the gradients of probes whose halves are one batch each, of at most `rows` rows."""
        width = width_for(max(half["input_ids"].shape[1] for probe in probes for half in _halves(probe)), ladder)
        gradients = {}
        for probe in probes:
            halves = [fit(half, rows, width, self.pad_id) for half in _halves(probe)]
            tokens = sum(int((half["labels"][:, 1:] != IGNORED).sum()) for half in halves)
            first, second = (self._sketch(half, step) for half in halves)
            gradients[probe.pair] = PairGradient((first, second), tokens)
        return gradients

    def _sketch(self, batch: Mapping[str, Tensor], step: int) -> NDArray[np.float64]:
        names = ("input_ids", "labels")
        on_chips = self.model.chips.put_all({name: batch[name] for name in names}, dict.fromkeys(names, BATCH))
        reads = [*on_chips.values(), *self._hashes, *self.model.tensors()]
        name = f"gradient {tuple(batch['input_ids'].shape)}"
        (sums,) = self.graphs.run(Computation(name, step, lambda: [self.record(**on_chips)], reads))
        return np.asarray(self.model.chips.read(sums).double().numpy())

    def record(self, input_ids: Tensor, labels: Tensor) -> Tensor:
        """Records the sketch of the gradient of a batch's summed token losses, and returns it: (columns,) in fp32."""
        model = self.model
        hidden = model.hidden_states(input_ids)
        summed_nll(model.chips, hidden, model.head, labels, model.logit_scale).backward()
        with torch.no_grad():
            self.optimizer.split_gradients()
            sums = torch.cat(list(self._column_sums()))
            for parameter in model.parameters().values():
                parameter.grad = None
        return model.chips.annotate(sums, (None,))

    def _column_sums(self) -> Iterable[Tensor]:
        rows, columns, matrices = self._hashes
        for place, parameter in enumerate(self.model.parameters().values()):
            assert parameter.grad is not None, "every parameter takes part in the loss"
            gradient = parameter.grad.float()
            if gradient.dim() > 1:
                mixed = (rows[: gradient.shape[0], None] ^ matrices[place]) + columns[None, : gradient.shape[1]]
                gradient = (gradient * _signs(mixed)).sum(dim=0)
            yield gradient


def _halves(probe: Probe) -> tuple[Batch, Batch]:
    (first,), (second,) = probe.halves
    return first, second


def _signs(words: Tensor) -> Tensor:
    """Returns 1 or -1 by the last bit of each word's hash."""
    first, second = _FACTORS
    words = (words ^ _shifted(words, 16)) * first
    words = (words ^ _shifted(words, 13)) * second
    signs: Tensor = 1 - 2 * ((words ^ _shifted(words, 16)) & 1)
    return signs.float()


def _shifted(words: Tensor, places: int) -> Tensor:
    """Shifts words right and fills with zeros, whatever the sign (a logical shift)."""
    shifted: Tensor = (words >> places) & (2 ** (32 - places) - 1)
    return shifted
