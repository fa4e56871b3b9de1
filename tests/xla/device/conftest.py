"""Tests on PJRT's CPU devices: one process stands for a slice of four chips.

They need torch 2.9 and torch_xla 2.9, which live in an environment of their own; elsewhere they are not collected.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from clt_ray.families import FAMILIES
from tests.support.recipes import install_recipes
from tests.support.tiny_models import save_tiny

if find_spec("torch_xla") is None:
    collect_ignore_glob = ["test_*.py"]
else:
    os.environ.update(PJRT_DEVICE="CPU", CPU_NUM_DEVICES="4", XLA_NO_SPECIAL_SCALARS="1")

TINY: dict[str, Any] = {
    "vocab_size": 512, "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2,
    "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 512,
    "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2,
}  # fmt: skip


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Tiny untrained models: Llama with a head of its own, Cohere with tied embeddings."""
    import torch
    from transformers import CohereConfig, CohereForCausalLM, LlamaConfig, LlamaForCausalLM

    folder = tmp_path_factory.mktemp("checkpoints")
    torch.manual_seed(0)
    LlamaForCausalLM(LlamaConfig(**TINY)).save_pretrained(folder / "llama")
    CohereForCausalLM(CohereConfig(**TINY, logit_scale=0.25)).save_pretrained(folder / "cohere")
    return {name: folder / name for name in ("llama", "cohere")}


@pytest.fixture(scope="session")
def recipe_checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Path]]:
    """Tiny untrained models of the families of docs/extend.md, whose packages this process can import."""
    folder = tmp_path_factory.mktemp("recipe-checkpoints")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(install_recipes(folder / "recipes", "clt-ray-qwen3", "clt-ray-gemma3"))
        # A test before may have asked for all families, without those of the packages.
        patch.setattr(FAMILIES, "_all", None)
        yield {name: save_tiny(name, folder / name, **TINY) for name in ("qwen3", "gemma3_text")}
