"""Gradient agreement: its cosines are correct, measuring does not change training, and each step is recorded once."""

from __future__ import annotations

import math
import os
import signal
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file
from torch.multiprocessing.spawn import ProcessExitedException, spawn
from transformers import TrainerState

from clt_ray.data.formatting import encode
from clt_ray.data.mixture import build_run_data
from clt_ray.store import RunDir, Store
from clt_ray.sweep.run import RunSpec
from clt_ray.tasks import TaskLanguage
from clt_ray.training.checkpoints import weights_tree
from clt_ray.training.gradient_agreement import (
    BUCKETS,
    SECONDS,
    GradientAgreement,
    Probe,
    agreement_metrics,
    cosine,
    cosine_metric,
    pair_gradient,
    pair_gradients,
    probes_of,
    sketch,
)
from clt_ray.training.model import load_tokenizer, location
from clt_ray.training.validation import completion_nll
from tests.support.trained import Interrupted, interrupt_at, last_run, quiet, recorded, train_run

Measured = tuple[RunSpec, RunDir]
"""A run that measured gradients, and its directory."""
PAIRS = [TaskLanguage(task, language) for task in ("summarization", "math") for language in ("en", "es", "ja")]


def mixed_run(folder: Path, every: int, **training: Any) -> RunSpec:
    grid = {"task": ["math+summarization"], "samples_per_language": [8]}
    return last_run(folder, grid=grid, training={"gradient_agreement_every": every, "epochs": 1, **training})


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Measured:
    folder = tmp_path_factory.mktemp("measured")
    run = mixed_run(folder, 3)
    directory = Store(str(folder / "store")).run_dir(run.run_id)
    train_run(run, directory, folder / "staging", quiet)
    return run, directory


def model_and_probes(run: RunSpec, rows_at_a_time: int = 8) -> tuple[Any, list[Probe]]:
    from transformers import AutoModelForCausalLM

    tokenizer = load_tokenizer(run.model)
    validation = {
        pair: [encode(row, tokenizer, 128) for row in rows] for pair, rows in build_run_data(run).validation.items()
    }
    model = AutoModelForCausalLM.from_pretrained(location(run.model), dtype=torch.float32)
    return model.eval(), probes_of(run, validation, tokenizer.pad_token_id, rows_at_a_time=rows_at_a_time)


def exact_gradient(model: Any, probe: Probe) -> torch.Tensor:
    """The gradient of the sum of a task-language pair's token losses, computed by PyTorch's backward pass."""
    model.zero_grad()
    for batch in [*probe.halves[0], *probe.halves[1]]:
        completion_nll(model, batch)[0].sum().backward()
    return torch.cat([parameter.grad.flatten() for parameter in model.parameters()]).double()


def test_cosines_and_norms_equal_those_of_the_exact_gradients(tmp_path: Path) -> None:
    model, probes = model_and_probes(mixed_run(tmp_path, 1))
    assert [probe.pair for probe in probes] == PAIRS
    sketched = {probe.pair: pair_gradient(model, probe) for probe in probes}
    metrics = agreement_metrics(sketched)
    exact = {probe.pair: exact_gradient(model, probe) for probe in probes}
    for index, first in enumerate(PAIRS):
        norm = metrics[f"interference/{'.'.join(first)}/norm"]
        assert norm == pytest.approx(exact[first].norm().item() / sketched[first].tokens, rel=0.05)
        for second in PAIRS[index + 1 :]:
            expected = cosine(exact[first].numpy(), exact[second].numpy())
            # Five standard deviations of a sketched cosine.
            assert metrics[cosine_metric(first, second)] == pytest.approx(expected, abs=5 * math.sqrt(2 / BUCKETS))
    assert all(0 < metrics[cosine_metric(pair, pair)] < 1 for pair in PAIRS)


def test_rows_processed_singly_give_the_same_gradient(tmp_path: Path) -> None:
    run = mixed_run(tmp_path, 1)
    model, probes = model_and_probes(run)
    _, single = model_and_probes(run, rows_at_a_time=1)
    assert len(single[0].halves[0]) == 3 and len(probes[0].halves[0]) == 1
    halves = pair_gradient(model, probes[0]).halves, pair_gradient(model, single[0]).halves
    for whole, parts in zip(*halves, strict=True):
        np.testing.assert_allclose(parts, whole, rtol=1e-3, atol=1e-3 * np.abs(whole).max())


def test_names_do_not_depend_on_the_order_of_languages(tmp_path: Path) -> None:
    run = mixed_run(tmp_path, 1)
    tokenizer = load_tokenizer(run.model)
    validation = {
        pair: [encode(row, tokenizer, 128) for row in rows] for pair, rows in build_run_data(run).validation.items()
    }
    backwards = dict(reversed(validation.items()))
    assert ("math", "ko") in validation
    assert [probe.pair for probe in probes_of(run, backwards, tokenizer.pad_token_id)] == PAIRS


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(1, 3000), min_size=1, max_size=4), st.floats(-1, 1), st.integers(0, 2**32 - 1))
def test_sketches_keep_inner_products_and_are_linear(sizes: list[int], target: float, seed: int) -> None:
    bits = torch.Generator().manual_seed(seed)
    first = [torch.randn(size, generator=bits) for size in sizes]
    second = [target * part + math.sqrt(1 - target**2) * torch.randn(part.shape, generator=bits) for part in first]
    expected = cosine(torch.cat(first).double().numpy(), torch.cat(second).double().numpy())
    assert cosine(sketch(first), sketch(second)) == pytest.approx(expected, abs=6 * math.sqrt(2 / BUCKETS))
    both = sketch([a - 2 * b for a, b in zip(first, second, strict=True)])
    np.testing.assert_allclose(both, sketch(first) - 2 * sketch(second), atol=1e-4)


def test_a_sketched_cosine_has_no_bias_and_the_stated_error() -> None:
    """Measured over many pairs of gradients of known cosine, most of whose norm lies in few parameters."""
    bits = torch.Generator().manual_seed(0)
    scale = torch.linspace(0, 8, 50_000).exp()
    errors = []
    for _ in range(60):
        first, noise = (torch.randn(50_000, generator=bits) * scale for _ in range(2))
        second = first + 2 * noise
        errors.append(cosine(sketch([first]), sketch([second])) - cosine(first.numpy(), second.numpy()))
    spread = np.std(errors)
    assert abs(np.mean(errors)) < 4 * spread / math.sqrt(len(errors))
    assert spread < math.sqrt(2 / BUCKETS)


def test_measuring_changes_no_weight_no_metric_and_no_identity(measured: Measured, tmp_path: Path) -> None:
    run, directory = measured
    silent = mixed_run(tmp_path, 0)
    assert silent.run_id == run.run_id
    assert silent.training.gradient_agreement_every == 0 != run.training.gradient_agreement_every
    other = Store(str(tmp_path / "store")).run_dir(silent.run_id)
    selection = train_run(silent, other, tmp_path / "staging", quiet)
    assert not other.exists("interference.jsonl")
    assert recorded(other, "train") == recorded(directory, "train")
    assert recorded(other, "validation") == recorded(directory, "validation")
    chosen = weights_tree(selection.chosen.step)
    expected = load_file(other.open_tree(chosen) / "model.safetensors")
    actual = load_file(directory.open_tree(chosen) / "model.safetensors")
    assert expected.keys() == actual.keys()
    assert all(torch.equal(expected[name], actual[name]) for name in expected)


def test_measuring_changes_no_weight_in_bf16_with_recomputed_activations(tmp_path: Path) -> None:
    """Models of billions of parameters train in this way."""
    weights = []
    for every in (0, 1):
        folder = tmp_path / str(every)
        folder.mkdir()
        run = mixed_run(folder, every, precision="bf16", max_steps=3, eval_every=3)
        run = replace(run, model=run.model.model_copy(update={"parameters": 8_000_000_000}))
        directory = Store(str(folder / "store")).run_dir(run.run_id)
        train_run(run, directory, folder / "staging", quiet)
        assert [point.step for point in directory.metrics("interference")] == ([1, 2, 3] if every else [])
        weights.append(load_file(directory.open_tree(weights_tree(3)) / "model.safetensors"))
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_measuring_draws_no_random_number_and_leaves_no_gradient(tmp_path: Path) -> None:
    """The model has dropout here, which the bundled one does not have."""
    model, probes = model_and_probes(mixed_run(tmp_path, 1))
    for layer in model.model.layers:
        layer.self_attn.attention_dropout = 0.5
    journal = Store(str(tmp_path / "store")).run_dir("a" * 16)
    callback = GradientAgreement(probes, 2, journal, partial(pair_gradients, model))
    model.train()
    before = torch.get_rng_state()
    for step in (1, 2, 3, 4):
        callback.on_step_end(None, TrainerState(global_step=step), None, model=model)
    assert torch.equal(torch.get_rng_state(), before)
    assert model.training and all(parameter.grad is None for parameter in model.parameters())
    points = recorded(journal, "interference")
    assert [step for step, _ in points] == [2, 4] and points[0][1] == points[1][1]


def _train_as(rank: int, run: RunSpec, folder: Path) -> None:
    os.environ.update(RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE="2", LOCAL_WORLD_SIZE="2")
    torch.distributed.init_process_group("gloo", f"file://{folder}/rendezvous", rank=rank, world_size=2)
    train_run(run, Store(str(folder / "store")).run_dir(run.run_id), folder / f"staging-{rank}", quiet)
    torch.distributed.destroy_process_group()


def test_two_processes_share_the_measurement(measured: Measured, tmp_path: Path) -> None:
    run, single = measured
    spawn(_train_as, (run, tmp_path), nprocs=2)
    shared = Store(str(tmp_path / "store")).run_dir(run.run_id)
    for log in ("validation", "interference"):
        points = recorded(shared, log)
        assert [step for step, _ in points] == [step for step, _ in recorded(single, log)]
        for (_, actual), (_, expected) in zip(points, recorded(single, log), strict=True):
            # The two halves of a batch are summed in another order than the whole batch.
            assert actual == pytest.approx(expected, rel=0.01, abs=0.01)


def test_all_cosines_and_norms_are_recorded_at_every_planned_step(measured: Measured) -> None:
    run, directory = measured
    points = directory.metrics("interference")
    assert [point.step for point in points] == list(range(3, run.steps + 1, 3)) and len(points) > 1
    names = {cosine_metric(a, b) for index, a in enumerate(PAIRS) for b in PAIRS[index:]}
    names |= {f"interference/{task}.{language}/norm" for task, language in PAIRS}
    for point in points:
        assert set(point.metrics) == names | {SECONDS}
        cosines = [value for name, value in point.metrics.items() if name.rpartition("/")[2] != "norm"]
        assert all(math.isfinite(value) for value in cosines)
        assert all(-1 <= point.metrics[cosine_metric(a, b)] <= 1 for a, b in pairwise(PAIRS))


def test_an_interrupted_run_records_what_an_uninterrupted_one_does(measured: Measured, tmp_path: Path) -> None:
    """Step 6 is measured but has no checkpoint, so training resumes from step 4 and measures step 6 again."""
    run, whole = measured
    directory = Store(str(tmp_path / "store")).run_dir(run.run_id)
    with pytest.raises(Interrupted):
        train_run(run, directory, tmp_path / "a", interrupt_at(6))
    assert [point.step for point in directory.metrics("interference")] == [3, 6]
    train_run(run, directory, tmp_path / "b", quiet)
    assert recorded(directory, "interference") == recorded(whole, "interference")


def _train_until_killed(_: int, run: RunSpec, folder: Path) -> None:
    def kill(**position: Any) -> None:
        if position["step"] >= 6:
            os.kill(os.getpid(), signal.SIGKILL)

    train_run(run, Store(str(folder / "store")).run_dir(run.run_id), folder / "a", kill)


def test_a_killed_run_records_what_an_uninterrupted_one_does(measured: Measured, tmp_path: Path) -> None:
    run, whole = measured
    with pytest.raises(ProcessExitedException, match="SIGKILL"):
        spawn(_train_until_killed, (run, tmp_path))
    directory = Store(str(tmp_path / "store")).run_dir(run.run_id)
    assert [point.step for point in directory.metrics("interference")] == [3, 6]
    train_run(run, directory, tmp_path / "b", quiet)
    assert recorded(directory, "interference") == recorded(whole, "interference")


def test_a_run_with_one_task_and_language_records_nothing(tmp_path: Path) -> None:
    run = last_run(tmp_path, grid={"samples_per_language": [0]}, training={"gradient_agreement_every": 1, "epochs": 1})
    assert model_and_probes(run)[1] == []
    directory = Store(str(tmp_path / "store")).run_dir(run.run_id)
    train_run(run, directory, tmp_path / "staging", quiet)
    assert directory.metrics("interference") == []
