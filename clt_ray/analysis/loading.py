"""Scores and item scores as validated tidy frames.

A scores file has one row per measurement: a run, in a task and language, by a metric. Item files have one row per
test item of a measurement. Whatever comes in (a CSV file, rows of a tracker, a frame) leaves with these columns and
types, or not at all: all that is wrong is raised at once.

    >>> load_scores("scores.csv")[["run_id", "samples_per_language", "score"]].head(1)
                 run_id  samples_per_language  score
    0  3f0c9a6be2d14c77                   200   0.43

A run with n = 0 has no training languages. Its language group is "none": it is the origin of every group's series. In
published results, which may repeat it per group, it may carry a group's name: then it is the origin of that group.

An equal-volume control has `en` alone as its training languages and the group `english:k`: English in place of n rows
in each of k languages. It is compared with runs of the same n whose group has k languages.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
import pandas as pd

from clt_ray.errors import ConfigurationError, Problem
from clt_ray.scorers import declared_metrics
from clt_ray.suggest import nearest

Source: TypeAlias = str | Path | pd.DataFrame | Iterable[Mapping[str, Any]]

TEXT: Final = "text"
OPTIONAL_TEXT: Final = "text or empty"
COUNT: Final = "a whole number of at least 0"
ITEMS: Final = "a whole number of at least 1"
NUMBER: Final = "a number"
OPTIONAL_NUMBER: Final = "a number of at least 0, or empty"

SCORE_COLUMNS: Final = {
    "run_id": TEXT,
    "model": TEXT,
    "setting": TEXT,
    "task": TEXT,
    "language_group": TEXT,
    "train_languages": OPTIONAL_TEXT,
    "samples_per_language": COUNT,
    "seed": COUNT,
    "eval_language": TEXT,
    "metric": TEXT,
    "score": NUMBER,
    "stderr": OPTIONAL_NUMBER,
    "n_items": ITEMS,
}
ITEM_COLUMNS: Final = {
    "run_id": TEXT,
    "task": TEXT,
    "eval_language": TEXT,
    "metric": TEXT,
    "item_id": TEXT,
    "score": NUMBER,
}
RUN_COLUMNS: Final = (
    "model", "setting", "language_group", "train_languages", "samples_per_language", "seed",
)  # fmt: skip
"""Columns that are facts of the run, so the same in all its rows."""

CELL: Final = ("run_id", "task", "eval_language", "metric")
SETTINGS: Final = ("single", "multi")
_SHOWN_ROWS: Final = 3
"""Bad rows listed per column; the rest are counted."""


def load_scores(source: Source) -> pd.DataFrame:
    """Scores as a tidy frame, one row per measurement.

    Args:
        source: A CSV file (path or URI), a frame, or rows as mappings.

    Returns:
        The columns of `SCORE_COLUMNS` in that order, typed; equal rows (left by a resume) once.

    Raises:
        ConfigurationError: Every problem, each with file, row and column: no rows, missing or unknown columns, values
            of the wrong type or outside the metric's range, two scores for one measurement, a run that contradicts
            itself.
    """
    where, frame = _read(source, "scores")
    frame = _typed(frame, SCORE_COLUMNS, where)
    problems = [*_settings(frame, where), *_languages(frame, where), *_ranges(frame, where)]
    if problems:
        raise ConfigurationError(problems)
    frame = frame.drop_duplicates(subset=[*CELL, *RUN_COLUMNS, "score", "n_items"])
    problems = [*_conflicts(frame, CELL, where), *_contradictions(frame, where)]
    if problems:
        raise ConfigurationError(problems)
    return frame.reset_index(drop=True)


def load_items(source: Source) -> pd.DataFrame:
    """Item scores as a tidy frame, one row per test item of a measurement.

    Raises:
        ConfigurationError: As `load_scores`. Unlike scores, items may be none at all.
    """
    where, frame = _read(source, "items")
    if frame.empty:
        return pd.DataFrame({name: pd.Series(dtype=_dtype(kind)) for name, kind in ITEM_COLUMNS.items()})
    frame = _typed(frame, ITEM_COLUMNS, where)
    problems = _ranges(frame, where)
    frame = frame.drop_duplicates()
    problems += _conflicts(frame, (*CELL, "item_id"), where)
    if problems:
        raise ConfigurationError(problems)
    return frame.reset_index(drop=True)


def _read(source: Source, name: str) -> tuple[str, pd.DataFrame]:
    """Where the rows come from, and the rows; their index is what a person would call the row."""
    if isinstance(source, pd.DataFrame):
        return name, source.reset_index(drop=True)
    if not isinstance(source, str | Path):
        return name, pd.DataFrame(list(source))
    where = str(source)
    try:
        frame = pd.read_csv(source, dtype=str, keep_default_na=False)
    except FileNotFoundError:
        raise _refused(where, "there is no such file", "name a CSV file in the scores format") from None
    except pd.errors.EmptyDataError:
        raise _refused(where, "the file is empty", f"its first line names the columns {_names(name)}") from None
    except (pd.errors.ParserError, UnicodeDecodeError, OSError) as error:
        raise _refused(where, f"not a readable CSV file: {error}", "save it as comma-separated UTF-8 text") from None
    # A spreadsheet calls the header row 1, so the first row of values is 2.
    frame.index = frame.index + 2
    return where, frame


def _names(name: str) -> str:
    return ",".join(SCORE_COLUMNS if name == "scores" else ITEM_COLUMNS)


def _refused(where: str, message: str, remedy: str) -> ConfigurationError:
    return ConfigurationError([Problem(where, "", None, message, remedy)])


def _typed(frame: pd.DataFrame, columns: Mapping[str, str], where: str) -> pd.DataFrame:
    """The frame with exactly these columns, converted.

    Raises:
        ConfigurationError: No rows, missing or unknown columns, or values of another type.
    """
    if frame.empty:
        raise _refused(where, "holds no scores", "finish at least one run first: `clt-ray run SWEEP`")
    problems = _columns(frame, columns, where)
    if problems:
        raise ConfigurationError(problems)
    converted = {}
    for name, kind in columns.items():
        converted[name], bad = _convert(frame[name], kind)
        problems += _bad_rows(frame, name, bad, f"is not {kind}", f"write {kind} in column {name}", where)
    if problems:
        raise ConfigurationError(problems)
    return pd.DataFrame(converted, index=frame.index)


def _columns(frame: pd.DataFrame, columns: Mapping[str, str], where: str) -> list[Problem]:
    missing = [name for name in columns if name not in frame]
    problems = [
        Problem(where, name, None, "this column is missing", f"the columns are {','.join(columns)}") for name in missing
    ]
    for name in frame.columns:
        if name not in columns:
            guess = nearest(str(name), missing or list(columns))
            hint = f"did you mean {guess}? " if guess else ""
            problems.append(
                Problem(where, str(name), None, "unknown column", f"{hint}the columns are {','.join(columns)}")
            )
    return problems


def _dtype(kind: str) -> str:
    return "object" if kind in (TEXT, OPTIONAL_TEXT) else "int64" if kind in (COUNT, ITEMS) else "float64"


def _convert(values: pd.Series, kind: str) -> tuple[pd.Series, pd.Series]:
    """Values of the kind, and which rows are not of it (their values are then meaningless)."""
    if kind in (TEXT, OPTIONAL_TEXT):
        text = values.astype(object).where(values.notna(), "").astype(str).str.strip().astype(object)
        return text, (text == "") & (kind == TEXT)
    numbers = pd.to_numeric(values, errors="coerce")
    if kind == OPTIONAL_NUMBER:
        empty = values.isna() | (values.astype(object).astype(str).str.strip() == "")
        numbers = numbers.where(~empty)
        return numbers.astype(float), ~empty & ~(np.isfinite(numbers.astype(float)) & (numbers >= 0))
    finite = pd.Series(np.isfinite(numbers.astype(float)), index=values.index)
    if kind == NUMBER:
        return numbers.astype(float), ~finite
    whole = finite & (numbers % 1 == 0) & (numbers >= (1 if kind == ITEMS else 0))
    return numbers.where(whole, 0).astype("int64"), ~whole


def _bad_rows(frame: pd.DataFrame, column: str, bad: pd.Series, message: str, remedy: str, where: str) -> list[Problem]:
    rows = frame.index[bad.to_numpy(dtype=bool)]
    problems = [
        Problem(where, f"row {row}, column {column}", frame.at[row, column], message, remedy)
        for row in rows[:_SHOWN_ROWS]
    ]
    if len(rows) > _SHOWN_ROWS:
        more = f"the same in {len(rows) - _SHOWN_ROWS} more rows"
        problems.append(Problem(where, f"column {column}", None, more, remedy))
    return problems


def _settings(frame: pd.DataFrame, where: str) -> list[Problem]:
    bad = ~frame["setting"].isin(SETTINGS)
    return _bad_rows(frame, "setting", bad, "is no setting", f"one of {', '.join(SETTINGS)}", where)


def _languages(frame: pd.DataFrame, where: str) -> list[Problem]:
    trained = frame["train_languages"]
    lists = {text: text.split("+") if text else [] for text in trained.unique()}
    malformed = trained.isin(
        [text for text, codes in lists.items() if any(not code or set(code) & set(" ,;|") for code in codes)]
    )
    english = trained.isin([text for text, codes in lists.items() if "en" in codes and codes != ["en"]])
    none = trained == ""
    origin = frame["samples_per_language"] == 0
    column = "train_languages"
    return [
        *_bad_rows(frame, column, malformed, "is no list of languages", "join codes with +, as in es+fr+ja+zh", where),
        *_bad_rows(frame, column, english, "lists English beside others",
                   "only the non-English training languages; en alone is an equal-volume control", where),
        *_bad_rows(frame, column, origin & ~none, "but samples_per_language is 0", "leave it empty for n = 0", where),
        *_bad_rows(frame, column, ~origin & none, "is empty, but samples_per_language is not 0",
                   "name the languages that were trained on, joined with +", where),
    ]  # fmt: skip


def _ranges(frame: pd.DataFrame, where: str) -> list[Problem]:
    problems: list[Problem] = []
    for name, known in declared_metrics().items():
        bad = (frame["metric"] == name) & ~frame["score"].between(known.low, known.high)
        if bad.any():
            remedy = f"{name} goes from {known.low:g} to {known.high:g}"
            remedy += "; divide percentages by 100" if known.high == 1 else ""
            problems += _bad_rows(frame, "score", bad, f"is outside the range of {name}", remedy, where)
    return problems


def _conflicts(frame: pd.DataFrame, key: tuple[str, ...], where: str) -> list[Problem]:
    """Two different scores for one measurement."""
    bad = frame.duplicated(subset=list(key))
    message = f"is a second, different score for the same {', '.join(key)}"
    return _bad_rows(frame, "score", bad, message, "keep the row of the finished attempt", where)


def _contradictions(frame: pd.DataFrame, where: str) -> list[Problem]:
    """Rows of one run that disagree on what the run was."""
    problems = []
    for column in RUN_COLUMNS:
        counts = frame.drop_duplicates(["run_id", column])["run_id"].value_counts()
        for run_id in counts.index[counts > 1][:_SHOWN_ROWS]:
            values = ", ".join(sorted({str(value) for value in frame.loc[frame["run_id"] == run_id, column]}))
            problems.append(
                Problem(where, f"run_id {run_id}, column {column}", values, "differs between rows of one run",
                        "give different runs different run_ids")
            )  # fmt: skip
    return problems
