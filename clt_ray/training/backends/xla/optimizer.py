"""AdamW with its state on the chips, split like the parameters, and with fp32 masters of bf16 parameters.

The update is that of torch.optim.AdamW, in fp32, in the same graph as the gradients. Numbers that change from step to
step arrive as a small tensor, so all steps use one graph.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from clt_ray.families import Axis, Partition
from clt_ray.training.backends.xla.slice import Slice

EPSILON = 1e-8
"""Default of torch.optim.AdamW, which the torch backend uses."""


@dataclass(frozen=True)
class AdamWSettings:
    """Constants of the optimizer during a run."""

    beta1: float
    """Decay rate of the running mean of gradients."""
    beta2: float
    """Decay rate of the running mean of squared gradients."""
    weight_decay: float
    """Decoupled weight decay, which norms and biases are exempt from."""
    max_norm: float
    """Largest norm of the gradients, to which larger ones are scaled down; infinite for no clipping."""


@dataclass
class Moments:
    """State of one parameter; each tensor is in fp32 and split like the parameter."""

    master: Tensor
    """The value of the parameter in fp32; the parameter itself if it is fp32."""
    mean: Tensor
    """Running mean of gradients."""
    square: Tensor
    """Running mean of squared gradients."""


class AdamW:
    """Holds and updates the optimizer state of all parameters of a model."""

    def __init__(
        self,
        parameters: Mapping[str, torch.nn.Parameter],
        plan: Mapping[str, Partition],
        decayed: Iterable[str],
        settings: AdamWSettings,
        chips: Slice,
    ) -> None:
        """Prepares an optimizer without state, which `create` makes; `decayed` names the parameters that decay."""
        self.parameters, self.plan, self.settings, self.chips = dict(parameters), plan, settings, chips
        self.decayed = frozenset(decayed)
        self.state: dict[str, Moments] = {}

    def create(self, masters: Mapping[str, Tensor]) -> None:
        """Creates the state, already split, with zero moments and the fp32 values of parameters that are not fp32."""
        for name, parameter in self.parameters.items():
            master = parameter if parameter.dtype == torch.float32 else masters[name]
            self.state[name] = Moments(master, self._zeros(name), self._zeros(name))
        self.chips.make()

    def create_empty(self) -> None:
        """Creates state of the right shapes, to read a checkpoint into."""
        narrow = [name for name, parameter in self.parameters.items() if parameter.dtype != torch.float32]
        self.create({name: self._zeros(name) for name in narrow})

    def tensors(self) -> dict[str, Tensor]:
        """Returns all tensors of the state by name, such as `mean.model.norm.weight`, as a checkpoint holds them."""
        return {
            f"{kind}.{name}": getattr(moments, kind)
            for name, moments in self.state.items()
            for kind in ("master", "mean", "square")
        }

    def is_split(self, name: str) -> bool:
        """Returns whether a tensor of the state is split over chips, rather than replicated."""
        return splits(self.plan[name.partition(".")[2]])

    def replace(self, name: str, value: Tensor) -> None:
        """Replaces a tensor of the state by a value from the host."""
        kind, _, parameter = name.partition(".")
        placed = self.chips.put(value, self.plan[parameter])
        old = getattr(self.state[parameter], kind)
        if old is self.parameters[parameter]:
            old.data = placed
        else:
            setattr(self.state[parameter], kind, placed)

    @torch.no_grad()
    def write_parameters(self) -> None:
        """Rounds the masters to the parameters that are not fp32, as every update does."""
        for name, parameter in self.parameters.items():
            if parameter is not self.state[name].master:
                parameter.copy_(self.state[name].master.to(parameter.dtype))
        self.chips.make()

    def _zeros(self, name: str) -> Tensor:
        return self.chips.zeros(self.parameters[name].shape, torch.float32, self.plan[name])

    def split_gradients(self) -> None:
        """Splits each gradient over the chips before anything uses it.

        The norm and the update need only the parts. Without this the compiler splits inside each of both, and the
        whole gradient of every parameter stays on every chip from the backward pass to the update: 16 GB for eight
        billion parameters in bf16, on any mesh.
        """
        for name, parameter in self.parameters.items():
            if splits(self.plan[name]):
                self.chips.finish([self.chips.annotate(_gradient(parameter), self.plan[name])])

    def gradient_norm(self) -> Tensor:
        """Returns the Euclidean norm over all gradients, a scalar in fp32.

        The squares of parameters that are split alike are first added chip by chip, so the chips exchange a few
        numbers per step instead of one per parameter.
        """
        by_chip: dict[Partition, Tensor] = {}
        for name, parameter in self.parameters.items():
            squares, axes = self._per_chip(_gradient(parameter).float().square(), self.plan[name])
            by_chip[axes] = by_chip[axes] + squares if axes in by_chip else squares
        return torch.stack([squares.sum() for squares in by_chip.values()]).sum().sqrt()

    def _per_chip(self, value: Tensor, partition: Partition) -> tuple[Tensor, Partition]:
        """Returns the sums of a tensor's parts, one per position along the mesh axes that split it, and those axes."""
        shape: list[int] = []
        kept: dict[int, Axis] = {}
        for index, size in enumerate(value.shape):
            axis = partition[index] if index < len(partition) else None
            places = self.chips.shape.size(axis)
            if axis is not None and size % places == 0:
                kept[len(shape)] = axis
                shape += [places, size // places]
            else:
                shape.append(size)
        others = [dimension for dimension in range(len(shape)) if dimension not in kept]
        return value.reshape(shape).sum(dim=others), tuple(kept.values())

    @torch.no_grad()
    def update(self, numbers: Tensor, norm: Tensor, allowed: Tensor) -> None:
        """Takes one step from the gradients of the parameters, and drops them.

        Args:
            numbers: The numbers of `step_numbers`, on the device.
            allowed: Boolean scalar; if false, nothing changes.
        """
        settings = self.settings
        zero, unit = torch.zeros_like(norm), torch.ones_like(norm)
        # If the step is not allowed, these factors alone make it one that changes nothing.
        rate = torch.where(allowed, numbers[0] / numbers[1], zero)
        mean_weight = torch.where(allowed, unit * (1 - settings.beta1), zero)
        square_decay = torch.where(allowed, unit * settings.beta2, unit)
        square_weight = torch.where(allowed, unit * (1 - settings.beta2), zero)
        shrink = 1 - torch.where(allowed, numbers[0] * settings.weight_decay, zero)
        factor = torch.clamp(settings.max_norm / (norm + 1e-6), max=1.0) if math.isfinite(settings.max_norm) else unit
        root2 = numbers[2].sqrt()
        for name, parameter in self.parameters.items():
            moments = self.state[name]
            # A gradient that is not finite stays so under any scaling, so it is replaced rather than scaled.
            gradient = torch.where(allowed, _gradient(parameter).float() * factor, zero)
            mean = moments.mean + (gradient - moments.mean) * mean_weight
            square = moments.square * square_decay + gradient * gradient * square_weight
            value = moments.master
            if name in self.decayed and settings.weight_decay:
                value = value * shrink
            value = value - rate * mean / (square.sqrt() / root2 + EPSILON)
            for old, new in ((moments.mean, mean), (moments.square, square), (moments.master, value)):
                old.copy_(new)
            if parameter is not moments.master:
                parameter.copy_(moments.master.to(parameter.dtype))
            parameter.grad = None


def splits(partition: Partition) -> bool:
    """Returns whether a tensor is split over chips, rather than replicated."""
    return any(axis is not None for axis in partition)


def step_numbers(settings: AdamWSettings, rate: float, step: int) -> tuple[float, float, float]:
    """Returns what the update of a step, counted from 1, uses: the learning rate and AdamW's two bias corrections."""
    return rate, 1 - settings.beta1**step, 1 - settings.beta2**step


def _gradient(parameter: torch.nn.Parameter) -> Tensor:
    gradient: Tensor | None = parameter.grad
    assert gradient is not None, "every parameter takes part in the loss"
    return gradient
