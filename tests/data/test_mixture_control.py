"""Rows of language groups and of their equal-volume controls are nested, distinct, and as many as planned."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clt_ray.data.mixture import RunData, build_run_data, check_availability
from clt_ray.data.rows import Row
from clt_ray.data.sampling import content_key
from clt_ray.errors import DataError
from clt_ray.sweep.run import RunSpec
from clt_ray.sweep.sections import DataSource, SelectionSpec
from tests.support.local_rows import math_root, run_on


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> DataSource:
    return DataSource(root=str(math_root(tmp_path_factory.mktemp("rows"), rows=120)))


def control_of(run: RunSpec, **changes: Any) -> RunSpec:
    """Returns the equal-volume control of a run."""
    values = {**vars(run), "train_languages": ("en",), "replaced_languages": len(run.train_languages)}
    fields = {name: values[name] for name in RunSpec.__dataclass_fields__}
    return RunSpec(**{**fields, "selection": SelectionSpec(), **changes})


def english(data: RunData) -> tuple[Row, ...]:
    return tuple(row for row in data.train if row.language == "en")


@settings(max_examples=25, deadline=None)
@given(samples=st.lists(st.integers(1, 30), min_size=2, max_size=3, unique=True).map(sorted), seed=st.integers(0, 3))
def test_a_control_extends_the_english_of_its_group_row_by_row(
    source: DataSource, samples: list[int], seed: int
) -> None:
    treated = [build_run_data(run_on(source, samples_per_language=n, seed=seed)) for n in samples]
    controls = [build_run_data(control_of(run_on(source, samples_per_language=n, seed=seed))) for n in samples]
    for count, treatment, control in zip(samples, treated, controls, strict=True):
        assert len(control.train) == len(treatment.train) == 20 + 2 * count
        assert control.train == english(control)
        assert control.train[:20] == english(treatment)
        assert len({content_key(row) for row in control.train}) == len(control.train)
        assert control.validation == treatment.validation and control.test == treatment.test
    for smaller, larger in pairwise(controls):
        assert larger.train[: len(smaller.train)] == smaller.train


def test_a_control_at_zero_has_the_rows_of_the_english_only_run(source: DataSource) -> None:
    none = run_on(source, samples_per_language=0)
    assert control_of(none) == none
    assert build_run_data(control_of(none)).train == english(build_run_data(run_on(source)))


@settings(max_examples=25, deadline=None)
@given(base=st.integers(1, 30), samples=st.integers(0, 40), seed=st.integers(0, 3))
def test_every_language_has_n_rows_and_english_its_own_number(
    source: DataSource, base: int, samples: int, seed: int
) -> None:
    run = run_on(source, english_samples=base, samples_per_language=samples, seed=seed)
    for either in (run, control_of(run)):
        data = build_run_data(either)
        assert len(data.train) == either.train_rows == base + 2 * samples
        for code in ("en", "es", "ja"):
            assert sum(row.language == code for row in data.train) == either.rows_in(code)


def test_a_mixed_control_extends_every_task() -> None:
    tasks = ("summarization", "instruction", "math")
    treated = run_on(DataSource(bundled=True), tasks=tasks, samples_per_language=30, eval_languages=("en", "es"))
    data, control = build_run_data(treated), build_run_data(control_of(treated))
    assert len(control.train) == len(data.train) == 3 * (20 + 2 * 30)
    for task in tasks:
        task_rows = [row for row in control.train if row.task == task]
        assert len(task_rows) == 80
        assert task_rows[:20] == [row for row in english(data) if row.task == task]


def test_english_must_reach_for_the_control_before_anything_starts(source: DataSource) -> None:
    treated = run_on(source, samples_per_language=60)
    assert check_availability([treated]) == []
    (problem,) = check_availability([treated, control_of(treated)])
    assert (problem.key, problem.value) == ("math/train/en", 115)
    assert "140 are needed" in problem.message and "equal-volume controls" in problem.remedy
    with pytest.raises(DataError, match="equal-volume controls"):
        build_run_data(control_of(treated))


def test_rows_to_select_by_must_be_there_before_anything_starts(source: DataSource) -> None:
    by_korean = run_on(source, selection=SelectionSpec(metric="val/math/ko/loss"))
    (problem,) = check_availability([by_korean])
    assert problem.key == "math/validation/ko" and "selection.metric" in problem.message
    assert check_availability([run_on(source, selection=SelectionSpec(metric="val/math/ja/loss"))]) == []


def test_the_root_of_the_message_is_the_place(source: DataSource) -> None:
    (problem,) = check_availability([control_of(run_on(source, samples_per_language=60))])
    assert source.root is not None and Path(source.root).name in problem.where
