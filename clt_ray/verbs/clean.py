"""`clt-ray clean`: what of a sweep's runs no promise needs any more; deletes it only when asked to."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Annotated, Any

from clt_ray.opened import OpenSweep, open_sweep
from clt_ray.store import RunDir
from clt_ray.training.checkpoints import resume_tree, steps_of, weights_tree
from clt_ray.verbs.options import Json, Overrides, Storage, SweepFile, flag, next_command
from clt_ray.verbs.terminal import console, print_result, size, table

Apply = Annotated[bool, flag("--apply", "Delete what is listed.")]


@dataclass(frozen=True)
class Deletable:
    """A tree of files that no promise needs any more."""

    run_id: str
    tree: str
    """Name of the tree inside the run directory."""
    size_bytes: int
    why: str


@dataclass(frozen=True)
class CleanUp:
    """What could be deleted, or was."""

    trees: tuple[Deletable, ...]
    """Run by run, in the order of the grid."""
    applied: bool

    @property
    def size_bytes(self) -> int:
        return sum(tree.size_bytes for tree in self.trees)

    def to_json(self) -> list[dict[str, Any]]:
        return [asdict(tree) for tree in self.trees]


def clean(sweep: OpenSweep, *, apply: bool = False) -> CleanUp:
    """Lists what of a sweep could be deleted; deletes exactly that when `apply` is set.

    Finished runs keep their chosen weights, generations and scores. Runs that are not finished keep everything,
    since they resume from it.

    Raises:
        DataError: A local data root or model directory cannot be read.
    """
    trees = [tree for run in sweep.runs for tree in _deletable(run.run_id, sweep.store.run_dir(run.run_id))]
    if apply:
        for tree in trees:
            sweep.store.run_dir(tree.run_id).delete_tree(tree.tree)
    return CleanUp(tuple(trees), apply)


def _deletable(run_id: str, directory: RunDir) -> Iterator[Deletable]:
    result = directory.result()
    if result is None:
        return
    chosen = result.selection.chosen.step
    spare = {resume_tree(step): "resume state of a finished run" for step in steps_of(directory, "resume")}
    unchosen = [step for step in steps_of(directory, "weights") if step != chosen]
    spare |= {weights_tree(step): "weights that were not chosen" for step in unchosen}
    for name, why in spare.items():
        yield Deletable(run_id, name, directory.size(name), why)


def command(
    sweep: SweepFile, storage: Storage = None, overrides: Overrides = None, apply: Apply = False, as_json: Json = False
) -> int:
    opened = open_sweep(sweep, overrides=overrides or (), storage=storage)
    result = clean(opened, apply=apply)
    print_result(result, as_json, _print, opened)
    return 0


def _print(result: CleanUp, sweep: OpenSweep) -> None:
    output = console()
    if not result.trees:
        output.print("nothing to delete", highlight=False)
        return
    grid = table("run", "what", ">size", "why")
    for tree in result.trees:
        grid.add_row(tree.run_id, tree.tree, size(tree.size_bytes), tree.why)
    output.print(grid)
    total = f"{len(result.trees)} trees, {size(result.size_bytes)}"
    line = f"deleted {total}" if result.applied else f"\n{total}\nnext: {next_command(sweep, 'clean', '--apply')}"
    output.print(line, highlight=False, markup=False, soft_wrap=True)
