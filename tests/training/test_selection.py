import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clt_ray.errors import RunError
from clt_ray.training.schedule import Schedule
from clt_ray.training.selection import select

losses = st.floats(0, 10)


@given(st.dictionaries(st.integers(1, 500), losses, min_size=1))
def test_the_chosen_checkpoint_is_the_minimum_recorded_metric(values: dict[int, float]) -> None:
    selection = select([(step, {"val/loss": value}) for step, value in values.items()], "val/loss", "min")
    assert selection.chosen.value == min(values.values())
    assert len(selection.runners_up) == len(values) - 1
    ranked = [selection.chosen.value, *(other.value for other in selection.runners_up)]
    assert ranked == sorted(ranked)


def test_the_earliest_step_wins_a_tie_and_max_is_max() -> None:
    points = [(10, {"m": 0.5}), (20, {"m": 0.5}), (30, {"m": 0.1})]
    assert select(points, "m", "max").chosen.step == 10
    assert select(points, "m", "min").chosen.step == 30


def test_a_non_finite_value_is_never_chosen() -> None:
    points = [(1, {"val/loss": math.nan}), (2, {"val/loss": 3.0}), (3, {"val/loss": -math.inf})]
    assert select(points, "val/loss", "min").chosen.step == 2
    with pytest.raises(RunError, match="no finite"):
        select(points[:1], "val/loss", "min")


def test_a_step_recorded_twice_counts_as_last_recorded() -> None:
    assert select([(5, {"m": 1.0}), (5, {"m": 2.0})], "m", "min").chosen.value == 2.0


@given(st.integers(1, 400), st.integers(1, 90))
def test_every_saved_step_is_logged_and_the_end_is_validated(total: int, every: int) -> None:
    schedule = Schedule(total, every)
    planned = schedule.planned_validations()
    assert planned[-1] == total
    assert all(step % schedule.log_every == 0 for step in planned if step != total)
    assert 1 <= schedule.log_every <= 10
