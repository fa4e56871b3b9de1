"""A run trained on a simulated slice: records, checkpoints, resuming, graphs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from clt_ray.data.formatting import IGNORED
from clt_ray.errors import ConfigurationError, RunError, RunStopped
from clt_ray.store import RunDir, Store
from clt_ray.tasks import TaskLanguage
from clt_ray.training.backends.xla.graphs import compiled
from clt_ray.training.checkpoints import resume_tree, weights_tree
from tests.support.slice_runs import make_run
from tests.support.store_cases import ManualClock
from tests.support.trained import Interrupted, Requests, SlowJournal, interrupt_at, quiet, recorded, train_run

STABLE = {"learning_rate": 1e-5}
"""At the tests' usual rate the tiny model amplifies rounding within a few steps; at this one it does not."""


def fresh(folder: Path, run: Any) -> RunDir:
    return Store(str(folder / "store")).run_dir(run.run_id)


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, RunDir, Any]:
    folder = tmp_path_factory.mktemp("unbroken")
    run = make_run(folder, "4x1", training=STABLE)
    directory = fresh(folder, run)
    selection = train_run(run, directory, folder / "staging", quiet)
    return run, directory, selection


def test_every_planned_validation_is_recorded(unbroken: Any) -> None:
    run, directory, selection = unbroken
    points = recorded(directory, "validation")
    assert [step for step, _ in points] == [2, 4, 6, 8]
    assert all(
        {f"val/math/{language}/loss" for language in run.eval_languages} <= set(metrics) for _, metrics in points
    )
    assert selection.chosen.value == min(metrics["val/loss"] for _, metrics in points)
    assert points[-1][1]["val/loss"] < points[0][1]["val/loss"]


def test_a_run_interrupted_and_resumed_equals_an_unbroken_one(unbroken: Any, tmp_path: Path) -> None:
    run, whole, selection = unbroken
    directory = fresh(tmp_path, run)
    with pytest.raises(Interrupted):
        train_run(run, directory, tmp_path / "a", interrupt_at(6))
    before = compiled()
    resumed = train_run(run, directory, tmp_path / "b", quiet)
    assert resumed == selection
    assert compiled() - before <= 2
    for log in ("train", "validation"):
        assert recorded(directory, log) == recorded(whole, log)
    chosen = weights_tree(selection.chosen.step)
    expected = load_file(whole.open_tree(chosen) / "model.safetensors")
    actual = load_file(directory.open_tree(chosen) / "model.safetensors")
    assert expected.keys() == actual.keys()
    assert all(torch.equal(expected[name], actual[name]) for name in expected)


def test_a_run_asked_to_stop_ends_where_the_host_reads_anyway_and_continues(tmp_path: Path) -> None:
    run = make_run(tmp_path, "4x1", training=STABLE | {"eval_every": 12})
    whole, directory = fresh(tmp_path / "whole", run), fresh(tmp_path, run)
    selection = train_run(run, whole, tmp_path / "a", quiet)
    with pytest.raises(RunStopped, match="after step 6"):
        train_run(run, directory, tmp_path / "b", quiet, supervisor=Requests(set(range(2, 8))))
    assert directory.complete_trees("checkpoints/") == [resume_tree(6), weights_tree(6)]
    assert train_run(run, directory, tmp_path / "c", quiet) == selection
    for log in ("train", "validation"):
        assert recorded(directory, log) == recorded(whole, log)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_checkpoint_is_restored_on_another_mesh(tmp_path: Path, precision: str) -> None:
    training = STABLE | {"precision": precision}
    run = make_run(tmp_path / "4x1", "4x1", training=training)
    other = make_run(tmp_path / "2x2", "2x2", training=training)
    assert run.run_id == other.run_id
    reference = fresh(tmp_path / "reference", run)
    train_run(run, reference, tmp_path / "r", quiet)
    directory = fresh(tmp_path, run)
    with pytest.raises(Interrupted):
        train_run(run, directory, tmp_path / "a", interrupt_at(6))
    train_run(other, directory, tmp_path / "b", quiet)
    tolerance = 1e-5 if precision == "fp32" else 5e-3
    for log in ("train", "validation"):
        for (_, point), (_, expected) in zip(recorded(directory, log), recorded(reference, log), strict=True):
            losses = [name for name in expected if name.endswith("loss")]
            assert [point[name] for name in losses] == pytest.approx([expected[name] for name in losses], rel=tolerance)


def test_exported_weights_give_the_losses_that_the_slice_recorded(unbroken: Any) -> None:
    from clt_ray.data.formatting import encode
    from clt_ray.data.mixture import build_run_data
    from clt_ray.training.batches import collate
    from clt_ray.training.model import load_tokenizer

    run, directory, selection = unbroken
    path = directory.open_tree(weights_tree(selection.chosen.step))
    assert not [file for file in path.iterdir() if file.suffix in (".bin", ".pt", ".pkl")]
    model, tokenizer = AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32), load_tokenizer(run.model)
    rows = [
        encode(row, tokenizer, run.training.max_length)
        for row in build_run_data(run).validation[TaskLanguage("math", "ja")]
    ]
    batch = collate(rows, tokenizer.pad_token_id)
    with torch.no_grad():
        logits = model(batch["input_ids"], attention_mask=batch["attention_mask"]).logits[:, :-1]
    loss = torch.nn.functional.cross_entropy(
        logits.flatten(0, 1), batch["labels"][:, 1:].flatten(), ignore_index=IGNORED
    )
    last = dict(recorded(directory, "validation"))[selection.chosen.step]
    assert loss.item() == pytest.approx(last["val/math/ja/loss"], rel=1e-5)


def test_a_non_finite_loss_stops_the_run_and_is_not_in_any_checkpoint(tmp_path: Path) -> None:
    run = make_run(tmp_path, "4x1", training={"learning_rate": 1e12, "max_grad_norm": None, "eval_every": 4})
    directory = fresh(tmp_path, run)
    with pytest.raises(RunError, match=r"(loss|norm) is (nan|inf) at step [234];.*learning_rate"):
        train_run(run, directory, tmp_path / "staging", quiet)
    assert directory.complete_trees("checkpoints/") == []


def test_a_slice_of_another_size_is_refused_before_anything_is_loaded(tmp_path: Path) -> None:
    run = make_run(tmp_path, "8x1")
    with pytest.raises(ConfigurationError, match="8 chips, and torch_xla finds 4"):
        train_run(run, fresh(tmp_path, run), tmp_path / "staging", quiet)


def test_validations_do_not_count_as_time_of_the_steps(tmp_path: Path) -> None:
    run = make_run(tmp_path, "4x1", training=STABLE)
    directory, clock = fresh(tmp_path, run), ManualClock()

    def progress(**_: Any) -> None:
        clock.now += 3

    train_run(run, SlowJournal(directory, clock, 1_000.0, 0.0), tmp_path / "staging", progress, clock)
    assert [point.metrics["perf/step_seconds"] for point in directory.metrics("train")] == [0.0, 1.5, 1.5, 1.5]
