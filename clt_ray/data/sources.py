"""Rows of one task, language and split from wherever a sweep file says they are."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clt_ray.data import hub
from clt_ray.data.rows import COLUMNS, MalformedRow, Row, to_row
from clt_ray.errors import DataError
from clt_ray.sweep.inputs import source_file
from clt_ray.sweep.run import DataSource

_NOT_JSON = "not a JSON object"


@dataclass(frozen=True)
class LoadedRows:
    """What a source gave, and what of it could not be used."""

    rows: tuple[Row, ...]
    """Well-formed rows in the order of the source."""
    dropped: Counter[str]
    """Reason -> number of raw rows left out for it."""


def load_rows(source: DataSource, task: str, language: str, split: str) -> LoadedRows:
    """Every well-formed row; none when the source has nothing for this language and split.

    Args:
        source: The bundled corpus, a local root or a hub data set.
        task: One of the three tasks.
        language: ISO code.
        split: train, validation or test.

    Raises:
        DataError: The local root has no folder for the task, or the hub has no such data set.
    """
    rows: list[Row] = []
    dropped: Counter[str] = Counter()
    # Prompts without a reference can be judged, so they make test rows of the one task that has a judge.
    needs_completion = not (task == "instruction" and split == "test")
    for index, raw in enumerate(_raw_rows(source, task, language, split)):
        try:
            if raw is None:
                raise MalformedRow(_NOT_JSON)
            rows.append(to_row(raw, task, language, default_id=str(index), needs_completion=needs_completion))
        except MalformedRow as reason:
            dropped[str(reason)] += 1
    return LoadedRows(tuple(rows), dropped)


def describe(source: DataSource) -> str:
    """The source as a person would name it."""
    if source.bundled:
        return "bundled corpus"
    return f"local root {source.root}" if source.root else f"data set {source.dataset}"


def _raw_rows(source: DataSource, task: str, language: str, split: str) -> Iterator[dict[str, Any] | None]:
    if source.bundled:
        from clt_ray.data.bundled.corpus import raw_rows

        yield from raw_rows(task, language, split)
    elif source.root:
        yield from _local_rows(Path(source.root), task, language, split)
    else:
        assert source.dataset is not None, "a data source names the bundled corpus, a root or a data set"
        files = hub.files_for(source.dataset, language, split, config=source.config, revision=source.revision)
        if files is not None:
            yield from hub.read(files, language)


def _local_rows(root: Path, task: str, language: str, split: str) -> Iterator[dict[str, Any] | None]:
    folder = root / task
    if not folder.is_dir():
        columns = ", ".join(COLUMNS[task])
        raise DataError(
            f"{folder}: no such folder\n"
            f"    a local root holds {task}/<split>/<language>.jsonl (or .parquet) with the columns {columns}"
        )
    # The same look-up as identity's, so the bytes that are hashed are the bytes that are read.
    file = source_file(root, task, split, language)
    if file is None:
        return
    if file.suffix == ".jsonl":
        yield from _json_lines(file)
    else:
        import pyarrow.parquet

        for batch in pyarrow.parquet.ParquetFile(file).iter_batches():
            yield from batch.to_pylist()


def _json_lines(path: Path) -> Iterator[dict[str, Any] | None]:
    """Objects of a JSON-lines file; None for a line that is not one."""
    with path.open("rb") as file:
        for line in file:
            if not line.strip():
                continue
            try:
                raw = json.loads(line)
            except ValueError:
                raw = None
            yield raw if isinstance(raw, dict) else None
