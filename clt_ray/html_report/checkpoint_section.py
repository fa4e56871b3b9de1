"""The section on seen and unseen languages over the checkpoints of a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import pandas as pd

from clt_ray.analysis.metrics import metric
from clt_ray.html_report.cells import Cell, NumberFormat, text_cell
from clt_ray.html_report.declared_tables import CURVE, Column, Row, Table, TableSpec, counts, estimates
from clt_ray.html_report.sections import Section
from clt_ray.html_report.text import counted, number

_CORRELATION: Final = NumberFormat(2, signed=True)


def _metric_cell(row: Row) -> Cell:
    return text_cell("loss" if row["metric"] == "loss" else metric(row["metric"]).label)


CORRELATIONS: Final = TableSpec(
    "transfer_correlation_over_runs",
    "Rank correlation over checkpoints, per curve",
    "Spearman correlation between the seen and the unseen validation mean over the checkpoints of a run, averaged over "
    "the runs of a curve, with 95% intervals over runs. The checkpoints of one run are not independent: where both "
    "means fall during training, values near 1 are no evidence of transfer, and no p value is given. A value well "
    "below 1 is informative: unseen languages change direction where seen ones do not. ρ of changes: correlation of "
    "the changes from one checkpoint to the next, which a common steady trend does not raise.",
    (
        *CURVE,
        Column("Metric", _metric_cell),
        counts("Runs", "n"),
        counts("Checkpoints", "checkpoints"),
        estimates("Spearman ρ", "spearman", _CORRELATION),
        estimates("ρ of changes", "of_changes", _CORRELATION, "changes_"),
    ),
)


def checkpoint_sections(tables: Mapping[str, pd.DataFrame]) -> list[Section]:
    """Returns one section where runs were validated on seen and unseen languages, else none.

    Args:
        tables: Data frames from `clt_ray.analysis.checkpoint_correlation.checkpoint_tables` by name.
    """
    frame = tables.get("transfer_correlation_checkpoints")
    if frame is None:
        return []
    losses = frame[(frame["metric"] == "loss") & frame["spearman"].notna()]
    if losses.empty:
        return []
    levels, changes = losses["spearman"].median(), losses["of_changes"].median()
    statement = (
        f"Over the checkpoints of {counted(losses['run_id'].nunique(), 'run')}, the validation losses of seen and "
        f"unseen languages have a median rank correlation of {number(levels, 2)}, and their changes from one "
        f"checkpoint to the next of {number(changes, 2)}. Two losses that both fall correlate near 1 for any "
        "languages; the changes are better evidence that they move together."
    )
    shown = checkpoint_correlations(tables["transfer_correlation_over_runs"])
    title = "Do unseen languages follow the seen ones during training?"
    return [Section("checkpoints", "Checkpoints", title, statement, (shown,))]


def checkpoint_correlations(frame: pd.DataFrame) -> Table:
    """Returns the mean rank correlations over the checkpoints of each curve's runs.

    Args:
        frame: From `clt_ray.analysis.checkpoint_correlation.over_runs`.
    """
    return CORRELATIONS.of(frame)
