"""The sharding plan: every parameter split as far as it can be, every axis used at most once."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clt_ray.errors import ConfigurationError
from clt_ray.families import FSDP, LLAMA, TENSOR, Partition
from clt_ray.training.backends.xla.plan import BATCH, MeshShape, partition, sharding_plan

LAYER = {
    "input_layernorm.weight": ("hidden",),
    "self_attn.q_proj.weight": ("heads", "hidden"),
    "self_attn.k_proj.weight": ("kv", "hidden"),
    "self_attn.v_proj.weight": ("kv", "hidden"),
    "self_attn.o_proj.weight": ("hidden", "heads"),
    "mlp.gate_proj.weight": ("ffn", "hidden"),
    "mlp.up_proj.weight": ("ffn", "hidden"),
    "mlp.down_proj.weight": ("hidden", "ffn"),
}
SIZES = {
    "llama-3.1-8b": {"vocab": 128_256, "hidden": 4096, "ffn": 14_336, "heads": 4096, "kv": 1024, "layers": 32},
    "aya-23-8b": {"vocab": 256_000, "hidden": 4096, "ffn": 14_336, "heads": 4096, "kv": 1024, "layers": 32},
    "aya-23-35b": {"vocab": 256_000, "hidden": 8192, "ffn": 22_528, "heads": 8192, "kv": 8192, "layers": 40},
}
PARAMETERS = {"llama-3.1-8b": 8_030_261_248, "aya-23-8b": 8_028_033_024, "aya-23-35b": 34_980_831_232}


def shapes(model: str) -> dict[str, tuple[int, ...]]:
    """Parameters of a published model by name; tied embeddings once."""
    sizes = SIZES[model]
    parameters = {
        "model.embed_tokens.weight": (sizes["vocab"], sizes["hidden"]),
        "model.norm.weight": (sizes["hidden"],),
    }
    for layer in range(sizes["layers"]):
        for name, dimensions in LAYER.items():
            parameters[f"model.layers.{layer}.{name}"] = tuple(sizes[size] for size in dimensions)
        if model.startswith("llama"):
            parameters[f"model.layers.{layer}.post_attention_layernorm.weight"] = (sizes["hidden"],)
    if model.startswith("llama"):
        parameters["lm_head.weight"] = (sizes["vocab"], sizes["hidden"])
    return parameters


def shard_shape(shape: Sequence[int], axes: Partition, mesh: MeshShape) -> tuple[int, ...]:
    """Returns the shape of the part that one chip holds."""
    return tuple(size // mesh.size(axis) for size, axis in zip(shape, axes, strict=True))


@pytest.mark.parametrize(
    ("model", "mesh"),
    [
        ("llama-3.1-8b", MeshShape(64, 1)), ("llama-3.1-8b", MeshShape(32, 2)), ("llama-3.1-8b", MeshShape(16, 4)),
        ("aya-23-8b", MeshShape(64, 1)), ("aya-23-8b", MeshShape(16, 4)), ("aya-23-35b", MeshShape(64, 4)),
    ],
    ids=str,
)  # fmt: skip
def test_published_models_are_split_over_every_chip(model: str, mesh: MeshShape) -> None:
    parameters = shapes(model)
    assert sum(math.prod(shape) for shape in parameters.values()) == PARAMETERS[model]
    plan = sharding_plan(LLAMA, parameters, mesh)
    on_one_chip = sum(math.prod(shard_shape(shape, plan[name], mesh)) for name, shape in parameters.items())
    norms = sum(math.prod(shape) for shape in parameters.values() if len(shape) == 1)
    assert on_one_chip == (PARAMETERS[model] - norms) // mesh.chips + norms


@given(
    st.sampled_from([*(f"model.layers.3.{name}" for name in LAYER), "model.embed_tokens.weight", "lm_head.weight"]),
    st.tuples(st.integers(1, 96), st.integers(1, 96)),
    st.builds(MeshShape, st.sampled_from([1, 2, 3, 4, 8, 64]), st.sampled_from([1, 2, 4])),
)
def test_any_shape_is_split_evenly_and_no_axis_is_used_twice(name: str, size: tuple[int, int], mesh: MeshShape) -> None:
    shape = size[: len(LAYER.get(name.removeprefix("model.layers.3."), (0, 0)))]
    axes = partition(LLAMA, name, shape, mesh)
    assert len(axes) == len(shape)
    assert all(size % mesh.size(axis) == 0 for size, axis in zip(shape, axes, strict=True))
    used = [axis for entry in axes if entry for axis in ((entry,) if isinstance(entry, str) else entry)]
    assert len(used) == len(set(used)) and all(mesh.size(axis) > 1 for axis in used)
    assert math.prod(shard_shape(shape, axes, mesh)) * mesh.size(tuple(used)) == math.prod(shape)


def test_the_batch_is_split_over_one_axis_only() -> None:
    mesh = MeshShape(64, 4)
    assert [mesh.size(axis) for axis in BATCH] == [64, 1]
    assert shard_shape((64, 2048), BATCH, mesh) == (1, 2048)


def test_a_layer_contracts_what_it_split() -> None:
    mesh = MeshShape(16, 4)
    assert partition(LLAMA, "model.layers.0.self_attn.q_proj.weight", (4096, 4096), mesh) == (TENSOR, FSDP)
    assert partition(LLAMA, "model.layers.0.self_attn.o_proj.weight", (4096, 4096), mesh) == (FSDP, TENSOR)
    assert partition(LLAMA, "lm_head.weight", (128_256, 4096), mesh) == ((FSDP, TENSOR), None)


def test_all_unknown_parameters_are_named() -> None:
    with pytest.raises(ConfigurationError) as caught:
        sharding_plan(LLAMA, {"model.experts.weight": (8, 8), "model.norm.weight": (8,), "router": (8,)}, MeshShape(2))
    assert [problem.key for problem in caught.value.problems] == ["model.experts.weight", "router"]
