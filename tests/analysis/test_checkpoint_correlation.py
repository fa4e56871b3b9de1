"""Tests of the correlation of seen and unseen means over checkpoints on examples computed by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clt_ray.analysis.checkpoint_correlation import over_runs, transfer_correlation_checkpoints
from clt_ray.analysis.rank_correlation import spearman
from clt_ray.analysis.run_log import RunLog, run_log
from clt_ray.html_report.columns import table as shown_table

SEEN, UNSEEN = (2.0, 1.5, 1.2, 1.1), (3.0, 2.6, 2.5, 2.7)
finite = st.floats(-5, 5, allow_nan=False)


def log_of(values: Mapping[str, Sequence[float | None]], seed: int = 0, **changes: Any) -> RunLog:
    """A run of math on Spanish and Japanese with values by `<language>/<metric>`, None where nothing was logged."""
    described = {
        "model": {"name": "tiny"}, "tasks": ["math"], "language_group": "all", "train_languages": ["es", "ja"],
        "samples_per_language": 50, "english_samples": 900, "seed": seed, "training": {"batch_size": 20},
    } | changes  # fmt: skip
    length = len(next(iter(values.values())))
    points = [
        (
            10 * (index + 1),
            {f"val/math/{name}": value for name, series in values.items() if (value := series[index]) is not None},
        )
        for index in range(length)
    ]
    return run_log(described, f"run-{seed}", points)


def around(middle: Sequence[float], shift: float) -> list[float]:
    return [value + shift for value in middle]


def losses() -> dict[str, Sequence[float | None]]:
    """Two seen languages around SEEN and two unseen around UNSEEN; English is in neither mean and falls differently."""
    return {
        "es/loss": around(SEEN, 0.1), "ja/loss": around(SEEN, -0.1), "ar/loss": around(UNSEEN, 0.3),
        "ko/loss": around(UNSEEN, -0.3), "en/loss": (1.0, 9.0, 0.5, 7.0),
    }  # fmt: skip


def test_the_worked_example() -> None:
    (row,) = transfer_correlation_checkpoints([log_of(losses())]).to_dict("records")
    assert row["spearman"] == pytest.approx(0.4)
    assert row["of_changes"] == pytest.approx(1.0)
    assert (row["n"], row["first_step"], row["last_step"], row["metric"]) == (4, 10, 40, "loss")
    assert (row["seen_languages"], row["unseen_languages"]) == ("es+ja", "ar+ko")


def test_unrelated_falling_losses_correlate_in_levels_but_not_in_changes() -> None:
    rng = np.random.default_rng(3)
    levels, changes = [], []
    for seed in range(40):
        paths = np.cumsum(-rng.exponential(1, (2, 30)), axis=1)
        (row,) = transfer_correlation_checkpoints([log_of({"es/loss": paths[0], "ar/loss": paths[1]}, seed)]).to_dict(
            "records"
        )
        levels.append(row["spearman"])
        changes.append(row["of_changes"])
    assert min(levels) == pytest.approx(1)
    assert abs(np.mean(changes)) < 0.1


def test_a_checkpoint_without_all_languages_is_left_out() -> None:
    values = losses() | {"ko/loss": [2.7, float("nan"), 2.2, 2.4]}
    (row,) = transfer_correlation_checkpoints([log_of(values)]).to_dict("records")
    assert row["n"] == 3


def test_metrics_of_generated_answers_have_their_own_rows() -> None:
    values = losses()
    values |= {"es/accuracy": [0.1, None, 0.3, 0.4], "ar/accuracy": [0.1, None, 0.2, 0.3]}
    table = transfer_correlation_checkpoints([log_of(values)])
    assert list(table["metric"]) == ["loss", "accuracy"]
    assert list(table["n"]) == [4, 3]
    assert table["spearman"].iloc[1] == pytest.approx(1)


@pytest.mark.parametrize("trained", [[], ["en"], ["es", "ja", "ar", "ko"]])
def test_runs_without_seen_or_unseen_languages_have_no_row(trained: list[str]) -> None:
    table = transfer_correlation_checkpoints([log_of(losses(), train_languages=trained)])
    assert table.empty and over_runs(table).empty
    assert not shown_table("transfer_correlation_over_runs", over_runs(table)).rows


def test_runs_with_two_checkpoints_have_no_row() -> None:
    assert transfer_correlation_checkpoints([log_of({name: series[:2] for name, series in losses().items()})]).empty


def test_intervals_are_over_runs() -> None:
    rising = losses() | {"ar/loss": SEEN[::-1], "ko/loss": SEEN[::-1]}
    table = transfer_correlation_checkpoints([log_of(losses()), log_of(losses(), 1), log_of(rising, 2)])
    (row,) = over_runs(table).to_dict("records")
    values = np.array([0.4, 0.4, -1.0])
    half = 4.302653 * values.std(ddof=1) / 3**0.5
    assert row["spearman"] == pytest.approx(values.mean())
    assert row["low"] == pytest.approx(-1) and row["high"] == pytest.approx(min(values.mean() + half, 1))
    assert (row["n"], row["checkpoints"], row["run_ids"]) == (3, 12, "run-0+run-1+run-2")
    (cells,) = shown_table("transfer_correlation_over_runs", over_runs(table)).rows
    assert cells[7].text == "−0.07" and cells[7].note == "−1.00 to 1.00"


def test_runs_with_equal_correlations_have_no_interval() -> None:
    table = transfer_correlation_checkpoints([log_of(losses(), seed) for seed in range(4)])
    (row,) = over_runs(table).to_dict("records")
    assert row["spearman"] == pytest.approx(0.4) and np.isnan(row["low"])


@given(st.lists(st.tuples(finite, finite), min_size=3, max_size=12))
def test_a_correlation_is_symmetric_and_changes_its_sign_with_one_variable(pairs: list[tuple[float, float]]) -> None:
    left, right = (np.array(side) for side in zip(*pairs, strict=True))
    rho = spearman(left, right)
    assert np.isnan(rho) or -1 <= rho <= 1
    assert spearman(right, left) == pytest.approx(rho, nan_ok=True)
    assert spearman(left, -right) == pytest.approx(-rho, nan_ok=True)
