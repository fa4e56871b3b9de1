"""AdamW whose state lives on the chips, split like the parameters, with fp32 masters of bf16 parameters.

The update is torch.optim.AdamW's, in fp32, on tensors that belong to the same graph as the gradients. What changes
from step to step arrives as a small tensor of numbers, so no step needs a graph of its own.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from clt_ray.families import Axis, Partition
from clt_ray.training.backends.xla.slice import Slice

EPSILON = 1e-8
"""torch.optim.AdamW's default, which the torch backend trains with."""


@dataclass(frozen=True)
class AdamWSettings:
    """Constants of a run."""

    beta1: float
    """Decay of the mean of gradients."""
    beta2: float
    """Decay of the mean of squared gradients."""
    weight_decay: float
    """Decoupled weight decay; norms and biases have none."""
    max_norm: float
    """Gradients are scaled down to this norm; infinite leaves them as they are."""


@dataclass
class Moments:
    """State of one parameter, each tensor in fp32 and split like it."""

    master: Tensor
    """The parameter's exact value; the parameter itself when that is fp32."""
    mean: Tensor
    """Running mean of gradients."""
    square: Tensor
    """Running mean of squared gradients."""


class AdamW:
    """Holds and updates the state of all parameters of a model."""

    def __init__(
        self,
        parameters: Mapping[str, torch.nn.Parameter],
        plan: Mapping[str, Partition],
        decayed: Iterable[str],
        settings: AdamWSettings,
        chips: Slice,
    ) -> None:
        """State for parameters as they are now; made parameter by parameter, already split."""
        self.parameters, self.plan, self.settings, self.chips = dict(parameters), plan, settings, chips
        self.decayed = frozenset(decayed)
        self.state: dict[str, Moments] = {}

    def create(self, masters: Mapping[str, Tensor]) -> None:
        """Zero moments for all parameters.

        Args:
            masters: fp32 values on the chips of the parameters that are not fp32 themselves.
        """
        for name, parameter in self.parameters.items():
            master = parameter if parameter.dtype == torch.float32 else masters[name]
            self.state[name] = Moments(master, self._zeros(name), self._zeros(name))

    def create_empty(self) -> None:
        """State of the right shapes, for a checkpoint to be read into."""
        narrow = [name for name, parameter in self.parameters.items() if parameter.dtype != torch.float32]
        self.create({name: self._zeros(name) for name in narrow})

    def tensors(self) -> dict[str, Tensor]:
        """All of the state by name (`mean.model.norm.weight`): what a checkpoint holds."""
        return {
            f"{kind}.{name}": getattr(moments, kind)
            for name, moments in self.state.items()
            for kind in ("master", "mean", "square")
        }

    def is_split(self, name: str) -> bool:
        """Whether a tensor of the state is split over chips, rather than replicated."""
        return splits(self.plan[name.partition(".")[2]])

    def replace(self, name: str, value: Tensor) -> None:
        """Put a host value in place of a tensor of the state."""
        kind, _, parameter = name.partition(".")
        placed = self.chips.put(value, self.plan[parameter])
        old = getattr(self.state[parameter], kind)
        if old is self.parameters[parameter]:
            old.data = placed
        else:
            setattr(self.state[parameter], kind, placed)

    def _zeros(self, name: str) -> Tensor:
        return self.chips.put(torch.zeros(1).expand(self.parameters[name].shape), self.plan[name])

    def split_gradients(self) -> None:
        """Cut each gradient to the chips' parts, before anything uses it.

        Norm and update need no more than parts, and left alone the compiler cuts inside each of the two. The whole
        gradient of every parameter then stays on every chip from the backward pass to the update: 16 GB for eight
        billion parameters in bf16, whatever the mesh.
        """
        for name, parameter in self.parameters.items():
            if splits(self.plan[name]):
                self.chips.finish([self.chips.annotate(_gradient(parameter), self.plan[name])])

    def gradient_norm(self) -> Tensor:
        """Euclidean norm over all gradients, a scalar in fp32.

        Parameters that are split alike are added up chip by chip first, so chips exchange a few numbers per step
        instead of one per parameter.
        """
        by_chip: dict[Partition, Tensor] = {}
        for name, parameter in self.parameters.items():
            squares, axes = self._per_chip(_gradient(parameter).float().square(), self.plan[name])
            by_chip[axes] = by_chip[axes] + squares if axes in by_chip else squares
        return torch.stack([squares.sum() for squares in by_chip.values()]).sum().sqrt()

    def _per_chip(self, value: Tensor, partition: Partition) -> tuple[Tensor, Partition]:
        """Sums of a tensor's parts, one for each place along the mesh axes that split it; and those axes."""
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
        """One step, from the gradients of the parameters, which are dropped.

        Args:
            numbers: As `step_numbers` gives them, on the device.
            norm: Gradient norm, for clipping.
            allowed: Boolean scalar; where false everything stays as it is.
        """
        settings = self.settings
        nothing, one = torch.zeros_like(norm), torch.ones_like(norm)
        # Where the step is not allowed, these alone make it one that changes nothing.
        rate = torch.where(allowed, numbers[0] / numbers[1], nothing)
        taken1 = torch.where(allowed, one * (1 - settings.beta1), nothing)
        kept2 = torch.where(allowed, one * settings.beta2, one)
        taken2 = torch.where(allowed, one * (1 - settings.beta2), nothing)
        shrink = 1 - torch.where(allowed, numbers[0] * settings.weight_decay, nothing)
        factor = torch.clamp(settings.max_norm / (norm + 1e-6), max=1.0) if math.isfinite(settings.max_norm) else one
        root2 = numbers[2].sqrt()
        for name, parameter in self.parameters.items():
            moments = self.state[name]
            # A gradient that is not finite stays so however it is scaled.
            gradient = torch.where(allowed, _gradient(parameter).float() * factor, nothing)
            mean = moments.mean + (gradient - moments.mean) * taken1
            square = moments.square * kept2 + gradient * gradient * taken2
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
    """Whether a tensor is split over chips, rather than replicated."""
    return any(axis is not None for axis in partition)


def step_numbers(settings: AdamWSettings, rate: float, step: int) -> tuple[float, float, float]:
    """What an update needs to know of its step: learning rate and AdamW's two bias corrections.

    Args:
        settings: Of the optimizer.
        rate: Learning rate.
        step: Counted from 1.
    """
    return rate, 1 - settings.beta1**step, 1 - settings.beta2**step


def _gradient(parameter: torch.nn.Parameter) -> Tensor:
    gradient: Tensor | None = parameter.grad
    assert gradient is not None, "every parameter takes part in the loss"
    return gradient
