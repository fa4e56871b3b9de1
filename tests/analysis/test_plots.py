"""Figures of curves: labels do not overlap, curves have different labels, and every row is drawn."""

from __future__ import annotations

import subprocess
import sys
from itertools import pairwise

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure
from matplotlib.text import Text

from clt_ray.analysis import plots, tables
from clt_ray.analysis.labels import CURVE_COLUMNS, count_label, curve_labels, natural_sort_key
from clt_ray.analysis.loading import load_items, load_scores
from clt_ray.analysis.plots.panels import fitted, spread
from clt_ray.analysis.study import Study
from tests.support.scores import smoke_sweep

positions = st.lists(st.floats(0, 200, allow_nan=False), min_size=1, max_size=8)


@given(positions)
def test_labels_keep_their_distance_and_order(preferred: list[float]) -> None:
    placed = spread(preferred, 10, 0, 200)
    in_order = sorted(placed)
    assert all(after - before >= 10 - 1e-6 for before, after in pairwise(in_order))
    assert min(placed) >= -1e-6 and max(placed) <= 200 + 1e-6
    assert sorted(range(len(preferred)), key=lambda index: (preferred[index], index)) == sorted(
        range(len(placed)), key=lambda index: placed[index]
    )


@given(st.lists(st.floats(0, 200, allow_nan=False), min_size=2, max_size=2))
def test_labels_with_enough_room_are_not_moved(preferred: list[float]) -> None:
    if abs(preferred[0] - preferred[1]) >= 10:
        assert spread(preferred, 10, 0, 200) == pytest.approx(preferred)


def test_names_sort_naturally_and_numbers_are_abbreviated() -> None:
    assert sorted(["m-35b", "m-8b", "m-8.5b"], key=natural_sort_key) == ["m-8b", "m-8.5b", "m-35b"]
    assert [count_label(n) for n in (0, 400, 1000, 1500)] == ["0", "400", "1k", "1.5k"]
    assert fitted("a" * 100, 1.0, 9).endswith("…")


def test_curve_labels_name_only_what_differs() -> None:
    rows = [
        ["tiny", "single", "math", "all", "es+fr"],
        ["tiny", "multi", "summarization+math", "all", "es+fr"],
    ]
    assert list(curve_labels(pd.DataFrame(rows[:1], columns=CURVE_COLUMNS)).values()) == ["tiny"]
    assert list(curve_labels(pd.DataFrame(rows, columns=CURVE_COLUMNS)).values()) == ["single task", "mixed tasks"]
    groups = [["tiny", "single", "math", name, "es+fr"] for name in ("a", "b")]
    assert len(set(curve_labels(pd.DataFrame(groups, columns=CURVE_COLUMNS)).values())) == 2


@pytest.fixture(scope="module")
def study() -> Study:
    scores, items = smoke_sweep(items_per_language=20)
    return Study.of(load_scores(scores), load_items(items))


def texts(figure: Figure) -> set[str]:
    return {artist.get_text() for artist in figure.findobj(Text) if isinstance(artist, Text)}


def test_every_curve_has_a_panel_and_every_line_a_label(study: Study) -> None:
    seen = tables.seen_unseen(study)
    figure = plots.plot_seen_unseen(seen[seen["task"] == "math"])
    assert len(figure.axes) == 3
    assert {"seen", "unseen", "English", "es fr ja zh", "es fr", "mixed tasks"} <= texts(figure)
    assert not any(axis.get_legend() for axis in figure.axes)
    relative = plots.plot_relative_to_english(tables.relative_to_english(study))
    assert {"Math", "Summarization", "Instruction", "English"} <= texts(relative)


def test_panels_of_languages_share_their_scale_and_have_english_names(study: Study) -> None:
    table = tables.per_language(study)
    with pytest.raises(ValueError, match="one curve of one task"):
        plots.plot_per_language(table[table["task"] == "math"])
    figure = plots.plot_per_language(table.query("task == 'math' and language_group == 'all' and setting == 'single'"))
    assert len(figure.axes) == 8
    assert len({axis.get_ylim() for axis in figure.axes}) == 1
    titles = {axis.get_title(loc="left") for axis in figure.axes}
    assert {"Japanese", "Arabic", "English"} <= titles


def test_zero_samples_have_a_separate_place_on_the_axis(study: Study) -> None:
    seen = tables.seen_unseen(study)
    axis = plots.plot_seen_unseen(seen[seen["task"] == "math"]).axes[0]
    zero, fifty, most = (axis.transData.transform((n, 0))[0] for n in (0, 50, 200))
    assert zero < fifty < most
    assert axis.get_xlim()[0] < 0 < axis.get_xlim()[1]


@pytest.mark.parametrize("samples", [[0], [100], [0, 100], [100, 200]])
def test_curves_of_one_or_two_points_are_drawn(study: Study, samples: list[int]) -> None:
    table = tables.seen_unseen(study).query("task == 'math' and language_group == 'all' and setting == 'single'")
    rows = [table.iloc[[0]].assign(samples_per_language=n) for n in samples]
    assert plots.plot_seen_unseen(pd.concat(rows)).axes


@pytest.mark.parametrize("module", ["tables", "loading", "transfer", "reference"])
def test_only_plots_load_matplotlib(module: str) -> None:
    code = (
        f"import sys, clt_ray.analysis.{module}; sys.exit('matplotlib' in sys.modules or 'scipy.stats' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
