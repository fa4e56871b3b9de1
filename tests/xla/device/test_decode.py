"""Decoding on a slice gives the tokens of transformers' generate, with two kinds of graphs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import torch_xla.runtime as runtime
from transformers import AutoModelForCausalLM

from clt_ray.training.backends.xla import attention
from clt_ray.training.backends.xla.decode import Decoder
from clt_ray.training.backends.xla.model import ShardedModel, load
from clt_ray.training.backends.xla.plan import MeshShape
from clt_ray.training.backends.xla.slice import Slice

runtime.use_spmd()


def sharded(path: Path, mesh: MeshShape) -> ShardedModel:
    chips = Slice(mesh)
    attention.register(chips, kernel=False)
    model = load(str(path), None, torch.float32, chips, rematerialise=False)
    model.module.eval()
    return model


def prompts(lengths: list[int]) -> list[list[int]]:
    generator = torch.Generator().manual_seed(1)
    return [torch.randint(3, 512, (length,), generator=generator).tolist() for length in lengths]


def greedy(path: Path, prompt: list[int], new_tokens: int, stops: list[int]) -> list[int]:
    model: Any = AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32)
    tokens: list[int] = model.generate(
        torch.tensor([prompt]), max_new_tokens=new_tokens, do_sample=False, eos_token_id=stops, pad_token_id=0
    )[0, len(prompt) :].tolist()
    return tokens[: next((place for place, token in enumerate(tokens) if token in stops), len(tokens))]


@pytest.mark.parametrize(
    ("name", "mesh"),
    [("llama", MeshShape(4, 1)), *((name, MeshShape(2, 2)) for name in ("llama", "cohere", "qwen3", "gemma3_text"))],
)
def test_tokens_equal_generate_and_lengths_compile_nothing(
    checkpoints: dict[str, Path], recipe_checkpoints: dict[str, Path], name: str, mesh: MeshShape
) -> None:
    path = (checkpoints | recipe_checkpoints)[name]
    batches = [prompts([140, 3, 77, 130]), prompts([20, 128, 1]), prompts([129])]
    # A token that one of the replies contains, so that rows end at different times.
    stop = greedy(path, batches[0][1], 24, [511])[9]
    decoder = Decoder(sharded(path, mesh), [stop], 0, rows=4, new_tokens=24, longest_prompt=140)
    for batch in batches:
        assert decoder(batch) == [greedy(path, prompt, 24, [stop]) for prompt in batch]
    assert list(decoder.graphs.programs) == [
        "prefill (4, 256) of 280",
        "decode (4, 1) of 280",
        "prefill (4, 128) of 280",
    ]
    assert decoder.tokens == sum(len(greedy(path, prompt, 24, [stop])) for batch in batches for prompt in batch)


def test_without_a_token_that_ends_replies_all_have_full_length(checkpoints: dict[str, Path]) -> None:
    (prompt,) = prompts([20])
    decoder = Decoder(sharded(checkpoints["llama"], MeshShape(4, 1)), [], 0, rows=4, new_tokens=6, longest_prompt=20)
    assert decoder([prompt]) == [greedy(checkpoints["llama"], prompt, 6, [])]
