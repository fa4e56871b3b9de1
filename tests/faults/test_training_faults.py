"""NaN, no memory, a full disk, damaged files: the run says why, and its next attempt equals an unbroken run."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from clt_ray.store import RunDir, Store
from clt_ray.sweep.run import RunSpec
from clt_ray.training.checkpoints import resume_tree
from tests.support.children import attempt, attempt_killed_in, attempt_with_nan, attempt_without_memory, in_child
from tests.support.processes import assert_equal_runs
from tests.support.trained import last_run

pytestmark = pytest.mark.slow

Unbroken = tuple[RunSpec, RunDir]


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Unbroken:
    folder = tmp_path_factory.mktemp("unbroken")
    run = last_run(folder)
    assert in_child(attempt, run, str(folder / "store")) == 0
    return run, Store(str(folder / "store")).run_dir(run.run_id)


@pytest.mark.parametrize("step", [1, 6])
def test_nan_in_a_step_ends_the_run_before_the_update(unbroken: Unbroken, tmp_path: Path, step: int) -> None:
    run, whole = unbroken
    directory = Store(str(tmp_path)).run_dir(run.run_id)
    assert in_child(attempt_with_nan, run, str(tmp_path), step) == 0
    status = directory.status()
    assert status is not None and status.error is not None and status.error.permanent
    assert f"training loss is nan at step {step}; the update was not made" in status.error.message
    assert all(int(tree[-6:]) < step for tree in directory.complete_trees("checkpoints/"))
    assert in_child(attempt, run, str(tmp_path)) == 0
    assert_equal_runs(directory, whole)


def test_a_run_without_memory_names_it_and_continues(unbroken: Unbroken, tmp_path: Path) -> None:
    run, whole = unbroken
    directory = Store(str(tmp_path)).run_dir(run.run_id)
    assert in_child(attempt_without_memory, run, str(tmp_path), 6) == 1
    status = directory.status()
    assert status is not None and status.error is not None and not status.error.permanent
    assert "allocate memory" in status.error.message
    assert in_child(attempt, run, str(tmp_path)) == 0
    assert_equal_runs(directory, whole)


def test_a_disk_that_is_full_in_the_middle_of_a_checkpoint(unbroken: Unbroken, tmp_path: Path) -> None:
    run, whole = unbroken
    probe = subprocess.run(["unshare", "--map-root-user", "--mount", "mount", "-t", "tmpfs", "none", "/mnt"])
    if probe.returncode != 0:
        pytest.skip("this machine does not let a test mount a disk of its own")
    (tmp_path / "run.json").write_text(json.dumps(run.to_dict()))
    command = ["unshare", "--map-root-user", "--mount", sys.executable, "-m", "tests.support.full_disk"]
    done = subprocess.run([*command, str(tmp_path / "run.json"), str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert_equal_runs(Store(str(tmp_path / "store")).run_dir(run.run_id), whole)


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 0x80
    file.write_bytes(content)


def truncate(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


@pytest.fixture(scope="module")
def interrupted(unbroken: Unbroken, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The storage of the same run, killed in its seventh step of eight."""
    folder = tmp_path_factory.mktemp("interrupted")
    assert in_child(attempt_killed_in, unbroken[0], str(folder), 7) == -signal.SIGKILL
    assert latest_tree(folder, unbroken[0]).is_dir()
    return folder


def latest_tree(storage: Path, run: RunSpec) -> Path:
    directory = Store(str(storage)).run_dir(run.run_id)
    return directory.open_tree(resume_tree(6))


FILES = [
    "run.json", "status.json", "lease.json", "train.jsonl", "validation.jsonl",
    "checkpoints/weights-000006*/COMPLETE.json", "checkpoints/weights-000006*/model.safetensors",
    "checkpoints/resume-000006*/COMPLETE.json", "checkpoints/resume-000006*/optimizer.pt",
    "checkpoints/resume-000006*/rng_state.pth",
]  # fmt: skip


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("damage", [flip, truncate, Path.unlink], ids=["flipped", "truncated", "lost"])
def test_a_damaged_file_of_an_interrupted_run(
    unbroken: Unbroken, interrupted: Path, tmp_path: Path, file: str, damage: Callable[[Path], None]
) -> None:
    run, whole = unbroken
    shutil.copytree(interrupted, tmp_path / "store")
    directory = Store(str(tmp_path / "store")).run_dir(run.run_id)
    (path,) = Path(directory.uri).glob(file)
    damage(path)
    assert in_child(attempt, run, str(tmp_path / "store")) == 0
    assert_equal_runs(directory, whole)


@pytest.mark.parametrize("damage", [flip, truncate, Path.unlink], ids=["flipped", "truncated", "lost"])
def test_a_damaged_result_is_written_again(unbroken: Unbroken, tmp_path: Path, damage: Callable[[Path], None]) -> None:
    run, whole = unbroken
    directory = Store(str(tmp_path)).run_dir(run.run_id)
    shutil.copytree(whole.uri, directory.uri)
    damage(Path(directory.uri) / "result.json")
    assert in_child(attempt, run, str(tmp_path)) == 0
    assert_equal_runs(directory, whole)
