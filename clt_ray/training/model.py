"""The location of a model's files, its size, and its tokenizer."""

import json
import math
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from clt_ray.families import find_family
from clt_ray.sweep.catalog import BUNDLED
from clt_ray.sweep.sections import ModelSpec

LARGE_MODEL_PARAMETERS = 1_000_000_000
"""From this size on, the activations of all layers would take more memory than the weights."""


def location(model: ModelSpec) -> str:
    """Returns the local directory or Hub name to load a model from."""
    if model.source == BUNDLED:
        return str(resources.files("clt_ray.data.bundled") / "model")
    return model.source


def recomputes(model: ModelSpec) -> bool:
    """Returns whether the backward pass computes the activations again instead of keeping them.

    It does for large models, and for models of unknown size.
    """
    count = parameter_count(model)
    return count is None or count >= LARGE_MODEL_PARAMETERS


def parameter_count(model: ModelSpec) -> int | None:
    """Returns the number of parameters that the sweep file states or that the model's safetensors files have.

    None for a Hub model whose size the sweep file does not state.
    """
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
    """Returns the model's tokenizer with a padding token, and with the chat format of the family that the sweep names.

    A tokenizer without a padding token gets the one that the family reserves, such as Llama 3.1's for fine-tuning, or
    else its end of text. Padding carries no label, so either is right for training, but only a token of its own lets
    a decoder tell padding from the end of a reply.
    """
    from transformers import AutoConfig, AutoTokenizer

    source, revision = location(model), model.revision
    tokenizer = AutoTokenizer.from_pretrained(source, revision=revision)
    # The chat format decides what a run trains on. Only a family that the sweep names can enter the run's identity,
    # which is computed without the checkpoint.
    family = find_family(model.architecture) if model.architecture else None
    if family is not None and tokenizer.chat_template:
        tokenizer.chat_template = with_variables(tokenizer.chat_template, family.chat_arguments)
    if tokenizer.pad_token is None:
        family = family or find_family(AutoConfig.from_pretrained(source, revision=revision).model_type)
        reserved = family.padding_token if family is not None else None
        tokenizer.pad_token = reserved if reserved in tokenizer.get_vocab() else tokenizer.eos_token
    return tokenizer


def with_variables(template: str, variables: Mapping[str, bool | str]) -> str:
    """Returns a Jinja template that sets variables before everything else.

    Written into the template, the values also hold for whatever reads the exported checkpoint, so that a model is used
    in the format in which it was trained.
    """
    lines = [f"{{%- set {name} = {json.dumps(value)} -%}}" for name, value in variables.items()]
    return "\n".join([*lines, template])
