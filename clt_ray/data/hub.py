"""Finds the files of a split of a data set on the Hugging Face hub.

A sweep file names the training set of a task (`data: {math: {dataset: laihuiyuan/mCoT-MATH}}`). The declarations of
the tasks (`Task.hub_layouts`) say where that set's own splits, the task's test set and its worked examples are. Every
entry gives files inside a repository, so that no loading script runs and a local copy with the same layout is read in
the same way (`clt_ray.data.hub_rows`). A data set that no task lists must have the task's own column names in splits
called train, validation and test, with one configuration per language or one that the sweep file names.

Revisions are branches, because pinning a commit that nobody has checked would be worse. `hub_rows` records the commit
that it read; write that commit into `revision` to pin it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from clt_ray.languages import LANGUAGES
from clt_ray.tasks import TASKS, HubFiles

__all__ = ["HubFiles", "files_for", "layouts"]


def layouts() -> dict[str, Mapping[str, tuple[HubFiles, ...]]]:
    """Returns training set -> split -> files for every data set that a task lists."""
    return {dataset: splits for task in TASKS.values() for dataset, splits in task.hub_layouts.items()}


def files_for(
    dataset: str, language: str, split: str, *, config: str | None = None, revision: str | None = None
) -> HubFiles | None:
    """Returns the files of a split of a data set; None when it has no such split in that language.

    Args:
        split: train, validation, test or exemplars.
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
