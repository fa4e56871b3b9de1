"""Selects usable rows of a hub data set: streams it once, samples in bounded memory, and keeps the rows in a cache.

mCoT-MATH is 11 GB in one file, and the study needs at most 33,000 of its 580,000 rows per language. One pass over the
files selects, for every language in them, the first `KEPT_ROWS` rows in a fixed order (by hash of their content), which
does not depend on the run, the seed or the order of the file. So samples of these rows stay nested. The commit that was
read is written beside the rows; later runs use it until the cache is deleted or `revision` is changed.
"""

import json
import os
import shutil
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from clt_ray.data.hub import commit, is_local, raw_rows
from clt_ray.data.rows import MalformedRow, Parsed, check_script, parse
from clt_ray.data.sampling import digest, normalise
from clt_ray.tasks import HubFiles

KEPT_ROWS = 50_000
"""Largest number of rows of one language and split that runs sample from. The study needs at most 33,000, for the
equal-volume control of its largest mixture."""
NOT_JSON = "not a JSON object"
BEYOND = f"beyond the first {KEPT_ROWS:,} in a fixed order"
_FORMAT = 1

R = TypeVar("R")


@dataclass(frozen=True)
class Selected(Generic[R]):
    """The usable rows of a source in one language, and counts of those that were left out."""

    rows: tuple[R, ...] = ()
    """Rows in the order of the source."""
    dropped: Counter[str] = field(default_factory=Counter)
    """Reason -> number of raw rows that were left out."""
    available: int = 0
    """Number of raw rows of the source, including the dropped ones."""
    origin: str = ""
    """Name of the source, with the commit of a hub data set; empty where there was nothing to read."""


class Spool(AbstractContextManager["Spool"]):
    """Keeps the records with the `limit` smallest keys of a stream of any length, in a temporary file.

    With hashes as keys this is a sample that depends on the records alone, and not on their order. A larger limit keeps
    all records that a smaller one keeps. Of several records with one key, the first is kept.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.duplicates = 0
        """Number of records that were left out because a kept record has the same key."""
        self.beyond = 0
        """Number of records that were left out because `limit` others have smaller keys."""
        self.kept = 0
        """Number of records that are kept."""
        self._largest = b""
        # SQLite keeps a database without a name in a file that it deletes when the connection is closed.
        self._database = sqlite3.connect("")
        self._database.execute("CREATE TABLE records (key BLOB UNIQUE, record TEXT)")

    def add(self, key: bytes, record: Any) -> None:
        """Adds a record of JSON values, which is kept while its key is among the smallest; keys have one length."""
        if self.kept == self.limit and key > self._largest:
            self.beyond += 1
            return
        values = (key, json.dumps(record, ensure_ascii=True))
        if not self._database.execute("INSERT OR IGNORE INTO records VALUES (?, ?)", values).rowcount:
            self.duplicates += 1
        elif self.kept < self.limit:
            self.kept += 1
            self._largest = max(self._largest, key)
        else:
            self.beyond += 1
            self._database.execute("DELETE FROM records WHERE key = ?", (self._largest,))
            (self._largest,) = self._database.execute("SELECT max(key) FROM records").fetchone()

    def __iter__(self) -> Iterator[Any]:
        """Yields the kept records in the order in which they were added."""
        for (record,) in self._database.execute("SELECT record FROM records ORDER BY rowid"):
            yield json.loads(record)

    def __exit__(self, *error: object) -> None:
        self._database.close()


@dataclass
class _Pass:
    spool: Spool
    dropped: Counter[str] = field(default_factory=Counter)


def hub_rows(files: HubFiles, task: str, language: str, *, needs_completion: bool, training: bool) -> Selected[Parsed]:
    """Returns the selected rows of a language from the cache, which is filled from the files the first time.

    Raises:
        DataError: The data set or its files do not exist. A network error is not caught: a later attempt may succeed.
    """
    from datasets import config

    folder = Path(config.HF_DATASETS_CACHE) / "clt-ray" / _key(files, task, language, needs_completion, training)
    if not (folder / "manifest.json").is_file():
        _fill(folder, files, task, language, needs_completion, training)
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    counts = manifest["languages"][language]
    with (folder / f"{language}.jsonl").open(encoding="utf-8") as lines:
        rows = tuple(Parsed(*json.loads(line)) for line in lines)
    origin = files.dataset + (f"@{manifest['commit']}" if manifest["commit"] else "")
    return Selected(rows, Counter(counts["dropped"]), counts["available"], origin)


def _key(files: HubFiles, task: str, language: str, needs_completion: bool, training: bool) -> str:
    """Returns the name of the cache entry; files that mix languages have one entry for all of them."""
    place = None if _mixed(files) else language
    local = None
    if is_local(files):
        # A local copy may be edited under the same name; a hub revision means the commit of its first load.
        facts = [(path, path.stat()) for path in sorted(Path(files.dataset).rglob("*")) if path.is_file()]
        local = [(str(path.relative_to(files.dataset)), stat.st_size, stat.st_mtime_ns) for path, stat in facts]
    # `languages` only decides which names are filled in, and these are part of the description.
    described_files = {name: value for name, value in asdict(files).items() if name != "languages"}
    described = [_FORMAT, KEPT_ROWS, described_files, task, place, needs_completion, training, local]
    return digest(json.dumps(described, sort_keys=True)).hex()


def _mixed(files: HubFiles) -> bool:
    return files.language_column is not None and "{name}" not in (files.files or "")


def _fill(folder: Path, files: HubFiles, task: str, language: str, needs_completion: bool, training: bool) -> None:
    origin = commit(files)
    codes = {files.names[code]: code for code in (files.names if _mixed(files) else (language,))}
    with ExitStack() as open_files:
        passes = {code: _Pass(open_files.enter_context(Spool(KEPT_ROWS))) for code in codes.values()}
        for index, raw in enumerate(raw_rows(files, language)):
            if raw is None:
                # The language of a line that is no JSON object is unknown.
                for seen in passes.values():
                    seen.dropped[NOT_JSON] += 1
            elif code := _language(files, raw, codes, language):
                seen, ours = passes[code], _renamed(files, raw)
                try:
                    parsed = parse(ours, task, code, default_id=str(index), needs_completion=needs_completion)
                    if training:
                        check_script(parsed, code)
                except MalformedRow as reason:
                    seen.dropped[str(reason)] += 1
                else:
                    key = digest("hub selection", normalise(parsed.text), normalise(parsed.completion))
                    seen.spool.add(key, parsed)
        _write(folder, passes, {"dataset": files.dataset, "revision": files.revision, "commit": origin})


def _language(files: HubFiles, raw: Mapping[str, Any], codes: Mapping[str, str], language: str) -> str | None:
    """Returns the language of a raw row; None when it is not among the requested ones, or is another variety."""
    if any(raw.get(column) != value for column, value in files.only.items()):
        return None
    if files.language_column is None:
        return language
    return codes.get(str(raw.get(files.language_column)).partition("-")[0])


def _renamed(files: HubFiles, raw: Mapping[str, Any]) -> dict[str, Any]:
    ours = {theirs: column for column, theirs in files.columns.items()}
    return {ours.get(column, column): value for column, value in raw.items() if column not in files.columns}


def _write(folder: Path, passes: Mapping[str, _Pass], manifest: dict[str, Any]) -> None:
    """Writes the cache entry and renames it into place, so that no killed process leaves a partial entry."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(dir=folder.parent))
    languages = {}
    for code, seen in passes.items():
        with (staging / f"{code}.jsonl").open("w", encoding="utf-8") as file:
            file.writelines(json.dumps(record, ensure_ascii=False) + "\n" for record in seen.spool)
        dropped = seen.dropped + Counter({"duplicate": seen.spool.duplicates, BEYOND: seen.spool.beyond})
        languages[code] = {"available": seen.spool.kept + dropped.total(), "dropped": dict(dropped)}
    text = json.dumps(manifest | {"languages": languages}, ensure_ascii=False, indent=1)
    (staging / "manifest.json").write_text(text, encoding="utf-8")
    try:
        os.replace(staging, folder)
    except OSError:
        # Another process wrote the entry first; it has the same rows.
        shutil.rmtree(staging)
        if not (folder / "manifest.json").is_file():
            raise
