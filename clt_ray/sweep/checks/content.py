"""Checks models and data: each has one well-defined source, and local files exist."""

from collections.abc import Iterator
from pathlib import Path

from clt_ray.languages import ENGLISH, LANGUAGES
from clt_ray.sweep.catalog import BUNDLED, controlled_group
from clt_ray.sweep.checks.findings import Finding, used_tasks
from clt_ray.sweep.document import KeyPath
from clt_ray.sweep.inputs import source_file
from clt_ray.sweep.sections import is_path
from clt_ray.sweep.spec import SweepSpec
from clt_ray.tasks import TASKS

SOURCES = ("bundled", "root", "dataset")
_LOCAL_ROOT = "a root is a local folder: mount the bucket or copy the files"
_LAYOUT = "a root holds <task>/<split>/<language>.jsonl"


def check_models(spec: SweepSpec) -> Iterator[Finding]:
    """Checks that local models that the file defines exist, and only hub models have a revision."""
    for name, model in spec.models.items():
        path: KeyPath = ("models", name, "source")
        if is_path(model.source):
            directory = Path(model.source)
            if not (directory / "config.json").is_file():
                message = "has no config.json" if directory.is_dir() else "is not a directory"
                yield Finding(path, message, "a local model has config.json, tokenizer and safetensors files")
            elif not any(directory.glob("*.safetensors")):
                yield Finding(path, "has no safetensors files", "weights are loaded from safetensors only")
        if (is_path(model.source) or model.source == BUNDLED) and model.revision is not None:
            yield Finding(("models", name, "revision"), "only a hub model has a revision", "remove it")


def check_data(spec: SweepSpec) -> Iterator[Finding]:
    """Checks that each task's data has exactly one source, which has the task, and that a local root is a folder."""
    for task in sorted({task for tasks in used_tasks(spec) for task in tasks} - set(spec.data)):
        if TASKS[task].dataset is None:
            remedy = f"set data.{task} to a root or a dataset"
            yield Finding(("data", task), "is missing, and the task declares no data set", remedy, value=None)
    for task, source in spec.data.items():
        path: KeyPath = ("data", task)
        kinds = [kind for kind in SOURCES if getattr(source, kind)]
        if len(kinds) > 1:
            yield Finding(path, f"sets {' and '.join(kinds)}", "keep exactly one of bundled, root and dataset")
        elif not kinds:
            yield Finding(path, "names no source", "set one of bundled: true, root: PATH, dataset: NAME")
        elif source.dataset is None:
            for key in ("config", "revision"):
                if getattr(source, key) is not None:
                    yield Finding((*path, key), "only a hub data set has one", "remove it, or set dataset")
        if kinds == ["bundled"] and not TASKS[task].bundled:
            yield Finding((*path, "bundled"), "the bundled corpus has no rows of this task", "set root or dataset")
        if kinds == ["root"] and source.root is not None:
            if "://" in source.root:
                yield Finding((*path, "root"), "is a URI", _LOCAL_ROOT)
            elif not Path(source.root).is_dir():
                yield Finding((*path, "root"), f"there is no folder {source.root}", _LAYOUT)


def check_row_files(spec: SweepSpec) -> Iterator[Finding]:
    """Checks that a local root has the files of the languages that the sweep trains on and evaluates."""
    for task, source in spec.data.items():
        is_used = any(task in tasks for tasks in used_tasks(spec))
        if source.root is None or not Path(source.root).is_dir() or not is_used:
            continue
        for split, codes in (("train", _train_languages(spec)), ("test", spec.eval_languages)):
            known = [code for code in codes if code in LANGUAGES]
            missing = [code for code in known if source_file(Path(source.root), task, split, code) is None]
            if missing:
                names = ", ".join(f"{task}/{split}/{code}.jsonl" for code in missing)
                remedy = f"{_LAYOUT}; add the files or drop the languages"
                yield Finding(("data", task, "root"), f"lacks {names}", remedy)


def _train_languages(spec: SweepSpec) -> list[str]:
    """Returns the languages that some run trains on, English first."""
    names = spec.used("language_group")
    has_english = spec.english_samples > 0 or any(map(controlled_group, names))
    codes = [ENGLISH] if has_english else []
    if any(count > 0 for count in spec.used("samples_per_language")):
        codes += [code for name in names for code in spec.language_groups.get(name, ())]
    return list(dict.fromkeys(codes))
