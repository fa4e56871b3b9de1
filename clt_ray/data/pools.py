"""The rows a run may use for each purpose, with nothing shared between purposes.

For one (task, language) the test rows come first, then validation, then training:

* test: every row of the test split;
* validation: rows of the validation split, or, where a source has none, rows held out from the training split;
* training: what is left, without any row whose prompt also occurs in the test split or in validation.

Prompts decide, not whole rows: a training row that asks a test question with another answer still gives the
question away. All of it depends on the source and on the number of validation rows, and on nothing else of a run,
so every run of a sweep leaves out the same rows.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from clt_ray.data.content import content_key, prompt_key
from clt_ray.data.rows import Row
from clt_ray.data.sampling import by_item, ordered
from clt_ray.data.sources import load_rows
from clt_ray.sweep.run import DataSource

LARGEST_HELD_OUT_SHARE = 0.2
"""Most of the training prompts that may be held out for validation when a source has no validation split."""


@dataclass(frozen=True)
class Pools:
    """Usable rows of one task and language."""

    train: tuple[Row, ...]
    """Without duplicates; empty when training rows were not asked for."""
    validation: tuple[Row, ...]
    """At most the number asked for, in a fixed order."""
    test: tuple[Row, ...]
    """The whole test split in a fixed order; its first rows are the test subset."""
    dropped: dict[str, Counter[str]]
    """Split -> reason -> number of rows left out."""
    available: dict[str, int] = field(default_factory=dict)
    """Split -> raw rows of the source, for every split that was read."""
    origins: tuple[str, ...] = ()
    """What was read, with the commits of hub data sets."""


def load_pools(source: DataSource, task: str, language: str, validation_rows: int, *, with_train: bool = True) -> Pools:
    """Rows of one task and language, sorted by purpose.

    Args:
        source: Where the rows come from.
        task: Name of the task.
        language: ISO code.
        validation_rows: Most rows of the validation set.
        with_train: False skips the training rows where validation does not need them either.

    Raises:
        DataError: As `load_rows`.
    """
    # The bundled corpus cannot change under a process, and a warm worker reads the same rows for run after run.
    read = _bundled_pools if source.bundled else _read_pools
    return read(source, task, language, validation_rows, with_train)


def _read_pools(source: DataSource, task: str, language: str, validation_rows: int, with_train: bool) -> Pools:
    dropped: dict[str, Counter[str]] = {}
    available: dict[str, int] = {}
    origins: dict[str, None] = {}

    def distinct(split: str) -> list[Row]:
        loaded = load_rows(source, task, language, split)
        dropped[split] = Counter(loaded.dropped)
        available[split] = loaded.available
        origins.update(dict.fromkeys([loaded.origin] if loaded.origin else []))
        rows = list({content_key(row): row for row in reversed(loaded.rows)}.values())[::-1]
        _count(dropped[split], "duplicate", len(loaded.rows) - len(rows))
        return rows

    def without(split: str, rows: Sequence[Row], prompts: set[bytes], reason: str) -> list[Row]:
        kept = [row for row in rows if prompt_key(row) not in prompts] if prompts else list(rows)
        _count(dropped[split], reason, len(rows) - len(kept))
        return kept

    # Ordering by name gives parallel data sets the same items in every language.
    test = ordered(distinct("test"), "test", by_item)
    asked = _prompts(test)
    own_validation = distinct("validation")
    validation = ordered(without("validation", own_validation, asked, "prompt also in test"), "validation", by_item)[
        :validation_rows
    ]
    train: list[Row] = []
    if with_train or not own_validation:
        train = without("train", distinct("train"), asked, "prompt also in test")
        if own_validation:
            reserved, reason = _prompts(own_validation), "prompt also in validation"
        else:
            validation = _held_out(train, validation_rows)
            reserved, reason = _prompts(validation), "held out for validation"
        train = without("train", train, reserved, reason)
    return Pools(tuple(train) if with_train else (), tuple(validation), tuple(test), dropped, available, tuple(origins))


_bundled_pools = functools.lru_cache(maxsize=128)(_read_pools)


def _held_out(rows: Sequence[Row], count: int) -> list[Row]:
    """One row for each of the first `count` prompts in a fixed order."""
    by_prompt: dict[bytes, Row] = {}
    for row in ordered(rows, "validation", by_item):
        by_prompt.setdefault(prompt_key(row), row)
    return list(by_prompt.values())[: min(count, int(len(by_prompt) * LARGEST_HELD_OUT_SHARE))]


def _prompts(rows: Iterable[Row]) -> set[bytes]:
    return {prompt_key(row) for row in rows}


def _count(reasons: Counter[str], reason: str, number: int) -> None:
    if number:
        reasons[reason] += number
