"""Names the weights, rows and templates that a run reads, for its identity.

A hub model or data set is identified by its name and revision, bundled content by the fingerprint in its manifest, and
local files by a hash of their bytes, so that a folder keeps its identity under another path or on another machine.
"""

import hashlib
import json
from collections.abc import Collection, Iterable
from functools import cache, lru_cache
from importlib import resources
from itertools import product
from pathlib import Path

from clt_ray.errors import DataError
from clt_ray.families import FAMILIES, find_family
from clt_ray.languages import ENGLISH, LANGUAGES
from clt_ray.scorers import SCORERS, scorers_for
from clt_ray.sweep.catalog import BUNDLED
from clt_ray.sweep.identity import canonical_json
from clt_ray.sweep.run import Inputs
from clt_ray.sweep.sections import DataSource, ModelSpec
from clt_ray.tasks import TASKS

DEFAULT_REVISION = "main"

SPLITS = ("train", "validation", "test", "exemplars")
ROW_FILES = ("jsonl", "parquet")
"""File name extensions of row files, in the order of preference."""

_WHOLE_FILE_BYTES = 64 << 20
_SAMPLED_BLOCKS = 16
_SAMPLED_BLOCK_BYTES = 1 << 18

_TOKENIZER_FILES = (
    "tokenizer.json", "tokenizer.model", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
    "vocab.json", "merges.txt", "chat_template.jinja", "generation_config.json",
)  # fmt: skip


def run_inputs(
    model: ModelSpec,
    data: dict[str, DataSource],
    train_languages: tuple[str, ...],
    eval_languages: tuple[str, ...],
    scorers: tuple[str, ...] = (),
) -> Inputs:
    """Returns the names of all content that a run reads; raises `DataError` for unreadable local files."""
    return Inputs(
        model=model_content(model),
        data={task: data_content(source, task, train_languages, eval_languages) for task, source in data.items()},
        templates=templates_sha256(),
        plugins=plugin_contents(data, {ENGLISH, *train_languages, *eval_languages}, scorers, model.architecture),
    )


def plugin_contents(
    tasks: Iterable[str], languages: Collection[str], scorers: Iterable[str], architecture: str | None
) -> dict[str, str]:
    """Returns the hashes of what other packages declare for a run: `task spelling` -> SHA-256.

    Only what can change the run's rows and scores is hashed. Built-in tasks, languages and families are left out.
    """
    contents: dict[str, object] = {}
    for task in tasks:
        if task not in TASKS.built_in:
            contents[f"task {task}"] = TASKS[task].content(languages)
    for code in languages:
        if code not in LANGUAGES.built_in and code in LANGUAGES:
            contents[f"language {code}"] = LANGUAGES[code].content()
    for name in scorers_for(tasks, scorers):
        contents[f"scorer {name}"] = {"version": SCORERS[name].version}
    family = find_family(architecture) if architecture else None
    if family is not None and family.name not in FAMILIES.built_in and family.content():
        contents[f"family {family.name}"] = family.content()
    return {name: hashlib.sha256(canonical_json(content).encode()).hexdigest() for name, content in contents.items()}


def model_content(model: ModelSpec) -> str:
    """Returns the name of a model's weights and tokenizer."""
    if model.source == BUNDLED:
        return f"bundled:{manifest()['model_fingerprint']}"
    if model.local_directory is None:
        return f"hub:{model.source}@{model.revision or DEFAULT_REVISION}"
    return f"sha256:{directory_sha256(model.local_directory.expanduser())}"


def data_content(
    source: DataSource, task: str, train_languages: tuple[str, ...], eval_languages: tuple[str, ...]
) -> str:
    """Returns the name of a task's rows in the languages of a run."""
    if source.bundled:
        return f"bundled:{manifest()['corpus_fingerprint']}"
    if source.root is None:
        dataset = f"{source.dataset}/{source.config}" if source.config else source.dataset
        return f"hub:{dataset}@{source.revision or DEFAULT_REVISION}"
    return f"sha256:{_files_sha256(source_files(Path(source.root), task, train_languages, eval_languages))}"


def source_files(
    root: Path, task: str, train_languages: Iterable[str], eval_languages: Iterable[str]
) -> dict[str, Path]:
    """Returns the files of a local root that a run may read, by their path inside the root.

    These are all splits of all languages of the run: validation rows may be cut from a training file, and test prompts
    of every language are kept out of the training rows.
    """
    files = {}
    for split, code in product(SPLITS, sorted({ENGLISH, *train_languages, *eval_languages})):
        file = source_file(root, task, split, code)
        if file is not None:
            files[file.relative_to(root).as_posix()] = file
    return files


def source_file(root: Path, task: str, split: str, language: str) -> Path | None:
    """Returns the file of a local root that holds these rows; None when there is none."""
    candidates = (root / task / split / f"{language}.{kind}" for kind in ROW_FILES)
    return next((file for file in candidates if file.is_file()), None)


def directory_sha256(directory: Path) -> str:
    """Returns the hash of a local model: of its configuration and tokenizer, and of samples of its weights.

    The weights of a large model are tens of gigabytes, which is too much to read for a plan. A safetensors file larger
    than 64 MiB enters with its size and 16 blocks, evenly spread from its first byte (the header with names, shapes and
    types of all tensors) to its last. Since an optimizer step changes nearly every weight, this distinguishes any two
    trainings of a model; an edit of a few bytes between the blocks goes unnoticed. Smaller files are read whole.

    Raises:
        DataError: The directory cannot be read.
    """
    names = ["config.json", *_TOKENIZER_FILES, *sorted(path.name for path in directory.glob("*.safetensors"))]
    return _files_sha256({name: directory / name for name in names if (directory / name).is_file()})


def _files_sha256(files: dict[str, Path]) -> str:
    lines = (f"{name} {_file_sha256(path)}\n" for name, path in files.items())
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _file_sha256(path: Path) -> str:
    try:
        state = path.stat()
        return _cached_sha256(path, state.st_size, state.st_mtime_ns)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); it is part of a run's identity") from error


@lru_cache(maxsize=4096)
def _cached_sha256(path: Path, size: int, mtime_ns: int) -> str:
    """Returns the hash of a file, which is assumed not to change while its size and modification time stay the same."""
    with path.open("rb") as file:
        if size <= _WHOLE_FILE_BYTES or path.suffix != ".safetensors":
            return hashlib.file_digest(file, "sha256").hexdigest()
        digest = hashlib.sha256(f"{size} ".encode())
        last = size - _SAMPLED_BLOCK_BYTES
        for index in range(_SAMPLED_BLOCKS):
            file.seek(last * index // (_SAMPLED_BLOCKS - 1))
            digest.update(file.read(_SAMPLED_BLOCK_BYTES))
        return digest.hexdigest()


@cache
def manifest() -> dict[str, str]:
    """Returns the fingerprints of the corpus and the model that the package ships."""
    content: dict[str, str] = json.loads(_resource("data", "bundled", "MANIFEST.json"))
    return content


@cache
def templates_sha256() -> str:
    """Returns the hash of the prompt templates that the package ships."""
    return hashlib.sha256(_resource("data", "templates.yaml")).hexdigest()


def _resource(*parts: str) -> bytes:
    return resources.files("clt_ray").joinpath(*parts).read_bytes()
