"""Verbs that handle the files of runs: export and clean."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from clt_ray.api.locations import Locations
from clt_ray.errors import ConfigurationError, Problem
from clt_ray.store import Store
from clt_ray.store.documents import MarkerDocument
from clt_ray.sweep.grid import expand
from clt_ray.sweep.load import load_sweep
from clt_ray.training.checkpoints import resume_tree, steps_of, weights_tree


def export(run_id: str, folder: str, locations: Locations) -> Path:
    """Copy the chosen checkpoint of a run as a Hugging Face directory of safetensors.

    Args:
        run_id: A run's id, or enough of its beginning to be unique.
        folder: Where to put it; must not exist, or be empty.
        locations: The store that has the run.

    Raises:
        ConfigurationError: Unknown or unfinished run, or a folder with something in it.
        TornTreeError: The stored files do not match their recorded hashes.
    """
    store = Store(locations.storage)
    matches = [candidate for candidate in store.run_ids() if candidate.startswith(run_id)]
    if len(matches) != 1:
        message = "no run has this id" if not matches else f"{len(matches)} runs have ids that begin so"
        raise ConfigurationError(
            [Problem("export", "RUN_ID", run_id, f"{message} in {locations.storage}", "see: clt-ray best SWEEP")]
        )
    directory = store.run_dir(matches[0])
    result = directory.result()
    if result is None:
        raise ConfigurationError(
            [Problem("export", "RUN_ID", matches[0], "the run is not finished", "see: clt-ray status SWEEP")]
        )
    target = Path(folder)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ConfigurationError([Problem("export", "DIR", folder, "is not empty", "name a new folder")])
    source = directory.open_tree(weights_tree(result.selection.chosen.step))
    shutil.copytree(source, target, dirs_exist_ok=True, ignore=shutil.ignore_patterns(MarkerDocument.FILE))
    return target


@dataclass(frozen=True)
class Deletable:
    """Something that no promise needs any more."""

    run_id: str
    tree: str
    """Name of the tree inside the run directory."""
    size_bytes: int
    why: str


def clean(path: str, locations: Locations, *, apply: bool = False, overrides: Sequence[str] = ()) -> list[Deletable]:
    """What of a sweep could be deleted; deletes exactly what it returns, and only with `apply`.

    Finished runs keep their chosen weights, generations and scores. Runs that are not finished keep
    everything, since they resume from it.
    """
    store = Store(locations.storage)
    found = []
    for run in expand(load_sweep(path, overrides)):
        directory = store.run_dir(run.run_id)
        result = directory.result()
        if result is None:
            continue
        chosen = result.selection.chosen.step
        spare = {resume_tree(step): "resume state of a finished run" for step in steps_of(directory, "resume")}
        spare |= {
            weights_tree(step): "weights that were not chosen"
            for step in steps_of(directory, "weights")
            if step != chosen
        }
        found += [Deletable(run.run_id, tree, directory.size(tree), why) for tree, why in spare.items()]
    if apply:
        for item in found:
            store.run_dir(item.run_id).delete_tree(item.tree)
    return found
