"""The trainer's own step, compiled for TPU slices on a machine without one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch_xla")

from clt_ray.training.backends.fit import CompiledStep
from clt_ray.training.backends.xla.attention import INNER_BLOCKS, OUTER_BLOCKS, block_sizes
from clt_ray.training.backends.xla.buckets import widths
from clt_ray.training.backends.xla.environment import tracing_environment
from clt_ray.training.backends.xla.proof.depth import (
    CompilationError,
    OutOfMemory,
    Step,
    affordable_depths,
    compile_layers,
    extrapolate,
)

CHIPS, TOPOLOGY, ROWS, WIDTH = 4, "v5e:2x2", 8, 512
MODEL: dict[str, Any] = {
    "model_type": "llama", "vocab_size": 1024, "hidden_size": 256, "intermediate_size": 512, "num_hidden_layers": 1,
    "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 128, "max_position_embeddings": WIDTH,
    "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 2,
}  # fmt: skip
PARAMETERS = 2 * 1024 * 256 + 2 * 256 * 512 + 2 * 256 * 256 + 3 * 256 * 512 + 3 * 256
BYTES_PER_PARAMETER = 2 + 3 * 4
"""bf16 parameter; fp32 master, mean and square."""


@pytest.fixture(scope="module")
def compiled() -> Callable[..., CompiledStep]:
    """Compiles the step for all chips of the topology; what several tests look at is compiled once."""

    @cache
    def compiled(mesh: tuple[int, int] = (4, 1), layers: int = 1, *, kernel: bool = True) -> CompiledStep:
        step = compile_layers(Step(MODEL, TOPOLOGY, mesh, ROWS, WIDTH, kernel=kernel), layers)
        assert step.chips == CHIPS
        return step

    return compiled


@pytest.mark.parametrize("mesh", [(4, 1), (2, 2)], ids=["4x1", "2x2"])
def test_the_step_with_the_attention_kernel_compiles_for_a_slice(
    compiled: Callable[..., CompiledStep], mesh: tuple[int, int]
) -> None:
    with_kernel = compiled(mesh, kernel=True)
    # Forward, forward again in the backward pass, and one kernel each for the gradients of queries and of keys.
    assert with_kernel.kernels == 4
    # State is split over all chips, whatever the mesh: nothing of it is held twice.
    share = PARAMETERS * BYTES_PER_PARAMETER / CHIPS / 2**30
    assert share <= with_kernel.arguments_gib < 1.1 * share


@pytest.mark.parametrize("mesh", [(4, 1), (2, 2)], ids=["4x1", "2x2"])
def test_decoding_moves_activations_and_no_weights(mesh: tuple[int, int]) -> None:
    layers, weights_of_a_layer = 2, (2 * 256 * 512 + 2 * 256 * 256 + 3 * 256 * 512) * 2
    token = compile_layers(Step(MODEL, TOPOLOGY, mesh, rows=16, width=256, new_tokens=64), layers)
    assert 0 < sum(token.collectives.values()) < 0.2 * layers * weights_of_a_layer


ALL_WIDTHS = sorted({width for longest in range(256, 8193) for width in widths(longest)})
"""The widths of every ladder of a run whose rows are at most 256 to 8,192 tokens long."""


def test_the_blocks_of_the_kernel_divide_rows_of_every_ladder() -> None:
    from torch_xla.experimental.custom_kernel import FlashAttention

    sizes = block_sizes(2048)
    assert {name: FlashAttention.DEFAULT_BLOCK_SIZES[name] for name in sizes} == sizes, "torch_xla's own where they fit"
    assert set(sizes) == set(FlashAttention.DEFAULT_BLOCK_SIZES) - {"block_b"}
    for width in ALL_WIDTHS:
        sizes = block_sizes(width)
        assert all(width % sizes[name] == 0 for name in OUTER_BLOCKS)
        assert all(sizes[outer] % sizes[inner] == 0 for inner, (outer, _) in INNER_BLOCKS.items())


def test_the_kernel_and_its_gradients_compile_for_rows_of_every_ladder(tmp_path: Path) -> None:
    # One width stands for all that have blocks of the same sizes.
    by_blocks = {tuple(block_sizes(width).items()): width for width in reversed(ALL_WIDTHS)}
    rows = sorted({*by_blocks.values(), *widths(2048), *widths(8192)})
    arguments = [str(tmp_path), *map(str, rows)]
    program = [sys.executable, "-m", "tests.xla.ladder"]
    subprocess.run([*program, "trace", *arguments], env=os.environ | tracing_environment(CHIPS), check=True)
    compiled = subprocess.run([*program, "compile", *arguments], capture_output=True, text=True, check=True)
    # One kernel for the output, and one each for the gradients of queries and of keys with values.
    assert json.loads(compiled.stdout.splitlines()[-1]) == {str(width): 3 for width in rows}


def test_attention_written_out_needs_more_memory_than_the_kernel(compiled: Callable[..., CompiledStep]) -> None:
    written_out = compiled((4, 1), kernel=False)
    assert written_out.kernels == 0
    assert written_out.temporaries_gib > compiled((4, 1), kernel=True).temporaries_gib


def test_more_layers_lie_on_the_line_through_two_depths(compiled: Callable[..., CompiledStep]) -> None:
    # What lives during the step is 20 MB here, mostly room that the compiler has to spare;
    # benchmarks/tpu_compile.py holds it against the line at the sizes of real models.
    actual, expected = extrapolate(compiled(layers=1), compiled(layers=2), (1, 2), layers=3), compiled(layers=3)
    assert actual.arguments_gib == pytest.approx(expected.arguments_gib, rel=1e-3)
    assert actual.flops == pytest.approx(expected.flops, rel=0.02)
    assert actual.kernels == expected.kernels


def test_a_step_that_does_not_fit_a_chip_is_told_from_one_that_cannot_be_compiled() -> None:
    wide = {**MODEL, "vocab_size": 262144, "hidden_size": 8192, "intermediate_size": 32768, "num_attention_heads": 64}
    with pytest.raises(OutOfMemory, match="hbm"):
        compile_layers(Step(wide, TOPOLOGY, (4, 1), ROWS, WIDTH), 1)
    with pytest.raises(CompilationError, match="hidden_size") as error:
        compile_layers(Step({**MODEL, "hidden_size": "many"}, TOPOLOGY, (4, 1), ROWS, WIDTH), 1)
    assert not isinstance(error.value, OutOfMemory)


@pytest.mark.parametrize(
    ("layers", "gigabytes", "compiled"), [(32, 64, (32,)), (40, 20, (10, 20)), (32, 31, (32,)), (1, 4, (1,))]
)
def test_memory_decides_how_many_layers_are_compiled(layers: int, gigabytes: int, compiled: tuple[int, ...]) -> None:
    assert affordable_depths(layers, gigabytes * 10**9) == compiled


def test_without_memory_for_a_line_nothing_is_compiled() -> None:
    with pytest.raises(CompilationError, match=r"takes 10 GB of memory, and this machine has 4\.0 GB left"):
        affordable_depths(32, 4 * 10**9)
