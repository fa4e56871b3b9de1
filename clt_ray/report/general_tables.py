"""Tables of the page about what holds beyond single curves: from language to language, model size, unseen languages."""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd

from clt_ray.analysis.display_order import language_name, language_order
from clt_ray.analysis.false_discovery import FALSE_DISCOVERY_RATE
from clt_ray.analysis.metrics import metric, task_label
from clt_ray.report.html_tables import Cell, Table, count, curve_cells, is_clear, quantity, text
from clt_ray.report.text import NOTHING, number

_MEASURES: Final = {
    "gain_seen": "Gain of seen languages, points of 100",
    "gain_unseen": "Gain of unseen languages, points of 100",
    "gap": "Seen − unseen, points of 100",
    "plateau": "Samples at the plateau, factor",
}
_TERMS: Final = {
    "neither": "Shares neither script nor family",
    "script": "Shares the script: more by",
    "family": "Shares the family: more by",
}


def source_matrices(table: pd.DataFrame) -> tuple[Table, ...]:
    """Gains from every training language to every evaluation language, a matrix per task, model and setting."""
    found = []
    for (task, model, setting), rows in table.groupby(["task", "model", "setting"], sort=False):
        # Sources must be compared at one n.
        shared = rows.groupby("samples_per_language")["source"].nunique()
        samples = int(shared.index[shared == shared.max()].max())
        part = rows[rows["samples_per_language"] == samples]
        about = metric(str(part["metric"].iloc[0]))
        cells = {(row["source"], row["target"]): row for row in part.to_dict("records")}
        most = float(part["gain"].abs().max()) or 1.0
        targets = sorted(part["target"].unique(), key=language_order)
        lines = []
        for source in sorted(part["source"].unique(), key=language_order):
            line = [text(language_name(source))]
            for target in targets:
                row = cells.get((source, target))
                line.append(
                    Cell(NOTHING, -np.inf, numeric=True)
                    if row is None
                    else quantity(row["gain"], row["low"], row["high"], about.shown_factor, about.digits, signed=True,
                                  strong=row["q"] < FALSE_DISCOVERY_RATE, heat=row["gain"] / most)
                )  # fmt: skip
            lines.append(tuple(line))
        kind = ", mixed tasks" if setting == "multi" else ""
        caption = (
            f"{task_label(str(task))}, {model}{kind}, n = {samples:,}: gain over n = 0 in {about.unit}. Rows: the "
            "language added to English. Columns: the language tested. Bold where q is below 5%."
        )
        heads = ("Trained on", *map(language_name, targets))
        found.append(Table("source_to_target", caption, heads, tuple(lines)))
    return tuple(found)


def scale(table: pd.DataFrame) -> Table:
    """What tenfold parameters change."""
    rows = []
    for row in table[table["slope"].notna()].to_dict("records"):
        measure = row["measure"]
        if measure == "plateau":
            note = "" if np.isnan(row["low"]) else f"{_factor(row['low'])} to {_factor(row['high'])}"
            slope = Cell(_factor(row["slope"]), row["slope"], note, is_clear(row), numeric=True)
        else:
            slope = quantity(row["slope"], row["low"], row["high"], 100, 1, signed=True, strong=is_clear(row))
        r2 = Cell(number(row["r2"], 2), row["r2"] if np.isfinite(row["r2"]) else -np.inf, numeric=True)
        rows.append((text(_MEASURES.get(measure, measure)), slope, count(row["n"]), r2))
    caption = (
        "One model over all tasks: the change of a measure when the model has ten times the parameters. R²: predicting "
        "each model from the others, against the mean of the others; below 0, size does not help to predict."
    )
    return Table("scale", caption, ("Measure", "Per tenfold parameters", "Curves", "R² out of sample"), tuple(rows))


def boundary(table: pd.DataFrame) -> Table:
    """What script and family add to how an unseen language follows."""
    rows = [
        (text(_TERMS.get(row["term"], row["term"])), quantity(row["estimate"], row["low"], row["high"], 1, 2))
        for row in table.to_dict("records")
    ]
    caption = "Follow rate: gain of an unseen language per point gained by the seen ones. 1 is full transfer, 0 none."
    return Table("boundary", caption, ("Unseen language", "Follow rate"), tuple(rows))


def rates(table: pd.DataFrame) -> Table:
    """The follow rate of every unseen language in every curve."""
    rows = []
    for row in table.to_dict("records"):
        shares = [name for name in ("script", "family") if row[f"shares_{name}"]]
        cells = (text(row["language_group"]), text(language_name(row["eval_language"])))
        rate = quantity(row["follow_rate"], row["low"], row["high"], 1, 2, strong=is_clear(row))
        rows.append((*curve_cells(row)[:3], *cells, text(" and ".join(shares) or "neither"), rate))
    caption = (
        "Curves whose seen languages gain more than noise. Shares: what the language has in common with a training "
        "language, English included. Bold where the interval excludes zero."
    )
    heads = ("Task", "Model", "Setting", "Group", "Unseen language", "Shares", "Follow rate")
    return Table("follow_rates", caption, heads, tuple(rows))


def _factor(log: float) -> str:
    value = 10**log
    return "× < 0.01" if value < 0.005 else f"× {number(value, 0 if value >= 10 else 2)}"
