"""Finds the files of a split of a data set on the Hugging Face hub, or in a local copy of it, and streams their rows.

A sweep file names the training set of a task (`data: {math: {dataset: laihuiyuan/mCoT-MATH}}`). The declarations of
the tasks (`Task.hub_layouts`) say where that set's own splits, the task's test set and its worked examples are, as
files inside a repository, so that no loading script runs. A data set that no task lists must have the task's own column
names in splits called train, validation and test, with one configuration per language or one that the sweep file names.
Revisions are branches, because pinning a commit that nobody has checked would be worse; to pin the commit that
`hub_rows` records, write it into `revision`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

from fsspec import AbstractFileSystem
from fsspec.implementations.local import LocalFileSystem

from clt_ray.data.json_stream import json_lines, json_records
from clt_ray.errors import DataError
from clt_ray.languages import LANGUAGES
from clt_ray.tasks import TASKS, HubFiles

_BLOCK_BYTES = 1 << 24
"""Bytes that are read from the hub at a time."""


def layouts() -> dict[str, Mapping[str, tuple[HubFiles, ...]]]:
    """Returns training set -> split -> files for every data set that a task lists."""
    return {dataset: splits for task in TASKS.values() for dataset, splits in task.hub_layouts.items()}


def files_for(
    dataset: str, language: str, split: str, *, config: str | None = None, revision: str | None = None
) -> HubFiles | None:
    """Returns the files of a split (train, validation, test, exemplars); None when there are none in that language.

    Args:
        config: Configuration of a data set that no task lists; the language code by default.
        revision: Replaces the revision of files that come from `dataset` itself.
    """
    layout = layouts().get(dataset)
    if layout is None:
        return HubFiles(dataset, {language: language}, None, split, revision, config)
    for files in _with_names(layout.get(split, ())):
        if language in files.names:
            is_own = files.dataset == dataset and revision is not None
            return replace(files, revision=revision) if is_own else files
    return None


def _with_names(entries: tuple[HubFiles, ...]) -> Iterator[HubFiles]:
    """Fills in the names of the languages that each entry serves: those that no earlier entry serves."""
    served: set[str] = set()
    for files in entries:
        named = (entry for entry in LANGUAGES.values() if files.dataset in entry.hub_names)
        known = {entry.code: entry.hub_names[files.dataset] for entry in named}
        codes = known if files.languages is None else files.languages
        names = files.names or {code: known.get(code, code) for code in codes if code not in served}
        served |= names.keys()
        yield replace(files, names=names, languages=None)


def raw_rows(files: HubFiles, language: str) -> Iterator[dict[str, Any] | None]:
    """Yields the rows of every language in the files of `language`, under the data set's own column names.

    JSON is read by `json_stream`, because `datasets` loads a whole array into memory and refuses a whole file for one
    bad line. All other formats are read by `datasets` in streaming mode, so that only selected rows are stored.

    Raises:
        DataError: The data set, its configuration or its files do not exist, or a file is broken. Network errors are
            not caught, since a later attempt may succeed.
    """
    if files.files is None:
        yield from _by_configuration(files, language)
        return
    pattern = files.files.replace("{name}", files.names[language])
    if pattern.endswith((".json", ".jsonl")):
        file_system, root = _file_system(files)
        names = sorted(str(path) for path in file_system.glob(f"{root}/{pattern}"))
        if not names:
            raise _unusable(files, pattern, "no such file")
        for name in names:
            with file_system.open(name, "rb", block_size=_BLOCK_BYTES) as file:
                try:
                    yield from json_lines(file) if name.endswith(".jsonl") else json_records(file)
                except DataError as error:
                    raise _unusable(files, name, error) from error
    else:
        from datasets import load_dataset

        try:
            yield from load_dataset(
                files.dataset, data_files=pattern, split="train", streaming=True, revision=files.revision
            )
        except FileNotFoundError as error:
            raise _unusable(files, pattern, error) from error


def commit(files: HubFiles) -> str | None:
    """Returns the commit that the revision of the files names at present; None for a local copy.

    Raises:
        DataError: There is no such data set or revision. A network error is not caught: a later attempt may succeed.
    """
    if is_local(files):
        return None
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HFValidationError, RepositoryNotFoundError, RevisionNotFoundError

    try:
        return HfApi().dataset_info(files.dataset, revision=files.revision).sha
    except (HFValidationError, RepositoryNotFoundError, RevisionNotFoundError) as error:
        raise _unusable(files, "not found on the hub", error) from error


def is_local(files: HubFiles) -> bool:
    """Returns whether the data set is a directory on this machine."""
    return Path(files.dataset).is_dir()


def _by_configuration(files: HubFiles, language: str) -> Iterator[dict[str, Any]]:
    from datasets import get_dataset_config_names, load_dataset
    from datasets.exceptions import DatasetNotFoundError

    try:
        configs = get_dataset_config_names(files.dataset, revision=files.revision)
        if files.config is None and language not in configs:
            return
        if files.config is not None and files.config not in configs:
            raise _unusable(files, f"configuration {files.config!r}", f"it has {', '.join(configs)}")
        splits = load_dataset(files.dataset, files.config or language, streaming=True, revision=files.revision)
    except (FileNotFoundError, DatasetNotFoundError) as error:
        raise _unusable(files, "files", error) from error
    if files.split in splits:
        yield from splits[files.split]


def _file_system(files: HubFiles) -> tuple[AbstractFileSystem, str]:
    """Returns the file system that holds a data set, and the data set's folder in it."""
    if is_local(files):
        return LocalFileSystem(), files.dataset
    from huggingface_hub import HfFileSystem

    revision = f"@{quote(files.revision, safe='')}" if files.revision else ""
    return HfFileSystem(), f"datasets/{files.dataset}{revision}"


def _unusable(files: HubFiles, what: str, why: object) -> DataError:
    revision = f" at {files.revision}" if files.revision else ""
    return DataError(
        f"data set {files.dataset}{revision}: {what}: {why}\n"
        "    check the name, set `revision`, or give the rows as local files with `root`"
    )
