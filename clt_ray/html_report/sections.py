"""Sections of the page: title, a statement of what the tables show, and the tables. `words.yaml` declares them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

import pandas as pd

from clt_ray.analysis.claims import SUPPORTED
from clt_ray.analysis.gradient_agreement import WITHIN_LANGUAGE, WITHIN_TASK
from clt_ray.analysis.labels import language_name
from clt_ray.analysis.loss_trajectories import FALLING
from clt_ray.analysis.mechanisms import ALL_TASKS, LOSS_DIFFERENCE
from clt_ray.analysis.metrics import metric, task_label
from clt_ray.analysis.study import ENGLISH
from clt_ray.analysis.tables import MEAN
from clt_ray.html_report.columns import Table, excludes_zero, is_discovery, table
from clt_ray.html_report.tables import CURVE, Tables, at_largest, fidelity, languages, left_out
from clt_ray.html_report.text import counted, number, percent, words


@dataclass(frozen=True)
class Section:
    """A section of the page."""

    name: str
    """Its anchor in the page."""
    label: str
    """Its name in the table of contents."""
    title: str
    statement: str
    """What the tables show, or why there are none; empty where figures and captions suffice."""
    tables: tuple[Table, ...]
    """Its tables; those without rows are not shown."""
    figures: tuple[str, ...] = ()
    """Groups of figures that it shows; by default the group of its own name."""

    @classmethod
    def of(cls, name: str, *tables: Table, values: Mapping[Any, object] | None = None) -> Self:
        """Returns a section with the texts that `words.yaml` has for it, and values for the places in its statement."""
        texts = words()["sections"][name]
        statement = texts.get("statement", "") if any(table.rows for table in tables) else texts.get("empty", "")
        statement = " ".join(statement.format_map(values or {}).split())
        return cls(name, texts["label"], texts["title"], statement, tables, tuple(texts.get("figures", ())))


def sections(tables: Tables) -> list[Section]:
    """Returns the sections that have anything to show; measures that `tables` lacks have nothing to show."""
    shown = []
    for name, declared in words()["sections"].items():
        known = [table_name for table_name in declared.get("tables", ()) if len(tables.get(table_name, ()))]
        parts = [_table(table_name, tables[table_name]) for table_name in known]
        if any(part.rows for part in parts):
            values = _VALUES[name](tables) if name in _VALUES else {}
            shown += [] if values is None else [Section.of(name, *parts, values=values)]
        elif "figures" in declared or "empty" in declared:
            shown.append(Section.of(name, *parts))
        if name == "english" and "per_language" in tables:
            scores = tables["per_language"]
            for index, task in enumerate(scores["task"].unique(), 1):
                label = task_label(task)
                shown.append(Section(f"task-{index}", label, label, "", (languages(scores, task),), (task,)))
    return shown


def _table(name: str, frame: pd.DataFrame) -> Table:
    if name in ("leave_one_out", "fidelity"):
        return left_out(frame) if name == "leave_one_out" else fidelity(frame)
    if name in ("gain_over_runs", "source_to_target"):
        frame = at_largest(frame)
    elif name == "script_effect":
        # Only the interactions of language group and script, not the gains they are computed from.
        frame = frame[frame["effect"] == "interaction"]
    elif name == "script_by_task":
        frame = at_largest(frame, [*CURVE, "against"])
    elif name == "association":
        frame = frame[frame["spearman"].notna()]
    return table(name, frame)


def _claims(tables: Tables) -> dict[str, object] | None:
    claims = tables["claims"]
    # Without a recomputed number, the scores are those of other runs than the reference study's.
    if not claims["recomputed"].notna().any():
        return None
    ordered = sorted(claims["verdict"].value_counts().items(), key=lambda item: item[0] != SUPPORTED)
    verdicts = ", ".join(f"{count} {verdict}" for verdict, count in ordered)
    return {"claims": counted(len(claims), "claim"), "verdicts": verdicts}


def _clear_gains(tables: Tables) -> dict[str, object] | None:
    if tables["noise"].empty:
        return None
    keys = [*CURVE, "samples_per_language", "exposure"]
    means = tables["gain"][tables["gain"]["eval_language"] == MEAN].set_index(keys)[["low", "high"]]
    gains = at_largest(tables["gain_over_runs"]).join(means.add_prefix("items_"), on=keys, how="inner")
    gains = gains.dropna(subset=["low"])
    with_items = bool(gains["items_low"].notna().any())
    rows = (gains.dropna(subset=["items_low"]) if with_items else gains).to_dict("records")
    if not rows:
        return {"gains": ""}
    clear, fixed = sum(map(excludes_zero, rows)), sum(excludes_zero(row, "items_") for row in rows)
    sentence = words()["sections"]["chance"]["sentences"]["with_items" if with_items else "without_items"]
    have = "has" if clear == 1 else "have"
    return {"gains": sentence.format(gains=counted(len(rows), "gain"), fixed=fixed, clear=clear, have=have)}


def _steady_gaps(tables: Tables) -> dict[str, object]:
    last = at_largest(tables["leave_one_out"])
    signs = (last["gap"] > 0).groupby([last[name] for name in CURVE], sort=False).nunique()
    steady = int((signs == 1).sum())
    if len(signs) == 1:
        return {"curves": f"The only curve {'keeps' if steady else 'does not keep'}"}
    return {"curves": f"{f'{steady} of' if steady < len(signs) else 'All'} {len(signs)} curves keep"}


def _equal_volume(tables: Tables) -> dict[str, object]:
    rows = tables["equal_volume"]
    clear = rows[[is_discovery(row) for row in rows.to_dict("records")]]
    better, worse = int((clear["difference"] > 0).sum()), int((clear["difference"] < 0).sum())
    others = len(rows) - better - worse
    return {"comparisons": counted(len(rows), "comparison"), "better": better, "worse": worse, "others": others}


def _gains_by_route(tables: Tables) -> dict[str, object]:
    frame, means = tables["source_to_target"], []
    for task, rows in at_largest(frame[frame["target"] != ENGLISH]).groupby("task", sort=False):
        gain_metric = metric(str(rows["metric"].iloc[0]))
        by_route = rows.groupby("route")["gain"].mean() * gain_metric.shown_factor
        shown = {route: number(float(value), gain_metric.digits, signed=True) for route, value in by_route.items()}
        if len(shown) == 2:
            means.append(f"{task_label(str(task))} {shown['direct']} in the training language and {shown['transfer']} "
                         "in the others")  # fmt: skip
    return {"means": f"Mean gain at the largest n: {'; '.join(means)}." if means else ""}


def _median_follow_rates(tables: Tables) -> dict[str, str]:
    frame = tables["follow_rates"]
    rates, unseen = counted(len(frame), "rate"), counted(frame["eval_language"].nunique(), "unseen language")
    # Tasks differ more than languages do, so that a median over all of them would describe none.
    by_task = frame.groupby("task", sort=False)["follow_rate"].median()
    medians = ", ".join(f"{number(float(rate), 2)} in {task_label(str(task))}" for task, rate in by_task.items())
    return {"medians": medians, "rates": rates, "languages": unseen}


def _least_fidelity(tables: Tables) -> dict[str, str]:
    shares = tables["fidelity"]
    least = shares.sort_values("fidelity", kind="stable").to_dict("records")[0]
    values = {"task": task_label(least["task"]), "language": language_name(least["eval_language"])}
    values |= {"samples": f"{least['samples_per_language']:,}", "least": percent(least["fidelity"])}
    return values | {"mean": percent(float(shares["fidelity"].mean()))}


def _median_correlations(tables: Tables) -> dict[str, object] | None:
    frame = tables["transfer_correlation_checkpoints"]
    losses = frame[(frame["metric"] == "loss") & frame["spearman"].notna()]
    if losses.empty:
        return None
    levels, changes = (number(losses[name].median(), 2) for name in ("spearman", "of_changes"))
    return {"levels": levels, "changes": changes, "runs": counted(losses["run_id"].nunique(), "run")}


def _mechanisms(tables: Tables) -> dict[str, str]:
    sentences: dict[str, str] = words()["sections"]["mechanisms"]["sentences"]
    values = dict.fromkeys(("losses", "cosines", "association"), "")
    turns = tables["turning_points"]
    both = turns[(turns["setting"] == "multi") & turns["alone_course"].notna() & (turns["exposure"] != "unseen")]
    if len(both):
        stalled = int(((both["course"] != FALLING) & (both["alone_course"] == FALLING)).sum())
        losses = counted(len(both), "validation loss", "validation losses")
        values["losses"] = sentences["losses"].format(losses=losses, stalled=stalled)
    agreement = tables["gradient_agreement"]
    means = agreement[agreement["setting"] == "multi"].groupby("relation")["cosine"].mean()
    if {WITHIN_TASK, WITHIN_LANGUAGE} <= set(means.index):
        task, language = (number(float(means[kind]), 2) for kind in (WITHIN_TASK, WITHIN_LANGUAGE))
        values["cosines"] = sentences["cosines"].format(task=task, language=language)
    frame = tables["association"]
    of_losses = frame[(frame["task"] == ALL_TASKS) & (frame["outcome"] == LOSS_DIFFERENCE)]
    for row in of_losses.dropna(subset=["spearman"]).to_dict("records"):
        sentence = sentences["association" if excludes_zero(row) else "no_association"]
        change, cases = "less" if row["high"] < 0 else "more", counted(int(row["n"]), "case")
        values["association"] = sentence.format(change=change, cases=cases)
    return values


_VALUES: Final[dict[str, Callable[[Tables], Mapping[Any, object] | None]]] = {
    "claims": _claims, "chance": _clear_gains, "leave-one-out": _steady_gaps, "volume": _equal_volume,
    "sources": _gains_by_route, "follow-rates": _median_follow_rates,
    "fidelity": _least_fidelity, "checkpoints": _median_correlations, "mechanisms": _mechanisms,
}  # fmt: skip
"""Functions that fill the places in the statement of a section; None leaves the section out."""
