"""`clt-ray clean`: what of the runs of sweeps no promise needs any more; deletes it only when asked to."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import Annotated, Any

from clt_ray.opened import OpenSweep, open_sweeps
from clt_ray.store import LeaseHeld, ResultDocument, Store
from clt_ray.store.files import TEMPORARY
from clt_ray.store.store import SCRATCH
from clt_ray.sweep.plan import RunStatus
from clt_ray.training.checkpoints import ROOT, TREE, weights_tree
from clt_ray.verbs.options import Json, Overrides, Storage, argument, flag, next_command
from clt_ray.verbs.terminal import console, print_result, size, table

SweepFiles = Annotated[list[str], argument("SWEEP", "Sweep files with the same storage.")]
ORPHANS_HELP = "Also list runs that none of the sweep files names, and what Ray left in the storage."

WHOLE = "*"
"""Name that stands for all of a run directory."""


@dataclass(frozen=True)
class Deletable:
    """Files that no promise needs any more."""

    run_id: str
    """The run; empty for files of Ray."""
    tree: str
    """Name of a tree or a file inside the run directory, or `*` for all of it; for files of Ray, the folder."""
    size_bytes: int
    why: str


@dataclass(frozen=True)
class CleanUp:
    """What could be deleted, or was."""

    trees: tuple[Deletable, ...]
    """Run by run, in the order of the grids."""
    applied: bool

    @property
    def size_bytes(self) -> int:
        return sum(tree.size_bytes for tree in self.trees)

    def to_json(self) -> list[dict[str, Any]]:
        return [asdict(tree) for tree in self.trees]


def clean(*sweeps: OpenSweep, orphans: bool = False, apply: bool = False) -> CleanUp:
    """Lists what of some sweeps could be deleted; deletes exactly that when `apply` is set.

    Finished runs keep their generations and scores, and their chosen weights as far as `keep_weights` of their sweeps
    says so. Runs that are not finished keep what they resume from. Runs that a process executes keep everything.

    Args:
        sweeps: Sweeps with the same storage.
        orphans: List also run directories that none of the sweeps names, and Ray's scratch files.
        apply: Delete what is listed; what a process has begun to execute since then stays.
    """
    store = sweeps[0].store
    files = _files_by_run(store)
    named = list(dict.fromkeys(run.run_id for sweep in sweeps for run in sweep.runs))
    states = store.states(list(files))
    kept = set().union(*(_kept_weights(sweep) for sweep in sweeps))
    listed: list[Deletable] = []
    for run_id in named:
        if run_id in files and states[run_id].kind != "running":
            listed += _deletable(store, run_id, files[run_id], run_id in kept)
    if orphans:
        listed += _orphans(store, {run_id: files[run_id] for run_id in files if run_id not in named}, states)
    return CleanUp(tuple(_delete(store, listed) if apply else listed), apply)


def _files_by_run(store: Store) -> dict[str, dict[str, int]]:
    """Returns the size of every file of each run, by its path inside the run directory."""
    files: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for path, count in store.sizes().items():
        _, run_id, *inside = path.split("/", 2)
        if inside:
            files[run_id][inside[0]] = count
    return files


def _kept_weights(sweep: OpenSweep) -> set[str]:
    """Returns the runs of a sweep whose chosen weights the sweep keeps."""
    keep = sweep.spec.keep_weights
    if keep == "every_run":
        return {run.run_id for run in sweep.runs}
    best: dict[str, tuple[float, str]] = {}
    for run in sweep.runs if keep == "best_of_series" else ():
        result = sweep.store.run_dir(run.run_id).result()
        if result is not None:
            value = result.selection.chosen.value * (1 if run.selection.mode == "min" else -1)
            best[run.series] = min(best.get(run.series, (value, run.run_id)), (value, run.run_id))
    return {run_id for _, run_id in best.values()}


def _deletable(store: Store, run_id: str, files: Mapping[str, int], keeps_weights: bool) -> Iterator[Deletable]:
    directory = store.run_dir(run_id)
    spare = {path: "a process died while writing it" for path in files if f"/{TEMPORARY}" in f"/{path}"}
    complete = set(directory.complete_trees(ROOT))
    trees = {match[0] for match in map(TREE.match, files) if match}
    spare |= {tree: "it was never completed" for tree in sorted(trees - complete)}
    result = directory.result() if ResultDocument.FILE in files else None
    if result is not None:
        chosen = weights_tree(result.selection.chosen.step)
        why = {"resume": "resume state of a finished run", "weights": "weights that were not chosen"}
        for tree in sorted(complete - {chosen}):
            spare[tree] = why["resume" if tree.startswith(f"{ROOT}resume") else "weights"]
        if chosen in complete and not keeps_weights:
            spare[chosen] = "its sweep does not keep these weights (keep_weights)"
    for name, reason in spare.items():
        tree_files = [count for path, count in files.items() if path == name or (TREE.match(path) or [""])[0] == name]
        yield Deletable(run_id, name, sum(tree_files), reason)


def _orphans(
    store: Store, files: Mapping[str, Mapping[str, int]], states: Mapping[str, RunStatus]
) -> Iterator[Deletable]:
    for run_id in sorted(files):
        if states[run_id].kind != "running":
            yield Deletable(run_id, WHOLE, sum(files[run_id].values()), "no given sweep file names this run")
    scratch = store.sizes(SCRATCH)
    if scratch and not any(state.kind == "running" for state in states.values()):
        yield Deletable("", SCRATCH, sum(scratch.values()), "left by Ray, and no run is being executed")


def _delete(store: Store, listed: Sequence[Deletable]) -> Iterator[Deletable]:
    """Deletes what is listed, and returns what was deleted: not what a process has begun to execute since then."""
    for run_id, group in groupby(listed, key=lambda entry: entry.run_id):
        entries = list(group)
        with suppress(LeaseHeld):
            if not run_id:
                store.delete_scratch()
            elif entries[0].tree == WHOLE:
                store.delete_run(run_id)
            else:
                directory = store.run_dir(run_id)
                with directory.acquire_lease():
                    for name in (entry.tree for entry in entries):
                        (directory.delete_tree if TREE.fullmatch(name) else directory.delete_file)(name)
            yield from entries


def command(
    sweeps: SweepFiles,
    storage: Storage = None,
    overrides: Overrides = None,
    orphans: Annotated[bool, flag("--orphans", ORPHANS_HELP)] = False,
    apply: Annotated[bool, flag("--apply", "Delete what is listed.")] = False,
    as_json: Json = False,
) -> int:
    opened = open_sweeps(sweeps, overrides=overrides or (), storage=storage)
    result = clean(*opened, orphans=orphans, apply=apply)
    again = [*(sweep.file for sweep in opened[1:]), *(["--orphans"] if orphans else []), "--apply"]
    print_result(result, as_json, _print, next_command(opened[0], "clean", *again))
    return 0


def _print(result: CleanUp, apply_command: str) -> None:
    output = console()
    if not result.trees:
        output.print("nothing to delete", highlight=False)
        return
    grid = table("run", "what", ">size", "why")
    for tree in result.trees:
        grid.add_row(tree.run_id, tree.tree, size(tree.size_bytes), tree.why)
    output.print(grid)
    total = f"{len(result.trees)} entries, {size(result.size_bytes)}"
    line = f"deleted {total}" if result.applied else f"\n{total}\nnext: {apply_command}"
    output.print(line, highlight=False, markup=False, soft_wrap=True)
