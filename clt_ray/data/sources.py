"""Reads the rows of one task, language and split from the source that a sweep file names."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from clt_ray.data import hub
from clt_ray.data.hub_rows import NOT_JSON, Selected, hub_rows
from clt_ray.data.json_stream import json_lines
from clt_ray.data.rows import MalformedRow, Parsed, Row, check_script, parse, templated
from clt_ray.errors import DataError
from clt_ray.languages import STUDY_LANGUAGES
from clt_ray.sweep.inputs import source_file
from clt_ray.sweep.sections import DataSource
from clt_ray.tasks import TASKS

BUNDLED_ROWS = Path(__file__).parent / "bundled" / "rows"
"""Local root of the bundled corpus, which `scripts/bundled` of the repository made."""
TRAINING_SPLITS = ("train", "validation")
"""Splits whose rows are left out when they are in the wrong script; test sets are used as they were published."""


def load_rows(source: DataSource, task: str, language: str, split: str) -> Selected[Row]:
    """Returns every usable row of a split (train, validation, test, exemplars); none when the source has no such split.

    Raises:
        DataError: The local root has no folder for the task, the hub has no such data set, or no row is usable.
    """
    needs_completion = TASKS[task].test_needs_reference or split != "test"
    training = split in TRAINING_SPLITS
    if source.dataset is not None:
        files = hub.files_for(source.dataset, language, split, config=source.config, revision=source.revision)
        if files is None:
            return Selected()
        selected = hub_rows(files, task, language, needs_completion=needs_completion, training=training)
    else:
        selected = _parsed(source, task, language, split, needs_completion, training)
    if selected.available and not selected.rows:
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in selected.dropped.most_common())
        raise DataError(
            f"{selected.origin}: {task}/{split}/{language}: none of {selected.available:,} rows is usable: {reasons}\n"
            f"    rows of {task} have the columns {_columns(task)}"
        )
    rows = tuple(templated(parsed, task, language) for parsed in selected.rows)
    return Selected(rows, selected.dropped, selected.available, selected.origin if selected.available else "")


def describe(source: DataSource) -> str:
    """Returns the name of the source in messages."""
    if source.bundled:
        return "bundled corpus"
    return f"local root {source.root}" if source.root else f"data set {source.dataset}"


def _parsed(
    source: DataSource, task: str, language: str, split: str, needs_completion: bool, training: bool
) -> Selected[Parsed]:
    rows: list[Parsed] = []
    dropped: Counter[str] = Counter()
    for index, raw in enumerate(_raw_rows(source, task, language, split)):
        try:
            if raw is None:
                raise MalformedRow(NOT_JSON)
            parsed = parse(raw, task, language, default_id=str(index), needs_completion=needs_completion)
            if training:
                check_script(parsed, language)
            rows.append(parsed)
        except MalformedRow as reason:
            dropped[str(reason)] += 1
    return Selected(tuple(rows), dropped, len(rows) + dropped.total(), describe(source))


def _columns(task: str) -> str:
    return f"{TASKS[task].input_column}, {TASKS[task].target_column}"


def _raw_rows(source: DataSource, task: str, language: str, split: str) -> Iterator[dict[str, Any] | None]:
    if source.bundled and language not in STUDY_LANGUAGES:
        known = ", ".join(STUDY_LANGUAGES)
        raise DataError(f"the bundled corpus has no language {language!r}; it has {known}")
    root = Path(source.root or BUNDLED_ROWS)
    folder = root / task
    if not folder.is_dir():
        raise DataError(
            f"{folder}: no such folder\n"
            f"    a local root holds {task}/<split>/<language>.jsonl (or .parquet) with the columns {_columns(task)}"
        )
    # The identity of the run uses the same look-up, so that the bytes that are hashed are the bytes that are read.
    file = source_file(root, task, split, language)
    if file is None:
        return
    if file.suffix == ".jsonl":
        with file.open("rb") as lines:
            yield from json_lines(lines)
    else:
        import pyarrow.parquet

        for batch in pyarrow.parquet.ParquetFile(file).iter_batches():
            yield from batch.to_pylist()
