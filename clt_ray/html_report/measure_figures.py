"""Forest plots of the measures and the matrices from language to language, each in the section it belongs to.

Measures that a table of a few rows shows as well (model size, follow rate by script and family, language fidelity) have
no figure here; `clt_ray.analysis.plots.plot_estimates` draws those too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import pandas as pd

from clt_ray.analysis.display_order import language_name
from clt_ray.analysis.study import Curve
from clt_ray.html_report.declared_tables import excludes_zero
from clt_ray.html_report.figures import Exhibit, Place, Words, exhibit, of_curves
from clt_ray.html_report.robustness_tables import at_largest
from clt_ray.html_report.sections import COMPARISONS, Section
from clt_ray.html_report.text import counted, slug

Tables = Mapping[str, pd.DataFrame]


@dataclass(frozen=True)
class Forest:
    """A forest plot that the page shows where its table has rows."""

    table: str
    """Name of the data frame with the estimates."""
    section: str
    """Name of the section that shows the figure."""
    title: str
    """Heading above the figure."""
    caption: str
    """What is drawn, in full sentences."""
    largest: bool = True
    """Whether only the largest n of each curve is drawn."""
    headline_only: bool = False
    """Whether only the curves that represent their task and model are drawn."""


_INTERVALS: Final = "Lines are 95% intervals; faint marks have none."
FORESTS: Final = (
    Forest("interference", COMPARISONS, "Effect of mixing tasks",
           f"Score of the run on mixed tasks minus score of the single-task run with the same n. {_INTERVALS}",
           largest=False),
    Forest("gain_over_runs", "chance", "Gains with run-to-run noise",
           "Gain at the largest n of each curve. The 95% intervals include run-to-run noise: they cover training the "
           "same runs again."),
    Forest("peaks", "chance", "Gains of the best runs, corrected for selection",
           "Best run of each curve minus n = 0, minus the selection bias of picking the best of several noisy runs. "
           "Small numbers give the n of the best run.",
           largest=False),
    Forest("leave_one_out", "leave-one-out", "Gap between seen and unseen languages with one language left out",
           "Mean of the seen minus mean of the unseen languages at the largest n, without the named language. Filled "
           f"dots: that language is a seen one. {_INTERVALS}",
           headline_only=True),
    Forest("equal_volume", "volume", "Language groups against extra English",
           "Score of the run on the language group minus score of the run with as many additional English rows. "
           f"{_INTERVALS}"),
    Forest("follow_rates", "boundary", "Follow rate of every unseen language",
           "Gain of an unseen language per point gained by the seen languages. 1 is full transfer, 0 is none. "
           f"{_INTERVALS}",
           largest=False),
)  # fmt: skip


def measure_exhibits(tables: Tables, headline: Sequence[Curve], shown: Sequence[Section]) -> list[Exhibit]:
    """Returns the figures of the measures that the runs allow.

    Args:
        tables: The data frames that `FORESTS` names, and `source_to_target`.
        headline: The curves that represent their task and model.
        shown: The page's sections; figures of other sections are left out.
    """
    names = {COMPARISONS, *(section.name for section in shown)}
    forests = [forest for forest in FORESTS if forest.section in names]
    drawn = [figure for forest in forests for figure in _forest(forest, tables[forest.table], headline)]
    return [*drawn, *_sources(tables["source_to_target"])]


def _forest(forest: Forest, table: pd.DataFrame, headline: Sequence[Curve]) -> Iterator[Exhibit]:
    """Yields one figure, or one per model where one would be too long, or none where that is still too long."""
    from clt_ray.analysis.plots import plot_estimates
    from clt_ray.analysis.plots.estimate_rows import fits

    if forest.headline_only:
        table = of_curves(table, headline)
    if forest.largest and len(table):
        table = at_largest(table)
    if table.empty:
        return
    parts = {"": table} if fits(table) else {str(model): rows for model, rows in table.groupby("model", sort=False)}
    drawn = {model: rows for model, rows in parts.items() if fits(rows)}
    for index, (model, rows) in enumerate(drawn.items()):
        clear = sum(map(excludes_zero, rows.to_dict("records")))
        alt = (
            f"{forest.title}: {counted(len(rows), 'estimate')}, of which {clear} with an interval that excludes zero. "
            "The numbers are in the table."
        )
        place = Place(f"{forest.table}_{slug(model)}" if model else forest.table, forest.section, forest.table,
                      folded=index > 0)  # fmt: skip
        title = f"{forest.title}, {model}" if model else forest.title
        yield exhibit(plot_estimates(rows), place, Words(title, forest.caption, alt))


def _sources(table: pd.DataFrame) -> Iterator[Exhibit]:
    from clt_ray.analysis.plots import plot_source_to_target

    if table.empty:
        return
    caption = (
        "Gain over n = 0 in each evaluation language (columns) when one language is added to English (rows). Blue is a "
        "gain, orange a loss; hatched pairs were not run; a frame marks the language trained on. Bold: q is below 5%."
    )
    best = table.sort_values("gain", ascending=False).iloc[0]
    alt = (
        f"Gains from language to language; the largest is from {language_name(best['source'])} to "
        f"{language_name(best['target'])}. The numbers are in the table."
    )
    words = Words("Gain in each language from each training language", caption, alt)
    yield exhibit(plot_source_to_target(table), Place("source_to_target", "sources", "source_to_target"), words)
