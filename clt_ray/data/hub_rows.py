"""Usable rows of a hub data set: streamed once, sampled in bounded memory, kept in a cache.

mCoT-MATH is 11 GB in one file, and the study needs at most 33,000 of its 580,000 rows per language. So one pass over
the files selects, for every language in them, the `KEPT_ROWS` rows that come first in a fixed order (by hash of
their content), and writes those to the cache beside the hub's own. What a run samples, it samples from these, which
keeps samples nested: the selection depends on the rows alone, not on the run, the seed or the order of the file.

The pass drops malformed rows and counts them by reason. The commit that the revision stood for is written beside
the rows; later runs read the cache, so they see that commit until the cache is deleted or `revision` is changed.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from clt_ray.data.content import digest, normalise
from clt_ray.data.hub import HubFiles
from clt_ray.data.hub_stream import commit, is_local, raw_rows
from clt_ray.data.rows import MalformedRow, Parsed, check_script, parse
from clt_ray.data.spool import Spool

KEPT_ROWS = 50_000
"""Most rows of one language and split that a run can draw from. The study's largest wish is 33,000: the equal-volume
control of its largest mixture."""
NOT_JSON = "not a JSON object"
DUPLICATE = "duplicate"
BEYOND = f"beyond the first {KEPT_ROWS:,} in a fixed order"
_FORMAT = 1


@dataclass(frozen=True)
class Selected:
    """Rows of one language."""

    rows: tuple[Parsed, ...]
    """In the order of the files."""
    available: int
    """Raw rows of the language in the files."""
    dropped: Counter[str]
    """Reason -> raw rows left out."""
    origin: str
    """`<data set>@<commit>`; a local copy has no commit."""


@dataclass
class _Pass:
    """What one pass has seen of one language."""

    kept: Spool
    available: int = 0
    dropped: Counter[str] = field(default_factory=Counter)


def hub_rows(files: HubFiles, task: str, language: str, *, needs_completion: bool, training: bool) -> Selected:
    """The selected rows of a language, from the cache or, the first time, from the files.

    Args:
        files: Where the split is.
        task: Name of the task.
        language: ISO code.
        needs_completion: As `rows.parse`.
        training: Whether rows in the wrong script are left out.

    Raises:
        DataError: The data set or its files are not there. Network failures pass through, as they may mend.
    """
    from datasets import config

    folder = Path(config.HF_DATASETS_CACHE) / "clt-ray" / _key(files, task, language, needs_completion, training)
    if not (folder / "manifest.json").is_file():
        _fill(folder, files, task, language, needs_completion, training)
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    told = manifest["languages"][language]
    with (folder / f"{language}.jsonl").open(encoding="utf-8") as lines:
        rows = tuple(Parsed(*json.loads(line)) for line in lines)
    origin = files.dataset + (f"@{manifest['commit']}" if manifest["commit"] else "")
    return Selected(rows, told["available"], Counter(told["dropped"]), origin)


def _key(files: HubFiles, task: str, language: str, needs_completion: bool, training: bool) -> str:
    """Name of the cache entry: all that decides its content. Files that mix languages have one entry for all."""
    place = None if _mixed(files) else language
    local = None
    if is_local(files):
        # A copy may be edited under the same name; a hub revision is decided by its first load.
        local = [
            (str(path.relative_to(files.dataset)), path.stat().st_size, path.stat().st_mtime_ns)
            for path in sorted(Path(files.dataset).rglob("*"))
            if path.is_file()
        ]
    # Names are filled in by now; `languages` has said its part.
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
            # A line that is no object does not say in which language it would have been.
            code = None if raw is None else _language(files, raw, codes, language)
            for seen_code, seen in passes.items():
                if raw is None:
                    _count(seen, NOT_JSON)
                elif seen_code == code:
                    _take(seen, _renamed(files, raw), task, code, str(index), needs_completion, training)
        _write(folder, passes, {"dataset": files.dataset, "revision": files.revision, "commit": origin})


def _take(
    seen: _Pass, raw: Mapping[str, Any], task: str, code: str, default_id: str, needs_completion: bool, training: bool
) -> None:
    try:
        parsed = parse(raw, task, code, default_id=default_id, needs_completion=needs_completion)
        if training:
            check_script(parsed, code)
    except MalformedRow as reason:
        _count(seen, str(reason))
    else:
        seen.available += 1
        seen.kept.add(digest("hub selection", normalise(parsed.text), normalise(parsed.completion)), parsed)


def _count(seen: _Pass, reason: str) -> None:
    seen.available += 1
    seen.dropped[reason] += 1


def _language(files: HubFiles, raw: Mapping[str, Any], codes: Mapping[str, str], language: str) -> str | None:
    """Language of a raw row; None when it is none that is asked for, or another variety of it."""
    if any(raw.get(column) != wanted for column, wanted in files.only.items()):
        return None
    if files.language_column is None:
        return language
    return codes.get(str(raw.get(files.language_column)).partition("-")[0])


def _renamed(files: HubFiles, raw: Mapping[str, Any]) -> dict[str, Any]:
    """The row under our column names; what `only` checked is settled and not read again."""
    ours = {theirs: column for column, theirs in files.columns.items()}
    return {ours.get(column, column): value for column, value in raw.items() if column not in files.columns}


def _write(folder: Path, passes: Mapping[str, _Pass], manifest: dict[str, Any]) -> None:
    """Fill the cache entry at once: a process that dies, or two at a time, leave a whole one or none."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(dir=folder.parent))
    languages = {}
    for code, seen in passes.items():
        with (staging / f"{code}.jsonl").open("w", encoding="utf-8") as file:
            file.writelines(json.dumps(record, ensure_ascii=False) + "\n" for record in seen.kept)
        dropped = seen.dropped + Counter({DUPLICATE: seen.kept.duplicates, BEYOND: seen.kept.beyond})
        languages[code] = {"available": seen.available, "dropped": {k: n for k, n in dropped.items() if n}}
    text = json.dumps(manifest | {"languages": languages}, ensure_ascii=False, indent=1)
    (staging / "manifest.json").write_text(text, encoding="utf-8")
    try:
        os.replace(staging, folder)
    except OSError:
        # Another process was faster; its entry holds the same rows.
        shutil.rmtree(staging)
        if not (folder / "manifest.json").is_file():
            raise
