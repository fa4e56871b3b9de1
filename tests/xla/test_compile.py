"""The trainer's own step, compiled for TPU slices on a machine without one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest

pytest.importorskip("torch_xla")

from clt_ray.training.backends.xla.trace import environment

CHIPS, TOPOLOGY, ROWS, WIDTH = 4, "v5e:2x2", 8, 1024
MODEL: dict[str, Any] = {
    "model_type": "llama", "vocab_size": 4096, "hidden_size": 512, "intermediate_size": 1024, "num_hidden_layers": 1,
    "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": WIDTH,
    "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 2,
}  # fmt: skip
PARAMETERS = 4096 * 512 * 2 + 512 * 512 * 2 + 512 * 256 * 2 + 3 * 512 * 1024 + 3 * 512
BYTES_PER_PARAMETER = 2 + 3 * 4
"""bf16 parameter; fp32 master, mean and square."""


@dataclass(frozen=True)
class Compiled:
    kernels: int
    arguments_gib: float
    temporaries_gib: float


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Compiled]:
    """Compiles the step for all chips of the topology; what several tests look at is compiled once."""

    @cache
    def compiled(mesh: tuple[int, int], *, kernel: bool) -> Compiled:
        folder = tmp_path_factory.mktemp("step")
        shape = {"mesh": mesh, "rows": ROWS, "width": WIDTH, "kernel": kernel}
        (folder / "step.json").write_text(json.dumps({"model": MODEL, "shape": shape}))
        traced = [sys.executable, "-m", "clt_ray.aot.trace", str(folder / "step.json"), str(folder / "step.hlo")]
        subprocess.run(traced, check=True, capture_output=True, env={**os.environ, **environment(CHIPS)})
        command = [sys.executable, "-m", "clt_ray.aot.compile", str(folder / "step.hlo"), TOPOLOGY]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        found = json.loads(done.stdout.splitlines()[-1])
        assert found["chips"] == CHIPS
        return Compiled(**{name: found[name] for name in Compiled.__dataclass_fields__})

    return compiled


@pytest.mark.parametrize("mesh", [(4, 1), (2, 2)], ids=["4x1", "2x2"])
def test_the_step_with_the_attention_kernel_compiles_for_a_slice(
    compiled: Callable[..., Compiled], mesh: tuple[int, int]
) -> None:
    with_kernel = compiled(mesh, kernel=True)
    # Forward, forward again in the backward pass, and one kernel each for the gradients of queries and of keys.
    assert with_kernel.kernels == 4
    # State is split over all chips, whatever the mesh: nothing of it is held twice.
    share = PARAMETERS * BYTES_PER_PARAMETER / CHIPS / 2**30
    assert share <= with_kernel.arguments_gib < 1.1 * share


def test_attention_written_out_needs_more_memory_than_the_kernel(compiled: Callable[..., Compiled]) -> None:
    written_out = compiled((4, 1), kernel=False)
    assert written_out.kernels == 0
    assert written_out.temporaries_gib > compiled((4, 1), kernel=True).temporaries_gib
