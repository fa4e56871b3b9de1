"""Sections of the page that exist only where the runs allow them, each with the sentence that it amounts to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import pandas as pd

from clt_ray.analysis import tables
from clt_ray.analysis.curve_labels import CURVE_COLUMNS
from clt_ray.analysis.display_order import language_name
from clt_ray.analysis.false_discovery import FALSE_DISCOVERY_RATE
from clt_ray.analysis.metrics import metric, task_label
from clt_ray.analysis.study import Study
from clt_ray.analysis.tables import MEAN
from clt_ray.report import general_tables as general
from clt_ray.report import repeat_tables as repeated
from clt_ray.report.html_tables import Table
from clt_ray.report.text import counted, enumerated, number, percent

Tables = Mapping[str, pd.DataFrame]

OF_STUDY: tuple[Callable[[Study], pd.DataFrame], ...] = (
    tables.script_by_task,
    tables.leave_one_out,
    tables.noise,
    tables.gain_over_runs,
    tables.gain_over_languages,
    tables.peaks,
    tables.equal_volume,
    tables.source_to_target,
    tables.scale,
    tables.scale_values,
    tables.boundary,
    tables.follow_rates,
)
"""Frames behind the sections, which are written as CSV files under the functions' names."""


@dataclass(frozen=True)
class Section:
    """A part of the page."""

    name: str
    """Its id."""
    title: str
    says: str
    """What its tables amount to."""
    tables: tuple[tuple[str, Table], ...]
    """(words for a folded table, table)."""


def frames(study: Study, scores: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The frames behind the sections, by name.

    Args:
        study: The scores of the tasks' primary metrics.
        scores: All scores, of which language fidelity is one.
    """
    return {table.__name__: table(study) for table in OF_STUDY} | {"fidelity": tables.fidelity(scores)}


def sections(tables: Tables) -> list[Section]:
    """The sections that have anything to show.

    Args:
        tables: From `frames`, with `tables.gain`.
    """
    return [
        section
        for make in (_chance, _leave_one_out, _volume, _sources, _scale, _boundary, _fidelity)
        for section in make(tables)
    ]


def _chance(tables: Tables) -> Iterator[Section]:
    over_runs, noise = tables["gain_over_runs"], tables["noise"]
    if noise.empty:
        return
    says = "How much two runs differ that differ in nothing, and what remains of the findings when that counts."
    keys = ["task", *CURVE_COLUMNS, "samples_per_language", "exposure"]
    last = repeated.at_largest(over_runs)
    means = tables["gain"][tables["gain"]["eval_language"] == MEAN]
    both = last.merge(means[[*keys, "low", "high"]], on=keys, suffixes=("", "_items")).dropna(subset=["low"])
    both = both.dropna(subset=["low_items"]) if both["low_items"].notna().any() else both
    if len(both):
        clear = int(((both["low"] > 0) | (both["high"] < 0)).sum())
        says += f" Of {counted(len(both), 'gain')} at the largest n, "
        if both["low_items"].notna().any():
            held = int(((both["low_items"] > 0) | (both["high_items"] < 0)).sum())
            says += f"all with known item errors, {held} are clear of zero as long as the runs are held fixed, and "
        says += f"{clear} {'is' if clear == 1 else 'are'} when the runs could have come out otherwise."
    yield Section(
        "chance",
        "Would it come out again?",
        says,
        (
            ("Run-to-run noise", repeated.noise(noise)),
            ("Gains with run-to-run noise", repeated.gains_over_runs(over_runs)),
            ("Gains in other languages like these", repeated.gains_over_languages(tables["gain_over_languages"])),
            ("Best runs without their luck", repeated.peaks(tables["peaks"])),
        ),
    )


def _leave_one_out(tables: Tables) -> Iterator[Section]:
    table = tables["leave_one_out"]
    if table.empty:
        return
    last = repeated.at_largest(table)
    signs = (last["gap"] > 0).groupby([last[name] for name in ("task", *CURVE_COLUMNS)], sort=False).nunique()
    steady = int((signs == 1).sum())
    which = "the only curve" if len(signs) == 1 else f"{steady} of {len(signs)} curves"
    does = "keeps" if len(signs) == 1 and steady else "does not keep" if len(signs) == 1 else "keep"
    whole = f"{which[0].upper()}{which[1:]} {does} the sign of the gap between seen and unseen languages whichever "
    yield Section(
        "leave-one-out",
        "Does one language carry the gap?",
        f"{whole}single language is left out.",
        (("Gaps with a language left out", repeated.left_out(table)),),
    )


def _volume(tables: Tables) -> Iterator[Section]:
    table = tables["equal_volume"]
    if table.empty:
        return
    sure = table["q"] < FALSE_DISCOVERY_RATE
    better, worse = (int((sure & (sign * table["difference"] > 0)).sum()) for sign in (1, -1))
    says = (
        "Other languages bring more rows too; here each group is compared with as many more rows of English. Of "
        f"{counted(len(table), 'comparison')}, runs held fixed, languages are better in {better}, worse in {worse}, "
        f"and not told apart from English in {len(table) - better - worse}."
    )
    yield Section("volume", "Languages or volume?", says, (("Against extra English", repeated.controls(table)),))


def _sources(tables: Tables) -> Iterator[Section]:
    table = tables["source_to_target"]
    if table.empty:
        return
    told = []
    for task, rows in repeated.at_largest(table[table["target"] != "en"]).groupby("task", sort=False):
        about = metric(str(rows["metric"].iloc[0]))
        by_route = rows.groupby("route")["gain"].mean() * about.shown_factor
        shown = {route: number(float(value), about.digits, signed=True) for route, value in by_route.items()}
        if len(shown) == 2:
            told.append(f"{task_label(str(task))}: {shown['direct']} in the language trained on, {shown['transfer']} in"
                        " others")  # fmt: skip
    says = "Runs that add one language to English show where each language's samples help. Mean gain at the largest n. "
    matrices = tuple(("Gains", matrix) for matrix in general.source_matrices(table))
    yield Section("sources", "From language to language", f"{says}{'; '.join(told)}.", matrices)


def _scale(tables: Tables) -> Iterator[Section]:
    table = tables["scale"]
    if table["slope"].notna().any():
        known = table[table["slope"].notna()]
        clear = [row["measure"] for row in known.to_dict("records") if row["low"] > 0 or row["high"] < 0]
        named = enumerated([measure.replace("_", " of ") for measure in clear])
        does = f"Size moves {named}." if clear else "No measure moves with size by more than chance allows."
        shown = general.scale(table)
        yield Section("scale", "Scale", f"{does} {known['strength'].iloc[0]}", (("Slopes", shown),))


def _boundary(tables: Tables) -> Iterator[Section]:
    table = tables["boundary"]
    if len(table):
        says = f"{table['verdict'].iloc[0]} {table['strength'].iloc[0]}"
        shown = (("Terms", general.boundary(table)), ("Follow rates", general.rates(tables["follow_rates"])))
        yield Section("boundary", "How far unseen languages follow", says, shown)


def _fidelity(tables: Tables) -> Iterator[Section]:
    table = tables["fidelity"]
    if len(table):
        least = table.sort_values("fidelity", kind="stable").to_dict("records")[0]
        says = (
            f"On average {percent(float(table['fidelity'].mean()))} of outputs are in the right language, at least "
            f"{percent(least['fidelity'])} ({task_label(least['task'])}, {language_name(least['eval_language'])}, "
            f"n = {least['samples_per_language']:,}). Where the share is low, so are scores, whatever the answer."
        )
        yield Section("fidelity", "Language of the answers", says, (("Language fidelity", repeated.fidelity(table)),))
