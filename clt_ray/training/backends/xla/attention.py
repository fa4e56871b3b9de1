"""Attention under one name, `ATTENTION`, that models are built with.

transformers makes no mask for a name it has no mask function for. Training needs none: rows are padded on the right
and attention is causal, so no token sees padding. Decoding passes its own mask of four dimensions.

On TPU the training path is a Pallas kernel that never stores the scores; elsewhere it is the same mathematics
written out, softmax in fp32.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from transformers import AttentionInterface

from clt_ray.training.backends.xla.plan import FSDP, TENSOR
from clt_ray.training.backends.xla.slice import Slice

ATTENTION = "clt_ray_xla"
HEADS = (FSDP, TENSOR, None, None)
"""Partition of queries, keys and values: (rows, heads, tokens, head size)."""


def register(chips: Slice, kernel: bool) -> None:
    """Make `ATTENTION` known to transformers.

    Args:
        chips: Whose mesh splits rows and heads.
        kernel: Use the Pallas kernel for causal attention without a mask; it exists on TPU only.
    """

    def attention(
        module: Any,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attention_mask: Tensor | None,
        scaling: float | None = None,
        dropout: float = 0.0,
        **_: Any,
    ) -> tuple[Tensor, None]:
        scale = query.shape[-1] ** -0.5 if scaling is None else scaling
        key, value = (repeat_heads(states, query.shape[1]) for states in (key, value))
        if attention_mask is None and kernel:
            out = flash(chips, query, key, value, scale)
        else:
            out = written_out(query, key, value, scale, attention_mask)
        return out.transpose(1, 2).contiguous(), None

    AttentionInterface.register(ATTENTION, attention)


def repeat_heads(states: Tensor, heads: int) -> Tensor:
    """Keys or values (rows, key-value heads, tokens, size) with each head repeated for the queries that share it."""
    rows, own, tokens, size = states.shape
    if own == heads:
        return states
    return states[:, :, None].expand(rows, own, heads // own, tokens, size).reshape(rows, heads, tokens, size)


def written_out(query: Tensor, key: Tensor, value: Tensor, scale: float, mask: Tensor | None) -> Tensor:
    """softmax(q k^T * scale + mask) v, the softmax in fp32.

    Args:
        query, key, value: (rows, heads, tokens, head size); keys may be longer than queries.
        scale: Factor of the scores.
        mask: Added to the scores, (rows, 1, query tokens, key tokens); None is causal.
    """
    scores = torch.einsum("bhqd,bhkd->bhqk", query, key).float() * scale
    if mask is None:
        tokens = query.shape[2]
        position = torch.arange(tokens, device=query.device)
        hidden = position[None, :] > position[:, None]
        scores = scores.masked_fill(hidden, torch.finfo(torch.float32).min)
    else:
        scores = scores + mask
    return torch.einsum("bhqk,bhkd->bhqd", torch.softmax(scores, dim=-1).to(value.dtype), value)


def flash(chips: Slice, query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
    """Causal attention by torch_xla's Pallas kernel, each chip on its rows and heads."""
    from torch_xla.experimental.custom_kernel import flash_attention

    out: Tensor = flash_attention(
        query, key, value, causal=True, sm_scale=scale, partition_spec=HEADS, mesh=chips.mesh
    )  # fmt: skip
    return out


def lower_kernels_for_tpu() -> None:
    """Let this process trace the TPU's kernels without a TPU, to compile them for one; they cannot run here.

    torch_xla lowers a kernel for jax's default platform, and the CPU refuses; and it asks for jax's newest form of
    kernels (version 8 in jax 0.7.1), of which libtpu 0.0.21 reads those up to 7.
    """
    from torch_xla.experimental import custom_kernel

    custom_kernel.trace_pallas = _trace_pallas


def _trace_pallas(
    kernel: Any,
    *arguments: Any,
    static_argnums: Any = None,
    static_argnames: Any = None,
    use_cache: bool = False,
    **keywords: Any,
) -> tuple[Any, list[Tensor]]:
    import jax
    import jax._src.pallas.mosaic.pallas_call_registration
    from jax._src.interpreters.mlir import LoweringParameters
    from torch_xla.experimental import custom_kernel

    tensors = [value for value in arguments if torch.is_tensor(value)]
    shapes = [custom_kernel.to_jax_shape_dtype_struct(v) if torch.is_tensor(v) else v for v in arguments]
    jitted = jax.jit(kernel, static_argnums=static_argnums, static_argnames=static_argnames)
    parameters = LoweringParameters(for_export=True)
    lowered = jitted.trace(*shapes, **keywords).lower(lowering_platforms=("tpu",), _private_parameters=parameters)
    return custom_kernel._extract_backend_config(lowered.compiler_ir()), tensors
