"""Forest plots of the measures, and the matrix from language to language, in the sections of the page they belong to.

Measures that a table of a few rows says as well (size, terms of the boundary, language fidelity) have no figure here;
`clt_ray.analysis.plots.plot_estimates` draws those too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from clt_ray.analysis.study import Curve
from clt_ray.report.figures import Exhibit, exhibit, of_curves
from clt_ray.report.repeat_tables import at_largest
from clt_ray.report.sections import Section
from clt_ray.report.text import counted, slug

Tables = Mapping[str, pd.DataFrame]


@dataclass(frozen=True)
class Forest:
    """A forest plot that the page shows where its table has rows."""

    table: str
    section: str
    title: str
    caption: str
    largest: bool = True
    """Only the largest n of each curve."""
    of_headline: bool = False
    """Only curves that speak for their task and model."""


ALWAYS = "comparisons"
"""The section that every page has."""
_INTERVALS = "Lines are 95% intervals; marks without one are faint."
FORESTS = (
    Forest("interference", "comparisons", "What mixing tasks costs or brings",
           f"Mixed minus single-task score at equal samples of the task. {_INTERVALS}", largest=False),
    Forest("gain_over_runs", "chance", "Gains if the runs were trained again",
           "Gain at the largest n of each curve. Lines are 95% intervals that also cover training the runs again."),
    Forest("peaks", "chance", "Best runs without their luck",
           "Best run of each curve less n = 0 and less the luck of the best of several. Small numbers: its n.",
           largest=False),
    Forest("leave_one_out", "leave-one-out", "The gap without each language",
           f"Seen minus unseen at the largest n, a language left out. Filled: it was trained on. {_INTERVALS}",
           of_headline=True),
    Forest("equal_volume", "volume", "Languages against extra English",
           f"Score of the language group minus score of the run with as many more English rows. {_INTERVALS}"),
    Forest("follow_rates", "boundary", "How each unseen language follows",
           "Gain of an unseen language per unit gained by the seen ones: 1 is full transfer, 0 none.", largest=False),
)  # fmt: skip


def measure_exhibits(tables: Tables, headline: Sequence[Curve], shown: Sequence[Section]) -> list[Exhibit]:
    """Figures of the measures that the runs allow.

    Args:
        tables: Those of `FORESTS` and `source_to_target`, by name.
        headline: Curves that speak for their task and model.
        shown: Sections that the page has; a figure of another has no place.
    """
    places = {ALWAYS, *(section.name for section in shown)}
    forests = [each for each in FORESTS if each.section in places]
    return [*(found for each in forests for found in _forest(each, tables[each.table], headline)), *_sources(tables)]


def _forest(about: Forest, table: pd.DataFrame, headline: Sequence[Curve]) -> Iterator[Exhibit]:
    """One figure, or one per model where one would be too long; none where that is still so."""
    from clt_ray.analysis.plots import plot_estimates
    from clt_ray.analysis.plots.estimate_rows import fits

    if about.of_headline:
        table = of_curves(table, headline)
    if about.largest and len(table):
        table = at_largest(table)
    if table.empty:
        return
    parts = {"": table} if fits(table) else {str(model): rows for model, rows in table.groupby("model", sort=False)}
    drawn = {model: rows for model, rows in parts.items() if fits(rows)}
    for place, (model, rows) in enumerate(drawn.items()):
        known = rows[rows["low"].notna()]
        clear = int(((known["low"] > 0) | (known["high"] < 0)).sum())
        alt = (
            f"{about.title}: {counted(len(rows), 'estimate')}, {clear} with an interval clear of zero. Numbers in the "
        )
        title = f"{about.title}, {model}" if model else about.title
        name = f"{about.table}_{slug(model)}" if model else about.table
        yield exhibit(plot_estimates(rows), name, about.section, title, about.caption, f"{alt}table.", about.table,
                      folded=place > 0)  # fmt: skip


def _sources(tables: Tables) -> Iterator[Exhibit]:
    from clt_ray.analysis.plots import plot_source_to_target

    table = tables["source_to_target"]
    if table.empty:
        return
    caption = "Gain over n = 0 in each language (columns) when one language is added to English (rows). Blue is gain, "
    caption += "orange loss, hatched was not run; framed is the language trained on. Bold where q is below 5%."
    best = table.sort_values("gain", ascending=False).iloc[0]
    alt = (
        f"Gains from language to language; the largest from {best['source']} to {best['target']}. Numbers in the table."
    )
    yield exhibit(plot_source_to_target(table), "source_to_target", "sources", "Where each language's samples help",
                  caption, alt, "source_to_target")  # fmt: skip
