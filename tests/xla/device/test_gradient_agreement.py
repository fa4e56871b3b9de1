"""Gradient agreement on a slice: right cosines on every mesh, one graph, the same training."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
import torch_xla.runtime as runtime
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from clt_ray.data.formatting import encode
from clt_ray.data.mixture import build_run_data
from clt_ray.store import RunDir, Store
from clt_ray.training.backends.xla import attention
from clt_ray.training.backends.xla.gradient_agreement import GradientSketches
from clt_ray.training.backends.xla.graphs import GraphBook
from clt_ray.training.backends.xla.model import load
from clt_ray.training.backends.xla.optimizer import AdamW, AdamWSettings
from clt_ray.training.backends.xla.plan import MeshShape
from clt_ray.training.backends.xla.slice import Slice
from clt_ray.training.checkpoints import weights_tree
from clt_ray.training.gradient_agreement import (
    PairGradient,
    Probe,
    agreement_metrics,
    cosine,
    cosine_metric,
    probes_of,
)
from clt_ray.training.model import load_tokenizer, location
from clt_ray.training.validation import completion_nll
from tests.support.slice_runs import make_run
from tests.support.trained import quiet, recorded, train_run

runtime.use_spmd()
GRID = {"task": ["math+summarization"], "samples_per_language": [8]}


def mixed_run(folder: Path, every: int) -> Any:
    training = {"learning_rate": 1e-5, "gradient_agreement_every": every, "epochs": 1, "max_steps": 4}
    return make_run(folder, "4x1", grid=GRID, training=training)


@pytest.fixture(scope="module")
def probes(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, list[Probe]]:
    run = mixed_run(tmp_path_factory.mktemp("probes"), 1)
    tokenizer = load_tokenizer(run.model)
    rows = {
        pair: [encode(row, tokenizer, 128) for row in pair_rows]
        for pair, pair_rows in build_run_data(run).validation.items()
    }
    return run, probes_of(run, rows, tokenizer.pad_token_id)


def measured(run: Any, probes: list[Probe], mesh: tuple[int, int]) -> tuple[dict[Any, PairGradient], GraphBook]:
    chips, graphs = Slice(MeshShape(*mesh)), GraphBook()
    attention.register(chips, kernel=False)
    model = load(location(run.model), None, torch.float32, chips, rematerialise=False)
    settings = AdamWSettings(beta1=0.9, beta2=0.999, weight_decay=0.0, max_norm=1.0)
    optimizer = AdamW(model.parameters(), model.plan, [], settings, chips)
    sketches = GradientSketches(model, optimizer, graphs, pad_id=2)
    gradients = sketches.measure(probes, 4, (128, 256), 1)
    assert all(parameter.grad is None for parameter in model.parameters().values())
    return gradients, graphs


def test_cosines_and_norms_are_those_of_the_whole_gradients(probes: tuple[Any, list[Probe]]) -> None:
    run, run_probes = probes
    gradients, graphs = measured(run, run_probes, (4, 1))
    assert list(graphs.programs) == ["gradient (4, 128)"]
    metrics = agreement_metrics(gradients)
    model = AutoModelForCausalLM.from_pretrained(location(run.model), dtype=torch.float32)
    exact = {}
    for probe in run_probes:
        model.zero_grad()
        for (half,) in probe.halves:
            completion_nll(model, half)[0].sum().backward()
        parts = [parameter.grad.flatten() for parameter in model.parameters() if parameter.grad is not None]
        exact[probe.pair] = torch.cat(parts).double().numpy()
    # A column holds a share of both squared lengths; with equal ones the error would be sqrt(2 / columns).
    columns = sum(parameter.shape[-1] for parameter in model.parameters())
    for place, first in enumerate(exact):
        norm = metrics[f"interference/{'.'.join(first)}/norm"]
        tokens = gradients[first].tokens
        assert norm == pytest.approx(float((exact[first] ** 2).sum() ** 0.5) / tokens, rel=0.1)
        for second in list(exact)[place + 1 :]:
            expected = cosine(exact[first], exact[second])
            assert metrics[cosine_metric(first, second)] == pytest.approx(expected, abs=6 * math.sqrt(2 / columns))


def test_a_mesh_changes_no_sketch(probes: tuple[Any, list[Probe]]) -> None:
    run, run_probes = probes
    both = [measured(run, run_probes[:2], mesh)[0] for mesh in ((4, 1), (2, 2))]
    for pair, gradient in both[0].items():
        for half, other in zip(gradient.halves, both[1][pair].halves, strict=True):
            assert abs(half - other).max() <= 1e-4 * abs(half).max()


def test_measuring_changes_no_weight_and_no_metric(tmp_path: Path) -> None:
    directories: list[RunDir] = []
    for every in (0, 2):
        run = mixed_run(tmp_path / str(every), every)
        directory = Store(str(tmp_path / str(every) / "store")).run_dir(run.run_id)
        train_run(run, directory, tmp_path / str(every) / "staging", quiet)
        directories.append(directory)
    unmeasured, measured_directory = directories
    assert not unmeasured.exists("interference.jsonl")
    points = recorded(measured_directory, "interference")
    assert [step for step, _ in points] == [2, 4]
    pairs = [f"{task}.{language}" for task in ("math", "summarization") for language in ("en", "es", "ja")]
    assert {f"interference/{pair}/{pair}" for pair in pairs} <= set(points[0][1])
    assert all(-1 <= value <= 1 for name, value in points[0][1].items() if not name.endswith("norm"))
    for log in ("train", "validation"):
        assert recorded(unmeasured, log) == recorded(measured_directory, log)
    expected, actual = (
        load_file(directory.open_tree(weights_tree(4)) / "model.safetensors") for directory in directories
    )
    assert all(torch.equal(expected[name], actual[name]) for name in expected)
