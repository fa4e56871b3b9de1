"""The part of the page about seen and unseen languages over the checkpoints of a run."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from clt_ray.analysis.metrics import metric
from clt_ray.report.html_tables import Table, count, curve_cells, quantity, text
from clt_ray.report.sections import Section
from clt_ray.report.text import counted, number


def checkpoint_sections(tables: Mapping[str, pd.DataFrame]) -> list[Section]:
    """One section where runs were validated on seen and unseen languages, else none.

    Args:
        tables: From `clt_ray.analysis.checkpoint_correlation.frames`.
    """
    table = tables.get("transfer_correlation_checkpoints")
    if table is None:
        return []
    losses = table[(table["metric"] == "loss") & table["spearman"].notna()]
    if losses.empty:
        return []
    levels, changes = losses["spearman"].median(), losses["of_changes"].median()
    says = (
        f"Over the checkpoints of {counted(losses['run_id'].nunique(), 'run')}, the validation losses of seen and "
        f"unseen languages have a median rank correlation of {number(levels, 2)}, their changes from one checkpoint to "
        f"the next one of {number(changes, 2)}. Losses that both fall correlate near 1 whatever the languages; the "
        "changes say more of whether they move together."
    )
    shown = checkpoint_correlations(tables["transfer_correlation_over_runs"])
    return [Section("checkpoints", "Do unseen languages follow while a run trains?", says, (("Per curve", shown),))]


def checkpoint_correlations(table: pd.DataFrame) -> Table:
    """Mean rank correlation over the checkpoints of a curve's runs.

    Args:
        table: From `clt_ray.analysis.checkpoint_correlation.over_runs`.
    """
    rows = []
    for row in table.to_dict("records"):
        name = "loss" if row["metric"] == "loss" else metric(row["metric"]).label
        levels = quantity(row["spearman"], row["low"], row["high"], 1, 2, signed=True)
        changes = quantity(row["of_changes"], row["changes_low"], row["changes_high"], 1, 2, signed=True)
        rows.append((*curve_cells(row), text(name), count(row["n"]), count(row["checkpoints"]), levels, changes))
    caption = (
        "Spearman correlation of the seen and the unseen validation mean over the checkpoints of a run, averaged over "
        "the runs of a curve, with 95% intervals over runs. Checkpoints of one run are not independent: where both "
        "means fall while it trains, values near 1 are no evidence of transfer, and there is no p value. A value well "
        "below 1 is informative: unseen languages turn where seen ones do not. Changes ρ: correlation of the changes "
        "from one checkpoint to the next, which a common steady trend does not reach."
    )
    heads = ("Task", "Model", "Setting", "Trained on", "Metric", "Runs", "Checkpoints", "Spearman ρ", "Changes ρ")
    return Table("transfer_correlation_over_runs", caption, heads, tuple(rows))
