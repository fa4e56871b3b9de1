"""The attention function of this backend, registered with transformers under the name `ATTENTION`.

transformers makes no mask for an attention function that has no mask function. Training needs none: rows are padded
on the right and attention is causal, so no token sees padding. Decoding passes a mask of four dimensions. Layers with
a sliding window pass its size, and the window is applied here in both cases.

On a TPU the training path is a Pallas kernel that never stores the scores. Elsewhere, and where a sliding window is
shorter than the rows, which the kernel does not support, the same mathematics is written out, with softmax in fp32.
"""

from typing import Any

import torch
from torch import Tensor
from transformers import AttentionInterface

from clt_ray.families import FSDP, TENSOR
from clt_ray.training.backends.xla.buckets import TILE_TOKENS
from clt_ray.training.backends.xla.slice import Slice

ATTENTION = "clt_ray_xla"
HEADS = (FSDP, TENSOR, None, None)
"""Partition of queries, keys and values: (rows, heads, tokens, head size)."""
HIDDEN_SCORE = torch.finfo(torch.float32).min
"""Score of a key that a query does not see."""


OUTER_BLOCKS = {
    "block_q": 512, "block_k_major": 512, "block_q_major_dkv": 512, "block_k_major_dkv": 512, "block_q_dq": 1024,
    "block_k_major_dq": 512,
}  # fmt: skip
"""Largest sizes in tokens of the kernel's blocks that divide a row, by torch_xla 2.9's names: its default sizes."""
INNER_BLOCKS = {
    "block_k": ("block_k_major", 512), "block_q_dkv": ("block_q_major_dkv", 512),
    "block_k_dkv": ("block_k_major_dkv", 512), "block_k_dq": ("block_k_major_dq", 256),
}  # fmt: skip
"""The same for blocks that divide one of those: its name, and the largest size."""


def register(chips: Slice, kernel: bool) -> None:
    """Registers the attention function; `kernel` is the Pallas kernel for causal attention, which only TPUs have."""

    def attention(
        module: Any,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attention_mask: Tensor | None,
        scaling: float | None = None,
        sliding_window: int | None = None,
        **_: Any,
    ) -> tuple[Tensor, None]:
        scale = query.shape[-1] ** -0.5 if scaling is None else scaling
        key, value = (repeat_heads(states, query.shape[1]) for states in (key, value))
        if sliding_window is not None and sliding_window >= key.shape[2]:
            sliding_window = None
        if attention_mask is None and kernel and sliding_window is None:
            out = flash(chips, query, key, value, scale)
        else:
            out = written_out(query, key, value, scale, attention_mask, sliding_window)
        return out.transpose(1, 2).contiguous(), None

    AttentionInterface.register(ATTENTION, attention)


def repeat_heads(states: Tensor, heads: int) -> Tensor:
    """Repeats each head of keys or values (rows, key-value heads, tokens, size) for the queries that share it."""
    rows, key_value_heads, tokens, size = states.shape
    if key_value_heads == heads:
        return states
    repeats = heads // key_value_heads
    return states[:, :, None].expand(rows, key_value_heads, repeats, tokens, size).reshape(rows, heads, tokens, size)


def written_out(
    query: Tensor, key: Tensor, value: Tensor, scale: float, mask: Tensor | None, window: int | None = None
) -> Tensor:
    """Computes softmax(q k^T * scale + mask) v, the softmax in fp32.

    Args:
        query, key, value: (rows, heads, tokens, head size); keys may be longer than queries.
        mask: Added to the scores, (rows, 1, query tokens, key tokens); None is causal.
        window: Number of keys, up to and including its own, that a query sees; None is all.
    """
    scores = torch.einsum("bhqd,bhkd->bhqk", query, key).float() * scale
    if mask is None:
        position = torch.arange(query.shape[2], device=query.device)
        hidden = position[None, :] > position[:, None]
        if window is not None:
            hidden = hidden | (position[None, :] <= position[:, None] - window)
        scores = scores.masked_fill(hidden, HIDDEN_SCORE)
    else:
        scores = scores + (mask if window is None else windowed(mask, window))
    return torch.einsum("bhqk,bhkd->bhqd", torch.softmax(scores, dim=-1).to(value.dtype), value)


def windowed(mask: Tensor, window: int) -> Tensor:
    """Hides the keys of a mask that are further back than a window.

    Args:
        mask: 0 where a query sees a key and `HIDDEN_SCORE` elsewhere, (rows, 1, queries, keys). The last key that a
            query sees is its own, and those before it follow one another.
        window: Number of keys, up to and including its own, that a query sees.
    """
    place = torch.arange(mask.shape[-1], device=mask.device)
    last = torch.where(mask == 0, place, -1).amax(dim=-1, keepdim=True)
    return torch.where(place > last - window, mask, HIDDEN_SCORE)


def flash(chips: Slice, query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
    """Computes causal attention with torch_xla's Pallas kernel, each chip on its rows and heads.

    The number of tokens must be a multiple of `TILE_TOKENS`.
    """
    from torch_xla.experimental.custom_kernel import FlashAttention, flash_attention

    # torch_xla reads the sizes here and in the backward pass. All rows of a graph have one width, so both read these.
    FlashAttention.DEFAULT_BLOCK_SIZES.update(block_sizes(query.shape[2]))
    states, split = (query, key, value), {"partition_spec": HEADS, "mesh": chips.mesh}
    return flash_attention(*states, causal=True, sm_scale=scale, **split)  # type: ignore[no-any-return]


def block_sizes(width: int) -> dict[str, int]:
    """Returns the sizes in tokens of the kernel's blocks for rows of a width, a multiple of `TILE_TOKENS`.

    The kernel refuses blocks that do not divide the rows, or an outer block. These are torch_xla's own sizes where they
    do, and the largest smaller ones elsewhere: blocks of 384 tokens for rows of 1,152.
    """
    sizes = {name: _block(width, most) for name, most in OUTER_BLOCKS.items()}
    return sizes | {name: _block(sizes[outer], most) for name, (outer, most) in INNER_BLOCKS.items()}


def _block(length: int, most: int) -> int:
    """Returns the largest multiple of `TILE_TOKENS` up to `most` that divides a length."""
    return max(size for size in range(TILE_TOKENS, min(length, most) + 1, TILE_TOKENS) if length % size == 0)


def lower_kernels_for_tpu() -> None:
    """Lets this process trace the TPU's kernels without a TPU, to compile them for one; they cannot run here.

    torch_xla lowers a kernel for jax's default platform, and the CPU refuses. It also asks for jax's newest form of
    kernels (version 8 in jax 0.7.1), while libtpu 0.0.21 reads versions up to 7.
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
