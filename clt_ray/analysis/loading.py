"""Loads scores and item scores as validated tidy frames.

A scores file has one row per measurement: the score of a run in one task and evaluation language by one metric. An item
file has one row per test item of a measurement. Sources are a CSV file, rows of a tracker, or a frame. The result has
exactly the columns and types below; otherwise one error lists all problems at once.

    >>> load_scores("scores.csv")[["run_id", "samples_per_language", "score"]].head(1)
                 run_id  samples_per_language  score
    0  3f0c9a6be2d14c77                   200   0.43

A run at n = 0 has no non-English training languages and the language group "none": it is the point at n = 0 of the
curves of all groups. Where published results repeat it per group, it may name a group, and belongs to its curve only.

An equal-volume control has `en` as its only training language and the group `english:k`: it trains on English instead
of n rows in each of k languages. It is compared with runs of the same n whose group has k languages.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
import pandas as pd

from clt_ray.analysis.metrics import scale
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
    "run_id": TEXT, "model": TEXT, "setting": TEXT, "task": TEXT, "language_group": TEXT, "train_languages":
    OPTIONAL_TEXT, "samples_per_language": COUNT, "seed": COUNT, "eval_language": TEXT, "metric": TEXT, "score": NUMBER,
    "stderr": OPTIONAL_NUMBER, "n_items": ITEMS,
}  # fmt: skip
"""Columns of a scores frame, each with the kind of its values."""
ITEM_COLUMNS: Final = dict.fromkeys(("run_id", "task", "eval_language", "metric", "item_id"), TEXT) | {"score": NUMBER}
"""Columns of an items frame, each with the kind of its values."""
RUN_COLUMNS: Final = ("model", "setting", "language_group", "train_languages", "samples_per_language", "seed")
"""Columns that describe the run and are therefore equal in all rows of a run."""

MEASUREMENT: Final = ("run_id", "task", "eval_language", "metric")
"""Columns that identify a measurement."""
SETTINGS: Final = ("single", "multi")
_SHOWN_ROWS: Final = 3
"""Number of invalid rows listed per column; further ones are counted."""


def load_scores(source: Source) -> pd.DataFrame:
    """Returns scores as a tidy frame, one row per measurement.

    Args:
        source: Path or URI of a CSV file, a frame, or rows as mappings.

    Returns:
        Frame with the columns of `SCORE_COLUMNS` in that order. Equal rows, which a resumed run can leave, occur once.

    Raises:
        ConfigurationError: Lists every problem with file, row and column: no rows, missing or unknown columns, values
            of the wrong type or out of range, two scores for one measurement, contradictions between rows of a run.
    """
    where, frame = _read(source, "scores")
    frame = _typed(frame, SCORE_COLUMNS, where)
    problems = [*_designs(frame, where), *_ranges(frame, where)]
    if problems:
        raise ConfigurationError(problems)
    frame = frame.drop_duplicates(subset=[*MEASUREMENT, *RUN_COLUMNS, "score", "n_items"])
    problems = [*_conflicts(frame, MEASUREMENT, where), *_contradictions(frame, where)]
    if problems:
        raise ConfigurationError(problems)
    return frame.reset_index(drop=True)


def load_items(source: Source) -> pd.DataFrame:
    """Returns item scores as a tidy frame, one row per test item of a measurement.

    Args:
        source: Path or URI of a CSV file, a frame, or rows as mappings. In contrast to scores, it may have no rows.

    Raises:
        ConfigurationError: Lists every problem as `load_scores` does.
    """
    where, frame = _read(source, "items")
    if frame.empty:
        empty = pd.Series(dtype=object)
        return pd.DataFrame({name: _convert(empty, kind)[0] for name, kind in ITEM_COLUMNS.items()})
    frame = _typed(frame, ITEM_COLUMNS, where)
    problems = _ranges(frame, where)
    frame = frame.drop_duplicates()
    problems += _conflicts(frame, (*MEASUREMENT, "item_id"), where)
    if problems:
        raise ConfigurationError(problems)
    return frame.reset_index(drop=True)


def _read(source: Source, name: str) -> tuple[str, pd.DataFrame]:
    """Returns the name of the source and its rows; the index of the frame holds the row numbers for messages."""
    if isinstance(source, pd.DataFrame):
        return name, source.reset_index(drop=True)
    if not isinstance(source, str | Path):
        return name, pd.DataFrame(list(source))
    where, names = str(source), ",".join(SCORE_COLUMNS if name == "scores" else ITEM_COLUMNS)
    try:
        frame = pd.read_csv(source, dtype=str, keep_default_na=False)
    except FileNotFoundError:
        raise _refused(where, "there is no such file", "name a CSV file in the scores format") from None
    except pd.errors.EmptyDataError:
        raise _refused(where, "the file is empty", f"its first line names the columns {names}") from None
    except (pd.errors.ParserError, UnicodeDecodeError, OSError) as error:
        raise _refused(where, f"not a readable CSV file: {error}", "save it as comma-separated UTF-8 text") from None
    # Spreadsheets number the header as row 1, so the first row of values is row 2.
    frame.index = frame.index + 2
    return where, frame


def _refused(where: str, message: str, remedy: str) -> ConfigurationError:
    return ConfigurationError([Problem(where, "", None, message, remedy)])


def _typed(frame: pd.DataFrame, columns: Mapping[str, str], where: str) -> pd.DataFrame:
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
    missing, names = [name for name in columns if name not in frame], f"the columns are {','.join(columns)}"
    problems = [Problem(where, name, None, "this column is missing", names) for name in missing]
    for name in frame.columns:
        if name not in columns:
            guess = nearest(str(name), missing or list(columns))
            hint = f"did you mean {guess}? " if guess else ""
            problems.append(Problem(where, str(name), None, "unknown column", f"{hint}{names}"))
    return problems


def _convert(values: pd.Series, kind: str) -> tuple[pd.Series, pd.Series]:
    """Returns the converted values, and a mask of the rows that are not of the kind, whose values are meaningless."""
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
    shown = ((f"row {row}, column {column}", frame.at[row, column]) for row in rows[:_SHOWN_ROWS])
    problems = [Problem(where, *place, message, remedy) for place in shown]
    if len(rows) > _SHOWN_ROWS:
        more = f"the same in {len(rows) - _SHOWN_ROWS} more rows"
        problems.append(Problem(where, f"column {column}", None, more, remedy))
    return problems


def _designs(frame: pd.DataFrame, where: str) -> list[Problem]:
    trained = frame["train_languages"].astype(str)
    none = trained == ""
    malformed = ~none & ~trained.str.fullmatch(r"[^ ,;|+]+(\+[^ ,;|+]+)*")
    english = ("+" + trained + "+").str.contains("+en+", regex=False) & (trained != "en")
    origin = frame["samples_per_language"] == 0
    column = "train_languages"
    return [
        *_bad_rows(frame, "setting", ~frame["setting"].isin(SETTINGS), "is no setting",
                   f"one of {', '.join(SETTINGS)}", where),
        *_bad_rows(frame, column, malformed, "is no list of languages", "join codes with +, as in es+fr+ja+zh", where),
        *_bad_rows(frame, column, english, "lists English beside others",
                   "only the non-English training languages; en alone is an equal-volume control", where),
        *_bad_rows(frame, column, origin & ~none, "but samples_per_language is 0", "leave it empty for n = 0", where),
        *_bad_rows(frame, column, ~origin & none, "is empty, but samples_per_language is not 0",
                   "name the languages that were trained on, joined with +", where),
    ]  # fmt: skip


def _ranges(frame: pd.DataFrame, where: str) -> list[Problem]:
    problems: list[Problem] = []
    for name, declared in declared_metrics().items():
        bad = (frame["metric"] == name) & ~frame["score"].between(declared.low, declared.high)
        if bad.any():
            problems += _bad_rows(frame, "score", bad, f"is outside the range of {name}", scale(declared), where)
    return problems


def _conflicts(frame: pd.DataFrame, key: tuple[str, ...], where: str) -> list[Problem]:
    bad = frame.duplicated(subset=list(key))
    message = f"is a second, different score for the same {', '.join(key)}"
    return _bad_rows(frame, "score", bad, message, "keep the row of the finished attempt", where)


def _contradictions(frame: pd.DataFrame, where: str) -> list[Problem]:
    problems, remedy = [], "give different runs different run_ids"
    for column in RUN_COLUMNS:
        counts = frame.drop_duplicates(["run_id", column])["run_id"].value_counts()
        for run_id in counts.index[counts > 1][:_SHOWN_ROWS]:
            values = ", ".join(sorted({str(value) for value in frame.loc[frame["run_id"] == run_id, column]}))
            key = f"run_id {run_id}, column {column}"
            problems.append(Problem(where, key, values, "differs between rows of one run", remedy))
    return problems
