"""Forest plots and gain matrices draw and name every row at the position of its numbers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.text import Text

from clt_ray.analysis import tables
from clt_ray.analysis.labels import CURVE_COLUMNS
from clt_ray.analysis.loading import load_items, load_scores
from clt_ray.analysis.plots import plot_estimates, plot_source_to_target
from clt_ray.analysis.plots.estimate_rows import MOST_LINES
from clt_ray.analysis.reference import reference_scores
from clt_ray.analysis.study import Study
from clt_ray.errors import ConfigurationError
from tests.support.scores import full_sweep

Make = Callable[[Study], pd.DataFrame]


@pytest.fixture(scope="module")
def scores() -> pd.DataFrame:
    return load_scores(full_sweep()[0])


@pytest.fixture(scope="module")
def rich(scores: pd.DataFrame) -> Study:
    return Study.of(scores, load_items(full_sweep()[1]), draws=200)


@pytest.fixture(scope="module")
def published() -> Study:
    return Study.of(reference_scores(), draws=200)


def marks(axis: Axes) -> list[tuple[float, float]]:
    """Returns the positions of the dots of a panel."""
    dots = [line.get_xydata() for line in axis.get_lines() if line.get_marker() == "o"]
    return [(float(dot[0, 0]), float(dot[0, 1])) for dot in map(np.asarray, dots)]


def intervals(axis: Axes) -> list[tuple[float, float]]:
    """Returns the ends of the drawn intervals."""
    collections = [artist for artist in axis.collections if isinstance(artist, LineCollection)]
    return [(float(line[0][0]), float(line[1][0])) for artist in collections for line in artist.get_segments()]


def best_runs(study: Study) -> pd.DataFrame:
    """Returns the row with the largest gain of each curve and exposure, so that n varies but names no row."""
    gains = tables.gain_over_runs(study)
    return gains.loc[gains.groupby([*CURVE_COLUMNS, "task", "exposure"], sort=False)["gain"].idxmax()]


def words(figure: Figure) -> set[str]:
    """Returns all texts of a figure."""
    return {artist.get_text() for artist in figure.findobj(Text) if isinstance(artist, Text)}


@pytest.mark.parametrize(
    "make",
    [
        tables.equal_volume,
        tables.gain_over_runs,
        tables.script_by_task,
        tables.follow_rates,
        tables.transfer_correlation,
        tables.relative_to_english,
        lambda study: tables.gain(study).query("samples_per_language == 400 and eval_language != 'mean'"),
    ],
)
def test_every_estimate_of_a_measure_has_its_mark(make: Make, rich: Study) -> None:
    table = make(rich)
    if "model" in table:
        table = table[table["model"] == "toy-3b"]
    figure = plot_estimates(table)
    assert len(table) == sum(len(marks(axis)) for axis in figure.axes) > 0


@pytest.mark.parametrize("make", [tables.interference, tables.plateau])
def test_measures_that_the_reference_study_allows(make: Make, published: Study) -> None:
    table = make(published)
    figure = plot_estimates(table)
    drawn = sum(len(marks(axis)) for axis in figure.axes)
    assert drawn == np.isfinite(table[make.__name__]).sum() > 0


def test_marks_are_at_the_values_in_the_metrics_unit(rich: Study) -> None:
    table = tables.equal_volume(rich).query("task == 'math' and samples_per_language == 400")
    (axis,) = plot_estimates(table).axes
    assert sorted(x for x, _ in marks(axis)) == pytest.approx(sorted(100 * table["difference"]))
    ends = np.clip(100 * table[["low", "high"]].to_numpy(), *axis.get_xlim())
    assert np.array(sorted(intervals(axis))) == pytest.approx(np.array(sorted(map(tuple, ends))))
    assert any(np.array_equal(np.asarray(line.get_xdata()), [0, 0]) for line in axis.get_lines()), (
        "the line of no difference"
    )


def test_rows_keep_the_order_of_the_table_and_exposures_share_a_line(rich: Study) -> None:
    table = tables.gain_over_runs(rich).query("samples_per_language == 400 and model == 'toy-1b' and task == 'math'")
    figure = plot_estimates(table)
    (axis,) = figure.axes
    curves = dict.fromkeys(row.replace("+", " ") for row in table["train_languages"])
    assert [text.get_text() for text in axis.texts if text.get_text() in curves] == list(curves)
    rows = pd.Series([round(y) for _, y in marks(axis)])
    assert (rows.value_counts() == 2).all() and rows.nunique() == 5
    assert {
        line.get_markerfacecolor() != line.get_color() for line in axis.get_lines() if line.get_marker() == "o"
    } == {
        True,
        False,
    }


def test_curves_are_headings_of_the_lines_they_are_split_into(rich: Study) -> None:
    table = tables.leave_one_out(rich).query("model == 'toy-1b' and samples_per_language == 400 and task == 'math'")
    texts = words(plot_estimates(table))
    assert {"es fr ja zh", "without Spanish", "without Korean"} <= texts
    assert not any("n =" in text for text in texts), "n is the same everywhere"


def test_the_n_of_a_best_run_is_written_beside_its_mark_and_names_no_row(published: Study) -> None:
    figure = plot_estimates(best_runs(published))
    assert {"5k", "400", "aya-23-7b, es fr ja zh"} <= words(figure)
    assert len(figure.axes) == 3
    assert max(y for axis in figure.axes for _, y in marks(axis)) < 7


def test_an_estimate_without_an_interval_is_faint_and_an_infinite_one_is_an_arrow(published: Study) -> None:
    table = best_runs(published).query("task == 'math'").assign(low=np.nan, high=np.nan)
    figure = plot_estimates(table)
    assert not intervals(figure.axes[0])
    assert {line.get_alpha() for line in figure.axes[0].get_lines() if line.get_marker() == "o"} == {0.45}
    assert any("faint" in text and "interval" in text for text in words(figure))
    plateaus = tables.plateau(published).assign(plateau=np.inf)
    assert not any(marks(axis) for axis in plot_estimates(plateaus).axes)


def test_a_wide_interval_is_cut_with_an_arrow_so_that_the_others_stay_readable(rich: Study) -> None:
    table = tables.equal_volume(rich).query("task == 'math' and samples_per_language == 400").reset_index(drop=True)
    table.loc[0, ["low", "high"]] = [-50.0, 50.0]
    (axis,) = plot_estimates(table).axes
    assert axis.get_xlim()[1] < 500
    assert {"<", ">"} <= {line.get_marker() for line in axis.get_lines()}


def test_a_named_column_is_drawn_with_its_own_interval_columns(rich: Study) -> None:
    table = tables.seen_unseen(rich).query("model == 'toy-1b' and samples_per_language == 400 and task == 'math'")
    (axis,) = plot_estimates(table, "gap").axes
    known = table.dropna(subset=["gap"])
    assert [x for x, _ in marks(axis)] == pytest.approx(list(100 * known["gap"]))
    assert [low for low, _ in intervals(axis)] == pytest.approx(list(100 * known["gap_low"]))


def test_gains_by_script_and_their_interaction_have_different_labels(published: Study) -> None:
    table = tables.script_effect(published).query("samples_per_language == 5000 and task == 'math'")
    gains = words(plot_estimates(table[table["effect"] == "gain"]))
    assert {"accuracy, gain over n = 0", "Latin script", "other scripts"} <= gains
    interaction = words(plot_estimates(table[table["effect"] == "interaction"]))
    assert {"accuracy, Latin − other scripts", "against non_latin"} <= interaction


def test_fidelity_is_shown_in_percent(scores: pd.DataFrame) -> None:
    table = tables.fidelity(scores).query("model == 'toy-1b' and samples_per_language == 0 and seed == '0'")
    figure = plot_estimates(table)
    assert {"Japanese", "answers in the right language"} <= words(figure)
    assert max(x for x, _ in marks(figure.axes[0])) == 100


def test_tables_that_cannot_be_drawn_are_refused_with_a_remedy(published: Study) -> None:
    table = tables.leave_one_out(published)
    with pytest.raises(ConfigurationError, match=f"more than the {MOST_LINES}.*\n.*samples_per_language"):
        plot_estimates(table)
    with pytest.raises(ConfigurationError, match="no estimates to draw"):
        plot_estimates(table.iloc[:0])
    with pytest.raises(ConfigurationError, match="value = 'gian': is no column"):
        plot_estimates(table, "gian")
    with pytest.raises(ConfigurationError, match="table = 'low': is missing"):
        plot_estimates(table[["model", "task", "gap"]])
    rows = best_runs(published)
    with pytest.raises(ConfigurationError, match="differ only in their numbers"):
        plot_estimates(pd.concat([rows, rows]))


def test_a_matrix_shows_each_gain_once_and_hatches_missing_runs(rich: Study) -> None:
    whole = tables.source_to_target(rich).query("model == 'toy-3b' and task == 'math'")
    table = whole[(whole["source"] != "es") | (whole["target"] != "ko")]
    (axis,) = plot_source_to_target(table).axes
    largest = table[table["samples_per_language"] == 400]
    numbers = [text.get_text() for text in axis.texts if text.get_text().lstrip("+−").isdigit()]
    assert len(numbers) == len(largest) == 15
    shown = [f"{round(100 * value):+d}".replace("-", "−") if round(100 * value) else "0" for value in largest["gain"]]
    assert sorted(numbers) == sorted(shown)
    hatched = [patch for patch in axis.patches if isinstance(patch, Rectangle) and patch.get_hatch()]
    assert [patch.get_xy() for patch in hatched] == [(6, 0)]
    assert [label.get_text() for label in axis.get_yticklabels()] == ["Spanish", "Japanese"]


def test_training_languages_are_compared_at_an_n_that_they_share(rich: Study) -> None:
    whole = tables.source_to_target(rich).query("model == 'toy-3b' and task == 'math'")
    table = whole[(whole["source"] != "es") | (whole["samples_per_language"] == 100)]
    assert any("n = 100" in text for text in words(plot_source_to_target(table)))
    with pytest.raises(ConfigurationError, match="no runs that add a single language"):
        plot_source_to_target(table.iloc[:0])
