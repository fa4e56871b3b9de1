"""What the content a run reads is called in its identity.

A hub model or data set is called by its name and revision; the bundled ones by the fingerprint in their manifest;
local files by a hash of their bytes, so the same folder under another path, or on another machine, is the same.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from functools import cache, lru_cache
from importlib import resources
from itertools import product
from pathlib import Path

from clt_ray.errors import DataError
from clt_ray.languages import ENGLISH
from clt_ray.sweep.catalog import BUNDLED
from clt_ray.sweep.run import DataSource, Inputs, ModelSpec

DEFAULT_REVISION = "main"

SPLITS = ("train", "validation", "test", "exemplars")
ROW_FILES = ("jsonl", "parquet")
"""Kinds of row files, the preferred one first."""

_READ_BYTES = 1 << 20
_WHOLE_FILE_BYTES = 64 << 20
_SAMPLED_BLOCKS = 16
_SAMPLED_BLOCK_BYTES = 1 << 18

_TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer.model",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "chat_template.jinja",
    "generation_config.json",
)


def run_inputs(
    model: ModelSpec, data: dict[str, DataSource], train_languages: tuple[str, ...], eval_languages: tuple[str, ...]
) -> Inputs:
    """Names of everything that a run with these sources and languages reads.

    Raises:
        DataError: A local file or directory cannot be read.
    """
    return Inputs(
        model=model_content(model),
        data={task: data_content(source, task, train_languages, eval_languages) for task, source in data.items()},
        templates=templates_sha256(),
    )


def model_content(model: ModelSpec) -> str:
    """Name of a model's weights and tokenizer."""
    if model.source == BUNDLED:
        return f"bundled:{manifest()['model_fingerprint']}"
    directory = model.local_directory
    if directory is None:
        return f"hub:{model.source}@{model.revision or DEFAULT_REVISION}"
    return f"sha256:{directory_sha256(directory.expanduser())}"


def data_content(
    source: DataSource, task: str, train_languages: tuple[str, ...], eval_languages: tuple[str, ...]
) -> str:
    """Name of a task's rows in the languages of a run."""
    if source.bundled:
        return f"bundled:{manifest()['corpus_fingerprint']}"
    if source.root is None:
        dataset = f"{source.dataset}/{source.config}" if source.config else source.dataset
        return f"hub:{dataset}@{source.revision or DEFAULT_REVISION}"
    files = source_files(Path(source.root), task, train_languages, eval_languages)
    return f"sha256:{_files_sha256(files)}"


def source_files(
    root: Path, task: str, train_languages: Iterable[str], eval_languages: Iterable[str]
) -> dict[str, Path]:
    """The files of a local root that a run may read, by their name inside the root.

    All splits of all its languages: validation rows may be cut from a language's training file, and test prompts
    are kept out of the training rows of every language.
    """
    found = {}
    for split, code in product(SPLITS, sorted({ENGLISH, *train_languages, *eval_languages})):
        file = source_file(root, task, split, code)
        if file is not None:
            found[file.relative_to(root).as_posix()] = file
    return found


def source_file(root: Path, task: str, split: str, language: str) -> Path | None:
    """The file of a local root with these rows, None when there is none."""
    candidates = (root / task / split / f"{language}.{kind}" for kind in ROW_FILES)
    return next((file for file in candidates if file.is_file()), None)


def directory_sha256(directory: Path) -> str:
    """Hash of a local model: configuration and tokenizer whole, weights by size and sampled blocks.

    Weights of a large model are tens of gigabytes, and a plan must not read them. Every safetensors file enters
    with its size and 16 blocks spread from its first byte (the header: names, shapes and types of all tensors) to
    its last, which tells apart any two trainings of a model: each step changes nearly every weight. Only an edit of a
    few chosen bytes could escape. Files up to 64 MiB are read whole.

    Raises:
        DataError: The directory cannot be read.
    """
    names = ["config.json", *_TOKENIZER_FILES, *sorted(path.name for path in directory.glob("*.safetensors"))]
    return _files_sha256({name: directory / name for name in names if (directory / name).is_file()})


def _files_sha256(files: dict[str, Path]) -> str:
    digest = hashlib.sha256()
    for name, path in files.items():
        digest.update(f"{name} {_file_sha256(path)}\n".encode())
    return digest.hexdigest()


def _file_sha256(path: Path) -> str:
    try:
        state = path.stat()
        return _cached_sha256(path, state.st_size, state.st_mtime_ns)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); it is part of a run's identity") from error


@lru_cache(maxsize=4096)
def _cached_sha256(path: Path, size: int, mtime_ns: int) -> str:
    """Hash of a file that is assumed unchanged while its size and time of change are."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        if size <= _WHOLE_FILE_BYTES or path.suffix != ".safetensors":
            while block := file.read(_READ_BYTES):
                digest.update(block)
        else:
            digest.update(f"{size} ".encode())
            last = size - _SAMPLED_BLOCK_BYTES
            for index in range(_SAMPLED_BLOCKS):
                file.seek(last * index // (_SAMPLED_BLOCKS - 1))
                digest.update(file.read(_SAMPLED_BLOCK_BYTES))
    return digest.hexdigest()


@cache
def manifest() -> dict[str, str]:
    """Fingerprints of the corpus and the model that the package ships."""
    text = _resource("data", "bundled", "MANIFEST.json").decode()
    content: dict[str, str] = json.loads(text)
    return content


@cache
def templates_sha256() -> str:
    """Hash of the prompt templates that the package ships."""
    return hashlib.sha256(_resource("data", "templates.yaml")).hexdigest()


def _resource(*parts: str) -> bytes:
    # Read as a file of the package: importing clt_ray.data would load its tables and grammar for a hash.
    return resources.files("clt_ray").joinpath(*parts).read_bytes()
