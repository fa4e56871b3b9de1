"""Two real processes of one run that do not read the same: both end at once, and say which host reads what."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch.multiprocessing.spawn import spawn

from clt_ray.errors import DisagreementError
from clt_ray.pipeline import execute
from clt_ray.store import Store
from clt_ray.sweep.run import RunSpec
from clt_ray.training.agreement import Report, require_equal
from clt_ray.training.checkpoints import steps_of
from clt_ray.training.model import weights_digest
from tests.support.local_rows import math_root
from tests.support.tiny_models import save_tiny
from tests.support.trained import Interrupted, interrupt_at, last_run, train_run

HERE = socket.gethostname()
OWN = "/proc/self/cwd"
"""A path that means another folder in every process, as a path of a local disk does on every host."""


def attempt(rank: int, run: RunSpec, folder: Path, own_stores: bool) -> None:
    """Executes a run as one of two processes, each in a working directory of its own, and writes how it ended."""
    os.environ.update(RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE="2", LOCAL_WORLD_SIZE="2")
    os.chdir(folder / f"host-{rank}")
    torch.distributed.init_process_group("gloo", f"file://{folder}/rendezvous", rank=rank, world_size=2)
    store = Store(str((folder / f"host-{rank}" if own_stores else folder) / "store"))
    try:
        outcome = execute(run, store, rank=rank)
    except Exception as error:
        outcome = f"{type(error).__name__}: {error}"  # type: ignore[assignment]
    (folder / f"outcome-{rank}").write_text(outcome)


def outcomes(run: RunSpec, folder: Path, *, own_stores: bool = False) -> list[str]:
    (folder / "rendezvous").unlink(missing_ok=True)
    spawn(attempt, (run, folder, own_stores), nprocs=2)
    return [(folder / f"outcome-{rank}").read_text() for rank in (0, 1)]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunSpec:
    """A run whose rows and weights are on the local disks of two hosts, equal on both."""
    math_root(tmp_path / "host-0" / "rows")
    save_tiny("llama", tmp_path / "host-0" / "model")
    shutil.copytree(tmp_path / "host-0", tmp_path / "host-1")
    monkeypatch.chdir(tmp_path / "host-0")
    return last_run(
        tmp_path,
        models={"own": {"source": f"{OWN}/model"}},
        grid={"model": ["own"]},
        data={"math": {"root": f"{OWN}/rows"}},
        training={"max_steps": 4, "batch_size": 4},
        evaluation={"samples_per_language": 2, "max_new_tokens": 2},
        validation={"samples_per_language": 2},
    )


def edit_row(host: Path) -> None:
    file = host / "rows" / "math" / "train" / "es.jsonl"
    file.write_text(file.read_text().replace("es: 7 + 1?", "es: 7 + 2?"))


def edit_weights(host: Path) -> None:
    file = host / "model" / "model.safetensors"
    weights = load_file(file)
    weights["model.norm.weight"] += 1
    save_file(weights, file, metadata={"format": "pt"})


def lose_rows(host: Path) -> None:
    (host / "rows" / "math" / "train" / "ja.jsonl").unlink()


@pytest.mark.parametrize(
    ("edit", "first", "second"),
    [
        (edit_row, "training rows: process 0 on HERE: ", "training rows: process 0 on HERE: "),
        (edit_weights, "weights of the base model: process 0 on HERE: ", "weights of the base model: process 0"),
        (lose_rows, "a process of the run has failed:\n    process 1 on HERE: DataError: ", "DataError: "),
    ],
    ids=["a row", "weights", "no rows"],
)
def test_hosts_that_read_different_files_end_before_the_first_step(
    run: RunSpec, tmp_path: Path, edit: Callable[[Path], None], first: str, second: str
) -> None:
    edit(tmp_path / "host-1")
    of_process = outcomes(run, tmp_path)
    assert first.replace("HERE", HERE) in of_process[0] and second.replace("HERE", HERE) in of_process[1]
    assert of_process[0].startswith("DisagreementError: ")
    directory = Store(str(tmp_path / "store")).run_dir(run.run_id)
    status = directory.status()
    assert status is not None and status.error is not None and status.step == 0
    # Another attempt may find the host mended, so the run has not failed for good.
    assert status.error.type == "DisagreementError" and not status.error.permanent
    assert directory.metrics("train") == []


def test_a_host_that_does_not_see_the_checkpoint_does_not_begin_anew(run: RunSpec, tmp_path: Path) -> None:
    directory = Store(str(tmp_path / "host-0" / "store")).run_dir(run.run_id)
    directory.write_run(run)
    with pytest.raises(Interrupted):
        train_run(run, directory, tmp_path / "staging", interrupt_at(4))
    (step,) = steps_of(directory, "resume")
    of_process = outcomes(run, tmp_path, own_stores=True)
    assert all(outcome.startswith("DisagreementError") for outcome in of_process)
    assert f"process 0 on {HERE}: step {step}" in of_process[0] and f"process 1 on {HERE}: none" in of_process[1]


def test_a_message_names_the_few_and_counts_the_many() -> None:
    reports = [Report(f"host-{rank}", {"rows": "a" if rank != 7 else "b", "step": "4"}) for rank in range(64)]
    with pytest.raises(DisagreementError) as error:
        require_equal(reports)
    named = "process 0 on host-0, process 1 on host-1, process 2 on host-2, process 3 on host-3 and 59 more: a"
    assert str(error.value).splitlines()[1:] == [f"    rows: process 7 on host-7: b; {named}"]


def test_the_digest_of_weights_covers_every_file_and_its_header(tmp_path: Path) -> None:
    folder = save_tiny("llama", tmp_path / "model")
    digest = weights_digest(str(folder), None)
    assert weights_digest(str(shutil.copytree(folder, tmp_path / "copy")), None) == digest
    edit_weights(tmp_path)
    assert weights_digest(str(folder), None) != digest
