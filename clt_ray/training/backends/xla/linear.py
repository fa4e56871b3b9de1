"""Linear layers that keep rows and tokens as separate dimensions.

PyTorch multiplies (rows, tokens, inputs) with a weight by flattening rows and tokens into one dimension, after which
XLA no longer knows which chip holds which rows. An einsum keeps the dimensions, but only inside an autograd function,
since automatic differentiation would flatten them again. torch_xla has a patch with the same effect
(`apply_xla_patch_to_nn_linear`), but as custom operators that take half a millisecond per layer and pass to dispatch;
this function takes a tenth of that.
"""

from types import MethodType
from typing import Any

import torch
from torch import Tensor


def keep_rows_apart(module: Any) -> None:
    """Makes all linear layers of a model multiply without flattening."""
    for layer in module.modules():
        if isinstance(layer, torch.nn.Linear):
            setattr(layer, "forward", MethodType(_forward, layer))  # noqa: B010 - mypy refuses an assignment to a method


def _forward(layer: torch.nn.Linear, value: Tensor) -> Tensor:
    product: Tensor = _Linear.apply(value, layer.weight)
    return product if layer.bias is None else product + layer.bias


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, value: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(value, weight)
        return torch.einsum("...n,mn->...m", value, weight)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor]:
        (gradient,), (value, weight) = gradients, ctx.saved_tensors
        return torch.einsum("...m,mn->...n", gradient, weight), torch.einsum("...m,...n->mn", gradient, value)
