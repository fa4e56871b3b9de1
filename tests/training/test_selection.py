"""The choice of the checkpoint, and the schedule of validations."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clt_ray.errors import RunError
from clt_ray.sweep.selection import Candidate
from clt_ray.training.checkpoints import best_so_far, select
from clt_ray.training.schedule import Schedule

losses = st.floats(0, 10)


@given(st.dictionaries(st.integers(1, 500), losses, min_size=1))
def test_the_chosen_checkpoint_is_the_minimum_recorded_metric(values: dict[int, float]) -> None:
    selection = select([(step, {"val/loss": value}) for step, value in values.items()], "val/loss", "min")
    assert selection.chosen.value == min(values.values())
    assert len(selection.runners_up) == len(values) - 1
    ranked = [selection.chosen.value, *(candidate.value for candidate in selection.runners_up)]
    assert ranked == sorted(ranked)


@given(
    st.dictionaries(st.integers(1, 500), st.sampled_from([0.0, 0.25, 0.5]), min_size=1), st.sampled_from(["min", "max"])
)
def test_the_first_of_the_best_is_chosen_in_either_mode(values: dict[int, float], mode: str) -> None:
    points = [(step, {"val/math/accuracy": value, "val/loss": 1.0}) for step, value in values.items()]
    chosen = select(points, "val/math/accuracy", mode).chosen
    best = max(values.values()) if mode == "max" else min(values.values())
    assert chosen == Candidate(min(step for step, value in values.items() if value == best), best)
    assert chosen.step == select(reversed(points), "val/math/accuracy", mode).chosen.step


def test_the_earliest_step_wins_a_tie_and_max_is_max() -> None:
    points = [(10, {"m": 0.5}), (20, {"m": 0.5}), (30, {"m": 0.1})]
    assert select(points, "m", "max").chosen.step == 10
    assert select(points, "m", "min").chosen.step == 30


def test_a_non_finite_value_is_never_chosen() -> None:
    points = [(1, {"val/loss": math.nan}), (2, {"val/loss": 3.0}), (3, {"val/loss": -math.inf})]
    assert select(points, "val/loss", "min").chosen.step == 2
    with pytest.raises(RunError, match="no finite"):
        select(points[:1], "val/loss", "min")


def test_a_model_whose_loss_is_not_finite_is_never_chosen_for_its_score() -> None:
    points = [(1, {"val/loss": math.nan, "val/math/accuracy": 0.9}), (2, {"val/loss": 2.0, "val/math/accuracy": 0.1})]
    assert select(points, "val/math/accuracy", "max").chosen.step == 2


def test_only_validations_with_the_metric_are_candidates() -> None:
    points = [(10, {"val/loss": 1.0}), (20, {"val/loss": 2.0, "m": 0.1}), (30, {"val/loss": 0.5})]
    assert select(points, "m", "max").chosen.step == 20
    assert select(points, "m", "max").runners_up == ()


def test_until_a_metric_is_recorded_the_latest_checkpoint_is_kept() -> None:
    points = [(10, {"val/loss": 1.0}), (20, {"val/loss": 2.0})]
    assert best_so_far(points, "m", "max", 20) == 20
    assert best_so_far([*points, (30, {"m": 0.1}), (40, {"m": 0.0})], "m", "max", 40) == 30
    with pytest.raises(RunError, match="no finite 'm'"):
        best_so_far([(10, {"m": math.nan})], "m", "max", 10)


def test_a_step_recorded_twice_counts_as_last_recorded() -> None:
    assert select([(5, {"m": 1.0}), (5, {"m": 2.0})], "m", "min").chosen.value == 2.0


@given(st.integers(1, 400), st.integers(1, 90))
def test_every_saved_step_is_logged_and_the_end_is_validated(total: int, every: int) -> None:
    schedule = Schedule(total, every)
    planned = schedule.planned_validations()
    assert planned[-1] == total
    assert all(step % schedule.log_every == 0 for step in planned if step != total)
    assert 1 <= schedule.log_every <= 10


@given(st.integers(1, 400), st.integers(1, 40), st.integers(1, 4))
def test_answers_are_scored_at_some_validations_and_at_the_end(total: int, every: int, times: int) -> None:
    schedule = Schedule(total, every, every * times)
    scored = [step for step in range(1, total + 1) if schedule.generates_at(step)]
    assert set(scored) <= set(schedule.planned_validations())
    assert scored[-1] == total
    assert all(step % (every * times) == 0 for step in scored[:-1])
    assert not any(Schedule(total, every).generates_at(step) for step in scored)
