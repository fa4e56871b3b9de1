"""Models and data: sources that are well defined and, where they are local, there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from clt_ray.errors import Problem
from clt_ray.languages import ENGLISH, LANGUAGES
from clt_ray.sweep.catalog import BUNDLED, TASKS, controlled_group
from clt_ray.sweep.checks.reading import eval_languages, language_groups, section, used, used_tasks
from clt_ray.sweep.document import Document, KeyPath
from clt_ray.sweep.inputs import source_file
from clt_ray.sweep.sections import is_path

SOURCES = ("bundled", "root", "dataset")
_LAYOUT = "a root holds <task>/<split>/<language>.jsonl"


def check_models(document: Document) -> Iterator[Problem]:
    """Models that the file defines from a local directory are there, and a revision belongs to a hub name."""
    for name in section(document, "models"):
        source = document.get("models", name, "source")
        if not isinstance(source, str):
            continue
        path: KeyPath = ("models", name, "source")
        if is_path(source):
            directory = resolved(document, path, source)
            if not (directory / "config.json").is_file():
                found = "has no config.json" if directory.is_dir() else "is not a directory"
                yield document.problem(path, found, "a local model has config.json, tokenizer and safetensors files")
            elif not any(directory.glob("*.safetensors")):
                yield document.problem(path, "has no safetensors files", "weights are loaded from safetensors only")
        if (is_path(source) or source == BUNDLED) and document.get("models", name, "revision") is not None:
            where: KeyPath = ("models", name, "revision")
            yield document.problem(where, "only a hub model has a revision", "remove it")


def check_data(document: Document) -> Iterator[Problem]:
    """Each source is one kind of source; a local root has the files that the sweep reads."""
    for task in TASKS:
        if not isinstance(document.get("data", task), Mapping):
            continue
        given = section(document, "data", task)
        kinds = [kind for kind in SOURCES if given.get(kind) not in (None, False)]
        path: KeyPath = ("data", task)
        if len(kinds) > 1:
            yield document.problem(path, f"sets {' and '.join(kinds)}", "keep exactly one of bundled, root and dataset")
        elif not kinds:
            yield document.problem(path, "names no source", "set one of bundled: true, root: PATH, dataset: NAME")
        elif kinds != ["dataset"]:
            for key in ("config", "revision"):
                if given.get(key) is not None:
                    yield document.problem((*path, key), "only a hub data set has one", "remove it, or set dataset")
        if kinds == ["root"] and isinstance(given["root"], str):
            yield from _root(document, task, given["root"])


def _root(document: Document, task: str, root: str) -> Iterator[Problem]:
    path: KeyPath = ("data", task, "root")
    if "://" in root:
        yield document.problem(path, "is a URI", "a root is a local folder: mount the bucket or copy the files")
        return
    folder = resolved(document, path, root)
    if not folder.is_dir():
        yield document.problem(path, f"there is no folder {folder.absolute()}", _LAYOUT)
        return
    if not any(task in cell for cell in used_tasks(document)):
        return
    for split, codes in (("train", _train_languages(document)), ("test", eval_languages(document))):
        missing = [code for code in codes if code in LANGUAGES and source_file(folder, task, split, code) is None]
        if missing:
            names = ", ".join(f"{task}/{split}/{code}.jsonl" for code in missing)
            yield document.problem(path, f"lacks {names}", f"{_LAYOUT}; add the files or drop the languages")


def _train_languages(document: Document) -> list[str]:
    groups = language_groups(document)
    names = [name for name in used(document, "language_group") if isinstance(name, str)]
    english = document.get("english_samples") != 0 or any(map(controlled_group, names))
    codes = [ENGLISH] if english else []
    if any(isinstance(count, int) and count > 0 for count in used(document, "samples_per_language")):
        codes += [code for name in names for code in groups.get(name, [])]
    return list(dict.fromkeys(codes))


def resolved(document: Document, path: KeyPath, location: str) -> Path:
    """A local path as the user meant it: relative to the sweep file, or for an override to the working directory."""
    return document.base_of(path) / Path(location).expanduser()
