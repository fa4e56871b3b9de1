"""What `clean` lists, and that it deletes exactly that; what `status` says of the disk."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

import clt_ray
from clt_ray.cli import INCOMPLETE, main
from clt_ray.sweep.selection import Candidate, Selection
from clt_ray.training.checkpoints import resume_tree, weights_tree
from clt_ray.verbs.clean import WHOLE
from tests.support.commands import Holder
from tests.support.run_dirs import Training
from tests.support.store_cases import make_staging
from tests.support.sweeps import sweep, write

CHOSEN = 6


@pytest.fixture
def opened(tmp_path: Path) -> clt_ray.OpenSweep:
    """A sweep with two finished runs of a series and one that was interrupted, as their processes left them."""
    document = sweep(grid={"samples_per_language": [4, 8, 16]}, training={"eval_every": 10})
    opened = clt_ray.open_sweep(write(tmp_path / "sweep.yaml", document), storage=str(tmp_path / "store"))
    *finished, interrupted = opened.runs
    for run, value in zip(finished, (0.5, 0.25), strict=True):
        Training(opened.store, run).finish()
        directory = opened.store.run_dir(run.run_id)
        result = directory.result()
        assert result is not None
        selection = Selection("val/loss", "min", Candidate(CHOSEN, value), ())
        directory.write_result(replace(result, selection=selection))
        commit(opened, run.run_id, weights_tree(CHOSEN))
    Training(opened.store, interrupted).advance(5)
    for step in (3, 5):
        commit(opened, interrupted.run_id, weights_tree(step), resume_tree(step))
    return opened


def commit(opened: clt_ray.OpenSweep, run_id: str, *trees: str) -> None:
    for tree in trees:
        staging = make_staging(Path(opened.locations.storage) / "staging")
        opened.store.run_dir(run_id).commit_tree(staging, tree)


def listed(*sweeps: clt_ray.OpenSweep, orphans: bool = False) -> set[tuple[str, str]]:
    return {(entry.run_id, entry.tree) for entry in clt_ray.clean(*sweeps, orphans=orphans).trees}


def files(opened: clt_ray.OpenSweep) -> set[str]:
    return set(opened.store.sizes(""))


def test_leftovers_of_dead_processes_are_listed_and_nothing_else_is_deleted(opened: clt_ray.OpenSweep) -> None:
    assert listed(opened) == set()
    first, second, interrupted = (run.run_id for run in opened.runs)
    folder = Path(opened.store.run_dir(interrupted).uri)
    (folder / ".tmp-1234-status.json").write_text("{")
    (folder / weights_tree(7)).mkdir()
    (folder / weights_tree(7) / "model.safetensors").write_bytes(b"half")
    commit(opened, first, resume_tree(4), weights_tree(4))
    expected = {
        (interrupted, ".tmp-1234-status.json"), (interrupted, weights_tree(7)),
        (first, resume_tree(4)), (first, weights_tree(4)),
    }  # fmt: skip
    assert listed(opened) == expected
    before = files(opened)
    with Holder(Path(opened.locations.storage), interrupted):
        assert {run_id for run_id, _ in listed(opened)} == {first}
    result = clt_ray.clean(opened, apply=True)
    assert {(entry.run_id, entry.tree) for entry in result.trees} == expected
    gone = {path for path in before - files(opened) if "lease" not in path}
    assert all(any(path.startswith(f"runs/{run_id}/{name}") for run_id, name in expected) for path in gone)
    assert result.size_bytes == 1 + 4 + 2 * sum(opened.store.sizes(f"runs/{second}/checkpoints").values())
    assert listed(opened) == set()


def test_a_sweep_may_keep_the_weights_of_its_best_runs_only(opened: clt_ray.OpenSweep) -> None:
    first, second, _ = opened.runs
    chosen = [(run.run_id, weights_tree(CHOSEN)) for run in (first, second)]

    def reopened(keep: str) -> clt_ray.OpenSweep:
        override = f"keep_weights={keep}"
        return clt_ray.open_sweep(opened.file, overrides=[override], storage=opened.locations.storage)

    assert listed(reopened("none")) == set(chosen)
    assert listed(reopened("best_of_series")) == {chosen[0]}
    # A sweep that keeps them all protects them.
    assert listed(reopened("none"), opened) == set()
    clt_ray.clean(reopened("none"), apply=True)
    assert opened.store.states([first.run_id])[first.run_id].kind == "finished"
    assert opened.store.run_dir(first.run_id).exists("scores.csv")


def test_orphans_are_listed_on_request(opened: clt_ray.OpenSweep, tmp_path: Path) -> None:
    kept, *others = (run.run_id for run in opened.runs)
    path = write(tmp_path / "smaller.yaml", sweep(grid={"samples_per_language": [4]}, training={"eval_every": 10}))
    smaller = clt_ray.open_sweep(path, storage=opened.locations.storage)
    scratch = Path(opened.locations.storage, "ray", "tune-1")
    scratch.mkdir(parents=True)
    (scratch / "state.json").write_text("{}")
    assert listed(smaller) == listed(smaller, opened, orphans=False) == set()
    assert listed(smaller, opened, orphans=True) == {("", "ray")}
    assert listed(smaller, orphans=True) == {("", "ray"), *((run_id, WHOLE) for run_id in others)}
    with Holder(Path(opened.locations.storage), others[1]):
        assert listed(smaller, orphans=True) == {(others[0], WHOLE)}
    before = files(opened)
    clt_ray.clean(smaller, orphans=True, apply=True)
    assert {path for path in before if path.startswith(f"runs/{kept}/")} <= files(opened)
    left = {path for path in files(opened) if not path.startswith(f"runs/{kept}/")}
    assert not {path for path in left if path.startswith(("runs/", "ray/"))}


def test_status_says_what_the_sweep_takes_on_disk(
    opened: clt_ray.OpenSweep, capsys: pytest.CaptureFixture[str]
) -> None:
    sizes = opened.store.sizes()
    arguments = ["status", opened.file, "--storage", opened.locations.storage]
    assert main([*arguments, "--json"]) == INCOMPLETE
    disk = json.loads(capsys.readouterr().out)["disk"]
    tree = sum(count for path, count in sizes.items() if "/weights-000003/" in path)
    assert (disk["weights_bytes"], disk["resume_bytes"]) == (4 * tree, 2 * tree)
    assert sum(disk.values()) == sum(sizes.values())
    main(arguments)
    assert "in the storage (" in capsys.readouterr().out
