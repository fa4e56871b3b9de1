"""The location of a model's files, its size, and its tokenizer."""

import hashlib
import json
import math
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from clt_ray.families import find_family
from clt_ray.sweep.catalog import BUNDLED
from clt_ray.sweep.sections import ModelSpec

SINGLE_FILE, INDEX_FILE = "model.safetensors", "model.safetensors.index.json"
DIGESTED_BLOCKS, BLOCK_BYTES = 64, 2**16
"""Blocks of a safetensors file that enter the digest of its weights."""
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


def safetensors_files(location: str, revision: str | None) -> list[str]:
    """Returns the local paths of a checkpoint's files, downloaded if the location is not a directory.

    Raises:
        OSError: The checkpoint has no safetensors.
    """
    from transformers.utils import cached_file
    from transformers.utils.hub import get_checkpoint_shard_files

    single = cached_file(location, SINGLE_FILE, revision=revision, _raise_exceptions_for_missing_entries=False)
    if single is not None:
        return [single]
    index = cached_file(location, INDEX_FILE, revision=revision)
    files, _ = get_checkpoint_shard_files(location, index, revision=revision)
    return sorted(files)


def weights_digest(location: str, revision: str | None) -> str:
    """Returns a digest of a checkpoint's safetensors files that takes a moment also for billions of parameters.

    It covers the size of each file, its header, and `DIGESTED_BLOCKS` blocks at equal distances. An edit of a few
    values between the blocks does not change it.

    Raises:
        OSError: The checkpoint has no safetensors, or they cannot be read.
    """
    digest = hashlib.sha256()
    for path in map(Path, safetensors_files(location, revision)):
        size = path.stat().st_size
        digest.update(f"{path.name} {size}".encode())
        with path.open("rb") as file:
            header = int.from_bytes(file.read(8), "little")
            digest.update(file.read(header))
            for block in range(DIGESTED_BLOCKS):
                file.seek(max(0, size - BLOCK_BYTES) * block // max(1, DIGESTED_BLOCKS - 1))
                digest.update(file.read(BLOCK_BYTES))
    return digest.hexdigest()[:16]


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
