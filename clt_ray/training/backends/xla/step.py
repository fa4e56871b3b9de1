"""One optimizer step as one graph, and the losses of one validation batch as another.

    numbers, ids, labels  ->  forward  ->  loss  ->  backward  ->  norm  ->  guard  ->  AdamW  ->  gauges

The host reads no value in between. The device decides whether the loss and the norm are finite. Once they are not,
this update and all later ones are suppressed, so when the host reads the gauges, at the next log, parameters and
moments are those of the last good step.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from clt_ray.training.backends.xla.graphs import Computation, GraphBook
from clt_ray.training.backends.xla.model import ShardedModel
from clt_ray.training.backends.xla.optimizer import AdamW, step_numbers
from clt_ray.training.backends.xla.plan import BATCH
from clt_ray.training.backends.xla.vocabulary import nll_per_row, summed_nll


@dataclass(frozen=True)
class Gauges:
    """Measurements of the device since the last log."""

    loss: float
    """Mean loss per token, averaged over the steps since the last log."""
    norm: float
    """Gradient norm of the last step, before clipping."""
    updates: int
    """Number of updates in this process; smaller than the number of steps if one was suppressed."""
    bad_loss: float
    """Loss of the first suppressed step, 0 if there is none."""
    bad_norm: float
    """Gradient norm of the first suppressed step, 0 if there is none."""


class TrainStep:
    """Takes training steps with a model and its optimizer."""

    def __init__(self, model: ShardedModel, optimizer: AdamW, graphs: GraphBook) -> None:
        self.model, self.optimizer, self.graphs = model, optimizer, graphs
        self.gauges = model.chips.put(torch.zeros(5))
        self._steps_in_mean = 0

    def __call__(self, batch: dict[str, Tensor], tokens: int, rate: float, step: int) -> None:
        """Records and starts one step; returns while the chips compute it.

        Args:
            batch: `input_ids` and `labels` on the host, each (rows, width).
            step: Number of the step, from 1.
        """
        chips = self.model.chips
        keep = 0.0 if self._steps_in_mean == 0 else 1.0
        values = [*step_numbers(self.optimizer.settings, rate, step), 1 / max(tokens, 1), keep]
        numbers = chips.put(torch.tensor(values, dtype=torch.float64).float())
        on_chips = chips.put_all(batch, dict.fromkeys(batch, BATCH))
        train = Computation(
            f"train {tuple(batch['input_ids'].shape)}",
            step,
            partial(self._compute, numbers, **on_chips),
            reads=[numbers, *on_chips.values(), *self.model.tensors()],
            changes=[*self.model.parameters().values(), *self.optimizer.tensors().values(), self.gauges],
        )
        self.graphs.run(train)
        self._steps_in_mean += 1

    def _compute(self, numbers: Tensor, input_ids: Tensor, labels: Tensor) -> Sequence[Tensor]:
        model = self.model
        total = summed_nll(model.chips, model.hidden_states(input_ids), model.head, labels, model.logit_scale)
        loss = total * numbers[3]
        loss.backward()
        with torch.no_grad():
            self.optimizer.split_gradients()
            norm = self.optimizer.gradient_norm()
            good = self._good_so_far() & torch.isfinite(loss) & torch.isfinite(norm)
            self.optimizer.update(numbers, norm, good)
            self._measure(loss.detach(), norm, good, numbers[4])
        return ()

    def read(self) -> Gauges:
        """Waits for the chips and returns their measurements since `restart_mean`."""
        loss, norm, updates, bad_loss, bad_norm = self.model.chips.read(self.gauges).tolist()
        return Gauges(loss / max(self._steps_in_mean, 1), norm, int(updates), bad_loss, bad_norm)

    def restart_mean(self) -> None:
        """Starts a new mean of losses with the next step."""
        self._steps_in_mean = 0

    def _good_so_far(self) -> Tensor:
        return (self.gauges[3] == 0) & (self.gauges[4] == 0)

    def _measure(self, loss: Tensor, norm: Tensor, good: Tensor, keep: Tensor) -> None:
        old = self.gauges
        first_bad = self._good_so_far() & ~good
        bad_loss = torch.where(first_bad, loss, old[3])
        bad_norm = torch.where(first_bad, norm, old[4])
        total = torch.where(good, old[0] * keep + loss, old[0] * keep)
        new = torch.stack([total, norm, old[2] + good.float(), bad_loss, bad_norm])
        self.gauges.copy_(new)


class ValidationStep:
    """Computes the losses of validation batches."""

    def __init__(self, model: ShardedModel, graphs: GraphBook) -> None:
        self.model, self.graphs = model, graphs

    @torch.no_grad()
    def __call__(self, batch: dict[str, Tensor], step: int) -> Tensor:
        """Returns the summed negative log-likelihood of each row, (rows,) in fp32, for a batch as of `TrainStep`."""
        model = self.model
        on_chips = model.chips.put_all(batch, dict.fromkeys(batch, BATCH))
        reads = [*on_chips.values(), *model.tensors()]
        name = f"validate {tuple(batch['input_ids'].shape)}"
        (losses,) = self.graphs.run(Computation(name, step, partial(self._compute, **on_chips), reads))
        return losses

    def _compute(self, input_ids: Tensor, labels: Tensor) -> Sequence[Tensor]:
        model = self.model
        hidden = model.hidden_states(input_ids)
        return [nll_per_row(model.chips, hidden, model.head, labels, model.logit_scale)]
