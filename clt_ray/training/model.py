"""Where the weights and the tokenizer of a model come from."""

from __future__ import annotations

import math
from importlib import resources
from pathlib import Path
from typing import Any

from clt_ray.sweep.run import ModelSpec

BUNDLED = "bundled"
LARGE_MODEL_PARAMETERS = 1_000_000_000
"""From here on, activations of all layers would take more memory than the weights."""


def location(model: ModelSpec) -> str:
    """Directory or hub name to load from."""
    if model.source == BUNDLED:
        return str(resources.files("clt_ray.data.bundled") / "model")
    return model.source


def recomputes(model: ModelSpec) -> bool:
    """Whether layers' activations are computed again in the backward pass instead of kept: those of large models, and
    of models whose size nobody knows."""
    count = parameter_count(model)
    return count is None or count >= LARGE_MODEL_PARAMETERS


def parameter_count(model: ModelSpec) -> int | None:
    """Number of parameters, as the sweep says or as the model's safetensors files do; None for a hub model that the
    sweep says nothing of."""
    from safetensors import safe_open

    folder = Path(location(model))
    if model.parameters or not folder.is_dir():
        return model.parameters
    count = 0
    for path in folder.glob("*.safetensors"):
        with safe_open(path, framework="np") as file:
            count += sum(math.prod(file.get_slice(name).get_shape()) for name in file.keys())  # noqa: SIM118
    return count


def load_tokenizer(model: ModelSpec) -> Any:
    """The model's tokenizer, with a padding token that is not its end of text where one can be had.

    Llama 3.1 has no padding token but reserves one for fine-tuning; training on a padding token equal to the
    end of text would be harmless here only because padding carries no label, and decoding could not tell them
    apart.
    """
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(location(model), revision=model.revision)
    if tokenizer.pad_token is None:
        reserved = "<|finetune_right_pad_id|>"
        tokenizer.pad_token = reserved if reserved in tokenizer.get_vocab() else tokenizer.eos_token
    return tokenizer
