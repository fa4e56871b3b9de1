"""Training in files on disk: losses equal those of the model, and an interrupted run equals an uninterrupted one."""

from __future__ import annotations

from itertools import chain
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from clt_ray.data.formatting import encode
from clt_ray.data.mixture import build_run_data
from clt_ray.errors import RunError
from clt_ray.store import RunDir, Store
from clt_ray.sweep.run import RunSpec
from clt_ray.sweep.selection import Selection
from clt_ray.training.batches import RunBatches, collate
from clt_ray.training.checkpoints import best_until, latest_resume_point, weights_tree
from clt_ray.training.model import load_tokenizer, location
from clt_ray.training.validation import completion_nll
from tests.support.trained import Interrupted, interrupt_at, last_run, quiet, recorded, train_run

Trained = tuple[RunSpec, RunDir, Selection]
"""A run, its directory, and the choice of its checkpoint."""


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    folder = tmp_path_factory.mktemp("uninterrupted")
    run = last_run(folder)
    directory = Store(str(folder / "store")).run_dir(run.run_id)
    return run, directory, train_run(run, directory, folder / "staging", quiet)


def test_every_planned_validation_is_recorded_for_every_language(uninterrupted: Trained) -> None:
    run, directory, selection = uninterrupted
    points = recorded(directory, "validation")
    assert [step for step, _ in points] == [2, 4, 6, 8]
    for _, metrics in points:
        assert {f"val/math/{language}/loss" for language in run.eval_languages} <= set(metrics)
        trained = [metrics[f"val/math/{language}/loss"] for language in ("en", "es", "ja")]
        assert metrics["val/loss"] == pytest.approx(sum(trained) / 3)
    assert selection.chosen.value == min(metrics["val/loss"] for _, metrics in points)
    assert points[-1][1]["val/loss"] < points[0][1]["val/loss"]


def test_only_the_best_weights_stay_and_transformers_loads_them(uninterrupted: Trained) -> None:
    from transformers import AutoModelForCausalLM

    _, directory, selection = uninterrupted
    assert directory.complete_trees("checkpoints/") == [weights_tree(selection.chosen.step)]
    path = directory.open_tree(weights_tree(selection.chosen.step))
    assert not list(path.glob("*.bin")) and not list(path.glob("*.pt"))
    assert AutoModelForCausalLM.from_pretrained(path).config.model_type == "llama"


@pytest.mark.parametrize("step", [2, 4, 6, 8])
def test_an_interrupted_run_equals_an_uninterrupted_one(uninterrupted: Trained, tmp_path: Path, step: int) -> None:
    run, whole, selection = uninterrupted
    directory = Store(str(tmp_path / "store")).run_dir(run.run_id)
    with pytest.raises(Interrupted):
        train_run(run, directory, tmp_path / "a", interrupt_at(step))
    resumed = train_run(run, directory, tmp_path / "b", quiet)
    assert resumed == selection
    assert recorded(directory, "validation") == recorded(whole, "validation")
    assert recorded(directory, "train") == recorded(whole, "train")
    chosen = weights_tree(selection.chosen.step)
    expected = load_file(whole.open_tree(chosen) / "model.safetensors")
    actual = load_file(directory.open_tree(chosen) / "model.safetensors")
    assert expected.keys() == actual.keys()
    assert all(torch.equal(expected[name], actual[name]) for name in expected)


def test_a_damaged_checkpoint_is_not_resumed_from(uninterrupted: Trained, tmp_path: Path) -> None:
    run = uninterrupted[0]
    directory = Store(str(tmp_path / "store")).run_dir(run.run_id)
    with pytest.raises(Interrupted):
        train_run(run, directory, tmp_path / "a", interrupt_at(6))
    point = latest_resume_point(directory, lambda step: best_until(directory, step, run))
    assert point is not None and point.step == 4
    optimizer = point.state / "optimizer.pt"
    optimizer.write_bytes(optimizer.read_bytes()[:-1] + b"x")
    older = latest_resume_point(directory, lambda step: best_until(directory, step, run))
    assert older is not None and older.step == 2
    assert latest_resume_point(directory, lambda step: 1) is None


def test_a_finished_training_is_not_repeated(uninterrupted: Trained, tmp_path: Path) -> None:
    run, directory, selection = uninterrupted
    assert train_run(run, directory, tmp_path, interrupt_at(0)) == selection


def test_a_non_finite_loss_stops_the_run_before_the_update(tmp_path: Path) -> None:
    run = last_run(tmp_path, training={"learning_rate": 1e12, "max_grad_norm": None})
    directory = Store(str(tmp_path / "store")).run_dir(run.run_id)
    with pytest.raises(RunError, match=r"is (nan|inf).*learning_rate"):
        train_run(run, directory, tmp_path / "staging", quiet)


def test_the_loss_equals_that_of_the_model_on_labelled_tokens(tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM

    run = last_run(tmp_path)
    tokenizer = load_tokenizer(run.model)
    rows = [encode(row, tokenizer, 128) for row in build_run_data(run).train[:7]]
    batch = collate(rows, tokenizer.pad_token_id)
    model = AutoModelForCausalLM.from_pretrained(location(run.model), dtype=torch.float32)
    nll, owners = completion_nll(model, batch)
    assert nll.mean().item() == pytest.approx(model(**batch).loss.item(), rel=1e-5)
    assert owners.bincount().tolist() == [sum(label != -100 for label in row.labels) for row in rows]


LENGTHS = [7 * row % 50 + 1 for row in range(50)]


@pytest.mark.parametrize("world_size", [1, 2, 3])
def test_processes_share_every_row_of_every_batch_once(world_size: int) -> None:
    shards = [
        list(RunBatches(LENGTHS, 12, 7, 9, window=4, rank=rank, world_size=world_size)) for rank in range(world_size)
    ]
    whole = list(RunBatches(LENGTHS, 12, 7, 9, window=4))
    assert len(whole) == 9 and sorted(chain(*whole[:5])) == list(range(50))
    for step, batch in enumerate(whole):
        shared = chain(*(shard[step] for shard in shards))
        assert sorted(row for row in shared if row != 50) == sorted(batch)
