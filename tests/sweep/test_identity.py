"""Which settings change a run's identity, and which do not."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clt_ray.sweep import RunSpec, expand, parse_sweep
from clt_ray.sweep.identity import canonical_json, identity_json
from clt_ray.sweep.run import Inputs
from clt_ray.sweep.sections import (
    DataSource,
    EvaluationSpec,
    GenerateSpec,
    HardwareSpec,
    ModelSpec,
    SelectionSpec,
    TrainingSpec,
    ValidationSpec,
)
from tests.support.sweeps import TPU, runs_of, small_sweep

RUN = RunSpec(
    model=ModelSpec(name="tiny", source="bundled"),
    tasks=("math",),
    language_group="all",
    train_languages=("es", "fr", "ja", "zh"),
    samples_per_language=400,
    english_samples=10_000,
    seed=0,
    eval_languages=("en", "es", "fr", "ja", "zh", "ar", "ko", "pt"),
    data={"math": DataSource(bundled=True)},
    training=TrainingSpec(),
    validation=ValidationSpec(),
    selection=SelectionSpec(),
    evaluation=EvaluationSpec(),
    hardware=HardwareSpec(),
    inputs=Inputs(model="bundled:m", data={"math": "bundled:c"}, templates="t"),
)

PINNED = "1a09b06a8a8d343d"
"""The run_id of RUN since release 0.1; stored results are found by such ids."""


def test_the_identity_of_a_known_run_is_pinned() -> None:
    assert RUN.run_id == PINNED, (
        "identities changed, so every finished run would train again. If the change cannot affect the results of this "
        "run, undo what changed its identity (see identity_json); if it can, raise IDENTITY_VERSION and "
        f"pin {RUN.run_id}."
    )


def test_the_identity_is_the_hash_of_canonical_json() -> None:
    text = identity_json(RUN)
    assert canonical_json(json.loads(text)) == text
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == RUN.run_id


def with_training(**changes: Any) -> RunSpec:
    return replace(RUN, training=TrainingSpec(**changes))


CHANGES_RESULTS = {
    "seed": replace(RUN, seed=1),
    "samples": replace(RUN, samples_per_language=800),
    "english": replace(RUN, english_samples=9_999),
    "train languages": replace(RUN, train_languages=("es", "fr")),
    "evaluation languages": replace(RUN, eval_languages=("en", "es", "fr", "ja", "zh")),
    "batch size": with_training(batch_size=128),
    "learning rate": with_training(learning_rate=2e-5),
    "schedule": with_training(schedule="cosine"),
    "max steps": with_training(max_steps=10),
    "clipping": with_training(max_grad_norm=None),
    "precision": with_training(precision="fp32"),
    "generated answers": replace(RUN, validation=ValidationSpec(generate=GenerateSpec())),
    "number of answers": replace(RUN, validation=ValidationSpec(generate=GenerateSpec(samples_per_language=4))),
    "steps between answers": replace(RUN, validation=ValidationSpec(generate=GenerateSpec(every=100))),
    "English in place of four languages": replace(RUN, replaced_languages=4),
    "English in place of two languages": replace(RUN, replaced_languages=2),
    "validation rows": replace(RUN, validation=ValidationSpec(samples_per_language=7)),
    "selection languages": replace(RUN, selection=SelectionSpec(languages="all")),
    "output length": replace(RUN, evaluation=EvaluationSpec(max_new_tokens={"math": 64})),
    "test items": replace(RUN, evaluation=EvaluationSpec(samples_per_language=10)),
    "weights": replace(RUN, inputs=Inputs(model="bundled:n", data={"math": "bundled:c"}, templates="t")),
    "rows": replace(RUN, inputs=Inputs(model="bundled:m", data={"math": "bundled:d"}, templates="t")),
    "templates": replace(RUN, inputs=Inputs(model="bundled:m", data={"math": "bundled:c"}, templates="u")),
    "tasks": replace(
        RUN,
        tasks=("math", "instruction"),
        evaluation=EvaluationSpec(),
        inputs=Inputs(model="bundled:m", data={"math": "bundled:c", "instruction": "bundled:c"}, templates="t"),
    ),
}

KEEPS_RESULTS = {
    "hardware": replace(RUN, hardware=HardwareSpec.model_validate(TPU)),
    "answers to another task": replace(RUN, validation=ValidationSpec(generate=GenerateSpec(tasks=("instruction",)))),
    "decoding batch": replace(RUN, evaluation=EvaluationSpec(batch_size=1)),
    "output length of another task": replace(RUN, evaluation=EvaluationSpec(max_new_tokens={"instruction": 9})),
    "name of the group": replace(RUN, language_group="four"),
    "name of the model": replace(RUN, model=ModelSpec(name="mini", source="bundled")),
    "where the model is": replace(RUN, model=ModelSpec(name="tiny", source="/elsewhere/tiny")),
    "size and family of the model": replace(
        RUN, model=ModelSpec(name="tiny", source="bundled", parameters=5, architecture="llama")
    ),
    "where the rows are": replace(RUN, data={"math": DataSource(root="/elsewhere")}),
    "order of training languages": replace(RUN, train_languages=("zh", "ja", "fr", "es")),
    "order of evaluation languages": replace(RUN, eval_languages=RUN.eval_languages[::-1]),
    "a float written as int": with_training(weight_decay=0, max_grad_norm=1),
    "a float written otherwise": with_training(learning_rate=0.00001),
    "selection languages spelled out": replace(RUN, selection=SelectionSpec(languages=("zh", "en", "es", "fr", "ja"))),
}


@pytest.mark.parametrize("change", CHANGES_RESULTS)
def test_settings_that_change_results_change_the_identity(change: str) -> None:
    assert CHANGES_RESULTS[change].run_id != RUN.run_id


def test_each_of_these_changes_gives_another_identity() -> None:
    assert len({run.run_id for run in CHANGES_RESULTS.values()}) == len(CHANGES_RESULTS)


@pytest.mark.parametrize("change", KEEPS_RESULTS)
def test_settings_that_do_not_change_results_keep_the_identity(change: str) -> None:
    assert KEEPS_RESULTS[change].run_id == RUN.run_id


def test_the_english_only_runs_of_all_groups_are_one_run() -> None:
    groups = [("all", ("es", "fr", "ja", "zh")), ("latin", ("es", "fr")), ("none", ())]
    runs = [
        replace(RUN, samples_per_language=0, language_group=name, train_languages=codes, selection=SelectionSpec())
        for name, codes in groups
    ]
    assert len({run.run_id for run in runs}) == 1
    assert runs[0].language_group == "none"
    assert runs[0].train_languages == ()
    assert runs[0].selection_languages == ("en",)


def test_the_order_of_tasks_does_not_matter() -> None:
    ids = {
        run.run_id
        for task in ("math+summarization", "summarization+math")
        for run in runs_of(grid=small_sweep()["grid"] | {"task": task, "samples_per_language": [100]})
    }
    assert len(ids) == 1


@given(
    seeds=st.sets(st.integers(0, 50), min_size=1, max_size=4),
    counts=st.sets(st.integers(0, 500), min_size=1, max_size=4),
    more=st.sets(st.integers(0, 500), max_size=3),
)
@settings(max_examples=40, deadline=None)
def test_a_grown_grid_and_another_name_keep_every_identity(seeds: set[int], counts: set[int], more: set[int]) -> None:
    grid = {"model": "llama-3.1-8b", "task": ["math", "summarization"]}
    small = runs_of(seeds=sorted(seeds), grid=grid | {"samples_per_language": sorted(counts)})
    grown = runs_of(
        hardware=TPU,
        grid={"samples_per_language": sorted(counts | more), "task": "summarization+math"} | grid,
        seeds=sorted(seeds),
        name="grown",
    )
    by_name = {run.name: run.run_id for run in grown}
    assert {run.name: run.run_id for run in small}.items() <= by_name.items()


@given(order=st.permutations(list(RUN.to_dict())))
def test_a_run_survives_json_in_any_key_order(order: list[str]) -> None:
    written = RUN.to_dict() | {"name": RUN.name, "run_id": RUN.run_id}
    shuffled = {key: written[key] for key in [*order, "name", "run_id"]}
    again = RunSpec.from_dict(json.loads(json.dumps(shuffled)))
    assert again == RUN
    assert again.run_id == RUN.run_id
    assert hash(again) == hash(RUN)


def test_another_process_computes_the_same_identity() -> None:
    code = (
        "import json, sys; from clt_ray.sweep.run import RunSpec; print(RunSpec.from_dict(json.load(sys.stdin)).run_id)"
    )
    environment = os.environ | {"PYTHONHASHSEED": "12345", "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.run(
        [sys.executable, "-c", code],
        input=json.dumps(RUN.to_dict()),
        capture_output=True,
        text=True,
        check=True,
        env=environment,
        cwd="/",
    )
    assert process.stdout.strip() == RUN.run_id


def test_runs_keep_their_identity_however_often_a_sweep_with_mixed_cells_is_expanded() -> None:
    """Runs share sections, adapted to their tasks; the identity that one run caches must not reach another run."""
    grid = {"model": ["llama-3.1-8b"], "task": ["math", "math+summarization+instruction"]}
    spec = parse_sweep(small_sweep(grid=grid | {"samples_per_language": [0, 100]}))
    first = [run.run_id for run in expand(spec)]
    again = expand(spec)
    assert [run.run_id for run in again] == first
    assert [RunSpec.from_dict(run.to_dict()).run_id for run in again] == first
