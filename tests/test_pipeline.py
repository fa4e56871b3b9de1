"""One run from its specification to its scores, without Ray."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import torch
from torch.multiprocessing.spawn import spawn

from clt_ray.errors import TornTreeError
from clt_ray.pipeline import execute
from clt_ray.store import Owner, Store
from clt_ray.sweep.grid import expand
from clt_ray.sweep.load import load_sweep
from clt_ray.sweep.run import RunSpec
from tests.support.sweeps import sweep, write

REAL = Path(__file__).parents[2] / "shared" / "data"


def test_a_torn_chosen_checkpoint_is_trained_again(tmp_path: Path) -> None:
    run = expand(load_sweep(write(tmp_path / "sweep.yaml", sweep())))[-1]
    store = Store(str(tmp_path / "store"))
    assert execute(run, store) == "finished"
    directory = store.run_dir(run.run_id)
    scores = directory.read_text("scores.csv")
    result = directory.result()

    directory.write_text("result.json", '{"half":')
    weights = next(Path(directory.uri).glob("checkpoints/weights-*/model.safetensors"))
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(TornTreeError, match="sha256"):
        execute(run, store)
    status = directory.status()
    assert status is not None and status.error is not None and status.error.permanent is False

    assert execute(run, store) == "finished"
    assert directory.read_text("scores.csv") == scores
    status = directory.status()
    assert status is not None and status.state == "finished"
    again = directory.result()
    assert result is not None and again is not None
    assert again.selection == result.selection
    assert again.peak_memory is not None and again.peak_memory.host_bytes > 50_000_000
    assert again.peak_memory.device_bytes is None


def _execute_as(rank: int, run: RunSpec, folder: Path) -> None:
    os.environ.update(RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE="2", LOCAL_WORLD_SIZE="2")
    torch.distributed.init_process_group("gloo", f"file://{folder}/rendezvous", rank=rank, world_size=2)
    assert execute(run, Store(str(folder / "store")), rank=rank) == "finished"
    torch.distributed.destroy_process_group()


def test_two_processes_execute_one_run_and_the_first_records_it(tmp_path: Path) -> None:
    run = expand(load_sweep(write(tmp_path / "sweep.yaml", sweep())))[-1]
    spawn(_execute_as, (run, tmp_path), nprocs=2)
    directory = Store(str(tmp_path / "store")).run_dir(run.run_id)
    status, result = directory.status(), directory.result()
    assert status is not None and result is not None
    assert (status.state, status.attempt, status.step) == ("finished", 1, run.steps)
    assert directory.complete_trees("checkpoints/") == [f"checkpoints/weights-{result.selection.chosen.step:06d}"]
    scores = pd.read_csv(Path(directory.uri) / "scores.csv")
    assert set(scores.eval_language) == set(run.eval_languages)
    directory.acquire_lease(replace(Owner.current(), host="elsewhere")).release()


@pytest.mark.skipif(not REAL.is_dir(), reason="real rows are not beside this checkout")
def test_math_trains_and_is_scored_on_real_rows(tmp_path: Path) -> None:
    """Natural solutions and MGSM, by the names their data sets give to columns; German and Russian stay unseen."""
    document = sweep(
        data={"math": {"root": str(REAL)}},
        eval_languages=["en", "es", "ja", "de", "ru"],
        training={"epochs": 1, "max_length": 512},
        evaluation={"samples_per_language": 4, "max_new_tokens": 8},
        validation={"samples_per_language": 4},
    )
    run = expand(load_sweep(write(tmp_path / "sweep.yaml", document)))[-1]
    store = Store(str(tmp_path / "store"))
    assert execute(run, store) == "finished"
    directory = store.run_dir(run.run_id)
    scores = pd.read_csv(Path(directory.uri) / "scores.csv")
    accuracy = scores[scores.metric == "accuracy"].set_index("eval_language")
    assert accuracy.n_items.to_dict() == dict.fromkeys(["en", "es", "ja", "de", "ru"], 4)
    generated = (Path(directory.uri) / "generations" / "math.ja.jsonl").read_text().splitlines()
    references = [json.loads(line)["reference"] for line in generated]
    real = [json.loads(line)["answer"] for line in (REAL / "math" / "test" / "ja.jsonl").read_text().splitlines()]
    assert set(references) <= set(map(str, real))
