"""The rows of a run are nested, disjoint and fixed, and as many as its specification says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clt_ray.data.mixture import RunData, build_run_data, check_availability
from clt_ray.data.rows import Row
from clt_ray.data.sampling import content_key, prompt_key
from clt_ray.errors import DataError
from clt_ray.sweep.sections import DataSource, ValidationSpec
from clt_ray.tasks import TaskLanguage
from tests.support.local_rows import math_root, problems, run_on, write_split


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> DataSource:
    return DataSource(root=str(math_root(tmp_path_factory.mktemp("rows"))))


def of(rows: tuple[Row, ...], language: str) -> list[Row]:
    return [row for row in rows if row.language == language]


def assert_disjoint(data: RunData) -> None:
    purposes = [data.train, *data.validation.values(), *data.test.values()]
    for index, rows in enumerate(purposes):
        for other in purposes[index + 1 :]:
            assert not {content_key(row) for row in rows} & {content_key(row) for row in other}
            assert not {prompt_key(row) for row in rows} & {prompt_key(row) for row in other}


def test_the_mixture_is_english_and_n_of_each_other_language(source: DataSource) -> None:
    run = run_on(source)
    data = build_run_data(run)
    assert {code: len(of(data.train, code)) for code in ("en", "es", "ja")} == {"en": 20, "es": 8, "ja": 8}
    assert len(data.train) == run.train_rows
    assert_disjoint(data)


def test_languages_without_rows_are_left_out(source: DataSource) -> None:
    data = build_run_data(run_on(source))
    assert set(data.validation) == {("math", code) for code in ("en", "es", "ja")}
    assert set(data.test) == {("math", code) for code in ("en", "es", "ja", "ko")}
    assert {len(rows) for rows in data.validation.values()} == {5}
    assert {len(rows) for rows in data.test.values()} == {10}


def test_samples_are_nested_over_n_and_the_same_in_every_mixture(source: DataSource) -> None:
    runs = [run_on(source, samples_per_language=n) for n in (4, 8, 16, 32)]
    spanish = [of(build_run_data(run).train, "es") for run in runs]
    assert all(larger[: len(smaller)] == smaller for smaller, larger in pairwise(spanish))
    alone = build_run_data(run_on(source, train_languages=("es",), language_group="es", english_samples=5))
    assert of(alone.train, "es") == spanish[1]
    assert of(alone.train, "en") == of(build_run_data(runs[0]).train, "en")[:5]


def test_what_is_held_out_depends_on_the_source_alone(source: DataSource) -> None:
    base = build_run_data(run_on(source))
    variations = [
        run_on(source, samples_per_language=32),
        run_on(source, seed=9),
        run_on(source, train_languages=("ja",), language_group="ja"),
        run_on(source, samples_per_language=0),
    ]
    for run in variations:
        data = build_run_data(run)
        assert data.validation == base.validation and data.test == base.test


def test_the_seed_changes_the_sample(source: DataSource) -> None:
    first, second = (of(build_run_data(run_on(source, seed=seed)).train, "es") for seed in (0, 1))
    assert first != second


def test_parallel_items_are_held_out_in_every_language(source: DataSource) -> None:
    data = build_run_data(run_on(source))
    assert len({tuple(row.id for row in rows) for rows in data.validation.values()}) == 1
    assert len({tuple(row.id for row in rows) for rows in data.test.values()}) == 1


def test_a_validation_split_is_used_where_there_is_one(tmp_path: Path) -> None:
    math_root(tmp_path)
    write_split(tmp_path, "math", "validation", "es", problems("es", range(500, 530)))
    data = build_run_data(run_on(DataSource(root=str(tmp_path))))
    assert all(500 <= int(row.prompt.split()[2]) < 530 for row in data.validation[TaskLanguage("math", "es")])
    assert_disjoint(data)


def test_few_training_rows_are_not_all_held_out(tmp_path: Path) -> None:
    math_root(tmp_path, rows=25)
    run = run_on(DataSource(root=str(tmp_path)), validation=ValidationSpec(samples_per_language=100))
    assert len(build_run_data(run).validation[TaskLanguage("math", "es")]) == 5


@settings(max_examples=20, deadline=None)
@given(
    leaked=st.sets(st.integers(0, 59), max_size=20),
    copied=st.sets(st.integers(0, 59), max_size=20),
    doubled=st.sets(st.integers(0, 59), max_size=20),
)
def test_purposes_stay_disjoint_however_splits_overlap(
    tmp_path_factory: pytest.TempPathFactory, leaked: set[int], copied: set[int], doubled: set[int]
) -> None:
    root = tmp_path_factory.mktemp("overlap")
    train = problems("en", range(60))
    # The same test question typed differently and answered otherwise still gives the question away.
    disguised = [{"question": f"EN:  {n} + 1?", "answer": "Let me think."} for n in leaked]
    write_split(root, "math", "train", "en", [*train, *(train[n] for n in doubled)])
    write_split(root, "math", "validation", "en", [*problems("en", range(500, 520)), *(train[n] for n in copied)])
    write_split(root, "math", "test", "en", [*problems("en", range(1000, 1005)), *disguised])
    left = 60 - len(leaked | copied)
    run = run_on(
        DataSource(root=str(root)), samples_per_language=0, english_samples=left, eval_languages=("en",),
        validation=ValidationSpec(samples_per_language=50),
    )  # fmt: skip
    data = build_run_data(run)
    assert_disjoint(data)
    assert len({content_key(row) for row in data.train}) == len(data.train) == left
    reasons = data.dropped.get("math/train/en", {})
    assert reasons.get("duplicate", 0) == len(doubled)
    assert reasons.get("prompt also in test", 0) == len(leaked)
    assert reasons.get("prompt also in validation", 0) == len(copied - leaked)


def test_another_process_builds_the_same_rows(source: DataSource) -> None:
    program = (
        "import json, sys\nfrom clt_ray.data.mixture import build_run_data\nfrom clt_ray.sweep.run import RunSpec\n"
        "data = build_run_data(RunSpec.from_dict(json.loads(sys.argv[1])))\n"
        "print(json.dumps([[row.language, row.id] for row in data.train]))"
    )
    run = run_on(source)
    expected = [[row.language, row.id] for row in build_run_data(run).train]
    environment = {**os.environ, "PYTHONHASHSEED": "5", "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", program, json.dumps(run.to_dict())],
        env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert json.loads(done.stdout) == expected


def test_too_few_rows_name_place_have_and_need(source: DataSource) -> None:
    run = run_on(source, samples_per_language=500)
    with pytest.raises(DataError, match=r"math/train/es = 55: .*500 are needed\n.*samples_per_language"):
        build_run_data(run)


def test_availability_reports_every_shortage_once(source: DataSource, tmp_path: Path) -> None:
    runs = [run_on(source, samples_per_language=n, english_samples=100, seed=seed) for n in (0, 40, 70)
            for seed in (0, 1)]  # fmt: skip
    shortages = check_availability(runs)
    assert [(problem.key, problem.value) for problem in shortages] == [
        ("math/train/en", 55), ("math/train/es", 55), ("math/train/ja", 55),
    ]  # fmt: skip
    assert check_availability([run_on(source)]) == []
    (missing,) = check_availability([run_on(DataSource(root=str(tmp_path)))])
    assert "no such folder" in str(missing)
    write_split(tmp_path, "math", "train", "en", problems("en", range(60)))
    (no_test,) = check_availability([run_on(DataSource(root=str(tmp_path)), samples_per_language=0)])
    assert no_test.key == "math/test" and "eval_languages" in no_test.remedy


def test_what_the_hub_has_is_not_asked_beforehand() -> None:
    assert check_availability([run_on(DataSource(dataset="laihuiyuan/mCoT-MATH"))]) == []


def test_real_rows_make_a_mixture(shared_data: Path) -> None:
    run = run_on(
        DataSource(root=str(shared_data)), train_languages=("es", "fr", "ja", "zh"), samples_per_language=100,
        english_samples=300, eval_languages=("en", "es", "fr", "ja", "zh", "de", "ru", "te"),
    )  # fmt: skip
    data = build_run_data(run)
    assert len(data.train) == run.train_rows == 700
    assert {code for _, code in data.validation} == {"en", "es", "fr", "ja", "zh", "de", "ru"}
    assert {code for _, code in data.test} == set(run.eval_languages)
    assert_disjoint(data)


def test_the_bundled_corpus_serves_every_task() -> None:
    run = run_on(
        DataSource(bundled=True), tasks=("summarization", "instruction", "math"), samples_per_language=30,
        eval_languages=("en", "es", "ja", "ar"),
    )  # fmt: skip
    assert check_availability([run]) == []
    data = build_run_data(run)
    assert len(data.train) == run.train_rows == 3 * (20 + 2 * 30)
    assert len(data.validation) == len(data.test) == 3 * 4
    assert data.dropped == {}
    assert_disjoint(data)
