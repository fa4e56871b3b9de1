"""Tests of trajectories at equal task rows, corrected cosines, intervals over languages, and their association."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from math import sqrt
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clt_ray.analysis.gradient_agreement import (
    ACROSS,
    ITSELF,
    RELATIONS,
    WITHIN_LANGUAGE,
    WITHIN_TASK,
    gradient_agreement,
    gradient_cosines,
    over_steps,
    parse_pair,
    pull,
    relation,
)
from clt_ray.analysis.loss_trajectories import FALLING, LEVEL, RISING, differences, trajectories, turning_points, twin
from clt_ray.analysis.mechanisms import ALL_TASKS, association, mechanisms, pulls
from clt_ray.analysis.run_log import RunLog, run_log
from clt_ray.analysis.uncertainty import pair_interval, t_interval

TRAINED = ("es", "ja")
Losses = Mapping[tuple[str, str], Sequence[float]]


def log_of(
    tasks: Sequence[str],
    losses: Losses,
    every: int = 10,
    *,
    run_id: str = "",
    interference: Sequence[tuple[int, Mapping[str, float]]] = (),
    **changes: Any,
) -> RunLog:
    """A run that was validated every so many steps, with these losses by (task, language)."""
    described = {
        "model": {"name": "tiny"}, "tasks": list(tasks), "language_group": "all", "train_languages": list(TRAINED),
        "samples_per_language": 50, "english_samples": 900, "seed": 0,
        "training": {"batch_size": 20, "learning_rate": 1e-3, "eval_every": every},
        **changes,
    }  # fmt: skip
    length = len(next(iter(losses.values())))
    validation = [
        (every * (place + 1), {f"val/{task}/{code}/loss": values[place] for (task, code), values in losses.items()})
        for place in range(length)
    ]
    return run_log(described, run_id or "+".join(tasks), validation, interference)


def test_a_run_counts_the_rows_of_each_of_its_tasks() -> None:
    log = log_of(["math", "summarization"], {("math", "en"): [1.0]})
    assert (log.mixture, log.setting, log.train_rows) == ("summarization+math", "multi", 2000)
    assert [log.task_rows(step) for step in (0, 1, 99, 100, 150)] == [0, 10, 990, 1000, 1500]
    odd = log_of(["math"], {("math", "en"): [1.0]}, english_samples=905)
    # 1,005 rows in 51 steps, the last of them with 5.
    assert [odd.task_rows(step) for step in (50, 51, 52)] == [1000, 1005, 1025]
    control = log_of(
        ["math"], {("math", "en"): [1.0]}, train_languages=["en"], replaced_languages=4, language_group="english:4"
    )
    assert control.train_rows == 900 + 4 * 50
    assert [control.exposure(code) for code in ("en", "es")] == ["english", "unseen"]


def test_measurement_intervals_do_not_distinguish_trainings() -> None:
    usual, often, hotter = (
        log_of(["math"], {("math", "en"): [1.0]}, training={"batch_size": 20, **changes})
        for changes in ({"eval_every": 5}, {"eval_every": 9, "gradient_agreement_every": 3}, {"learning_rate": 1.0})
    )
    assert usual.settings == often.settings != hotter.settings


def two_designs() -> list[RunLog]:
    """Mixed: math 0.2 behind in every language. Steps of the mixed run hold half as many rows of math."""
    rows = np.arange(1, 11) * 100
    curve = 2 - rows / 1000
    cells = [("math", code) for code in ("en", "es", "ja", "ko")]
    mixed = {cell: (curve + 0.2).tolist() for cell in cells} | {("summarization", "en"): [1.0] * 10}
    alone = {cell: (2 - np.arange(1, 6) * 200 / 1000).tolist() for cell in cells}
    return [log_of(["math", "summarization"], mixed), log_of(["math"], alone)]


def test_a_mixed_run_is_compared_with_its_twin_at_equal_task_rows() -> None:
    table = trajectories(two_designs())
    mixed = table[(table["run_id"] == "math+summarization") & (table["task"] == "math")]
    assert mixed["task_rows"].tolist() == [100, 200, 300, 400, 500, 600, 700, 800, 900, 1000] * 4
    # The twin's first validation is at 200 rows: before it nothing is made up.
    assert mixed[mixed["task_rows"] == 100]["difference"].isna().all()
    assert mixed[mixed["task_rows"] > 100]["difference"].to_numpy() == pytest.approx(0.2)
    assert set(mixed["alone_run_id"]) == {"math"} and set(table["exposure"]) == {"english", "seen", "unseen"}
    alone = table[table["run_id"] == "math"]
    assert alone["alone_run_id"].eq("").all() and alone["difference"].isna().all()
    behind = differences(table)
    assert set(behind["task"]) == {"math"} and behind["difference"].to_numpy() == pytest.approx(0.2)
    assert behind.set_index("exposure")["n"].to_dict() == {"english": 1, "seen": 2, "unseen": 1}
    assert behind["task_rows"].eq(1000).all()


def test_the_twin_has_the_same_model_languages_samples_and_seed() -> None:
    math_loss = {("math", "en"): [1.0]}
    mixed = log_of(["math", "summarization"], math_loss | {("summarization", "en"): [1.0]})
    changes: list[dict[str, Any]] = [
        {"samples_per_language": 51},
        {"seed": 1},
        {"model": {"name": "large"}},
        {"train_languages": ["es"]},
    ]
    others = [log_of(["math"], math_loss, run_id=str(change), **change) for change in changes]
    assert twin(mixed, "math", others) is None
    english = log_of(["math"], math_loss, run_id="a", english_samples=10_000)
    same = log_of(["math"], math_loss, run_id="b", language_group="another name")
    assert twin(mixed, "math", [*others, english]) is english
    assert twin(mixed, "math", [*others, english, same]) is same
    assert twin(mixed, "summarization", [same]) is None
    assert twin(same, "math", [english]) is None


def test_turning_points_and_courses() -> None:
    losses: Losses = {("math", "en"): [3, 2, 1], ("math", "es"): [3, 2, 2.01], ("math", "ja"): [3, 2, 2.5]}
    turns = turning_points(trajectories([log_of(["math"], losses)])).set_index("eval_language")
    assert turns["course"].to_dict() == {"en": FALLING, "es": LEVEL, "ja": RISING}
    assert turns["lowest_task_rows"].to_dict() == {"en": 600, "es": 400, "ja": 400}
    assert turns["rise"].to_list() == pytest.approx([0, 0.01, 0.5])
    both = turning_points(trajectories(two_designs()))
    mixed = both[(both["run_id"] == "math+summarization") & (both["task"] == "math")]
    assert mixed["alone_course"].eq(FALLING).all() and mixed["alone_last_loss"].to_numpy() == pytest.approx(1.0)
    assert both[both["task"] == "summarization"]["alone_course"].isna().all()


def test_no_logs_give_empty_tables() -> None:
    tables = mechanisms([])
    for table in vars(tables).values():
        assert isinstance(table, pd.DataFrame)
    assert tables.trajectories.empty and tables.gradient_agreement.empty and tables.turning_points.empty


def test_a_loss_that_is_not_finite_is_left_out() -> None:
    table = trajectories([log_of(["math"], {("math", "en"): [1.0, float("nan"), 0.5]})])
    assert table["step"].to_list() == [10, 30]


def test_metric_names_are_parsed_into_task_language_pairs() -> None:
    assert parse_pair("interference/math.en/math.es") == ("math", "en", "math", "es")
    for name in ("interference/math.en/norm", "val/math/en/loss", "perf/gradient_agreement_seconds", "interference"):
        assert parse_pair(name) is None
    assert relation("math", "en", "math", "en") == ITSELF
    assert [relation("math", "en", *other) for other in (("math", "es"), ("qa", "en"), ("qa", "es"))] == list(RELATIONS)


def measured(cosines: Sequence[Mapping[str, float]], **changes: Any) -> RunLog:
    points = [
        (10 * (place + 1), {f"interference/{name}": value for name, value in values.items()})
        for place, values in enumerate(cosines)
    ]
    return log_of(["math", "summarization"], {("math", "en"): [1.0]}, interference=points, **changes)


def test_a_cosine_is_divided_by_its_ceiling() -> None:
    halves = {"math.en/math.en": 0.6, "math.es/math.es": 0.5, "math.en/math.es": 0.5, "math.en/norm": 3.0}
    (row,) = gradient_agreement(gradient_cosines([measured([halves])])).to_dict("records")
    assert row["relation"] == WITHIN_TASK
    assert row["ceiling"] == pytest.approx(sqrt(0.75 * 2 / 3))
    assert row["corrected"] == pytest.approx(0.5 / sqrt(0.5))
    assert np.isnan(row["low"]) and row["n"] == 1


def test_gradients_without_reliability_have_no_corrected_cosine() -> None:
    halves = {"math.en/math.en": -0.01, "math.es/math.es": 0.5, "math.en/math.es": 0.5}
    (row,) = gradient_agreement(gradient_cosines([measured([halves])])).to_dict("records")
    assert np.isnan(row["corrected"]) and row["cosine"] == 0.5


def test_steps_are_averaged_before_pairs_and_first_and_last_are_reported() -> None:
    pairs = gradient_cosines([measured([{"math.en/math.es": value} for value in (0.1, 0.3, 0.8)])])
    (row,) = over_steps(pairs).to_dict("records")
    assert [row[name] for name in ("cosine", "first", "last", "steps")] == pytest.approx([0.4, 0.1, 0.8, 3])


@pytest.mark.parametrize("truth", [-0.5, 0.0, 0.3, 0.9])
def test_the_corrected_cosine_equals_the_cosine_without_noise(truth: float) -> None:
    """Four gradients with known cosines are each measured in two noisy halves, over many steps."""
    rng = np.random.default_rng(1)
    size, names = 4000, ["math.en", "math.es", "summarization.en", "summarization.es"]
    shared = rng.standard_normal(size)
    mixing = {"math": 1.0, "summarization": truth}
    clean = {
        name: mixing[name.split(".")[0]] * shared
        + sqrt(1 - mixing[name.split(".")[0]] ** 2) * rng.standard_normal(size)
        for name in names
    }
    points = []
    for _ in range(20):
        halves = {name: [clean[name] + 2 * rng.standard_normal(size) for _ in range(2)] for name in names}
        point = {f"{name}/{name}": cosine(*halves[name]) for name in names}
        whole = {name: np.sum(halves[name], axis=0) for name in names}
        point |= {f"{a}/{b}": cosine(whole[a], whole[b]) for a, b in combinations(names, 2)}
        points.append(point)
    table = gradient_agreement(gradient_cosines([measured(points)])).set_index("relation").to_dict("index")
    for kind in (WITHIN_LANGUAGE, ACROSS):
        # The cosine of the clean gradients varies around the truth as that of 4,000 random numbers.
        assert table[kind]["corrected"] == pytest.approx(truth, abs=0.06)
        assert abs(table[kind]["cosine"]) <= abs(truth) * 0.5 + 0.03


def cosine(first: np.ndarray, second: np.ndarray) -> float:
    return float(first @ second / np.linalg.norm(first) / np.linalg.norm(second))


def test_intervals_over_languages_cover_the_truth() -> None:
    """Each language has an effect on all its pairs, so intervals for independent pairs would cover far less."""
    rng = np.random.default_rng(0)
    languages, truth, covered, rounds = list("abcde"), 0.3, 0, 400
    for _ in range(rounds):
        part = dict(zip(languages, rng.normal(0, 0.1, len(languages)), strict=True))
        rows = [
            {"first_language": a, "second_language": b, "cosine": truth + part[a] + part[b] + rng.normal(0, 0.02)}
            for a, b in combinations(languages, 2)
        ]
        low, high = pair_interval(pd.DataFrame(rows), lambda table: float(table["cosine"].mean()))
        covered += low <= truth <= high
    assert 0.92 <= covered / rounds <= 0.98


@given(st.lists(st.floats(-1, 1), min_size=3, max_size=8))
def test_pairs_within_a_language_have_the_t_interval_of_a_mean(values: list[float]) -> None:
    table = pd.DataFrame({"cosine": values, "first_language": [str(place) for place in range(len(values))]})
    table["second_language"] = table["first_language"]
    interval = pair_interval(table, lambda rows: float(rows["cosine"].mean()))
    assert interval == pytest.approx(t_interval(values), abs=1e-9)


def test_two_languages_have_no_interval() -> None:
    table = pd.DataFrame({"cosine": [0.1], "first_language": ["en"], "second_language": ["es"]})
    assert np.isnan(pair_interval(table, lambda rows: float(rows["cosine"].mean()))).all()
    assert np.isnan(t_interval([0.1, 0.2])).all()


def test_the_pull_on_a_task_is_computed_from_the_other_tasks_only() -> None:
    cosines = {"math.en/math.es": 0.9, "math.en/math.en": 0.9, "summarization.en/math.en": 0.1,
               "summarization.es/math.en": 0.3, "summarization.es/math.es": -0.5}  # fmt: skip
    means = over_steps(gradient_cosines([measured([cosines])]))
    assert pull(means, "math", ["en"]) == pytest.approx(0.2)
    assert pull(means, "math", ["es"]) == pytest.approx(-0.5)
    assert pull(means, "summarization", ["es"]) == pytest.approx(-0.1)
    assert np.isnan(pull(means, "math", ["ko"]))


def test_pulls_are_joined_with_their_outcomes() -> None:
    """Two seeds belong to one grid cell; the score falls by 10 points of 100, a rating by a quarter of its scale."""
    logs = [
        measured([{"summarization.en/math.en": value}], seed=seed, run_id=f"mixed-{seed}")
        for seed, value in ((0, 0.2), (1, 0.4))
    ]
    cell = {"model": "tiny", "mixture": "summarization+math", "language_group": "all", "train_languages": "es+ja",
            "samples_per_language": 50, "exposure": "english"}  # fmt: skip
    scores = pd.DataFrame([
        cell | {"task": "math", "metric": "accuracy", "interference": -0.1},
        cell | {"task": "summarization", "metric": "judge_rating", "interference": -1.0},
    ])  # fmt: skip
    pairs, behind = gradient_cosines(logs), differences(trajectories(logs))
    table = pulls(pairs, behind, scores).set_index("task")
    assert table["cosine"].to_dict() == pytest.approx({"summarization": 0.3, "math": 0.3})
    assert table["interference"].to_dict() == pytest.approx({"summarization": -0.25, "math": -0.1})
    assert pulls(pairs, behind)["interference"].isna().all()


def test_an_association_is_detected_only_where_it_exists() -> None:
    rng = np.random.default_rng(0)
    cosines = rng.uniform(-0.2, 0.4, 24)
    table = pd.DataFrame({
        "task": ["math", "summarization"] * 12, "cosine": cosines,
        "loss_difference": -cosines + rng.normal(0, 0.02, 24), "interference": rng.normal(0, 1, 24),
    })  # fmt: skip
    records = {(row["outcome"], row["task"]): row for row in association(table).to_dict("records")}
    assert records["loss_difference", ALL_TASKS]["spearman"] < -0.9
    assert records["loss_difference", "math"]["q"] < 0.01
    unrelated = records["interference", ALL_TASKS]
    assert unrelated["low"] < 0 < unrelated["high"]
    few = association(table.iloc[:2])
    assert few["spearman"].isna().all() and few["n"].max() == 2
