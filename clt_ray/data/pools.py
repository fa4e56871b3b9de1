"""Divides the rows of a task and language by purpose, so that no two purposes share a prompt.

Test rows are taken first, then validation rows, then training rows:

* test: every row of the test split;
* validation: rows of the validation split, or, where a source has none, rows held out from the training split;
* training: the remaining rows, without any row whose prompt also occurs in the test split or in validation.

Prompts are compared, not whole rows: a training row that asks a test question with another answer still reveals the
question. The division depends on the source and on the number of validation rows and on nothing else of a run, so that
every run of a sweep leaves out the same rows.
"""

import functools
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from clt_ray.data.rows import Row
from clt_ray.data.sampling import by_item, content_key, ordered, prompt_key
from clt_ray.data.sources import load_rows
from clt_ray.sweep.run import DataSource

LARGEST_HELD_OUT_SHARE = 0.2
"""Largest share of the training prompts that is held out for validation when a source has no validation split."""


@dataclass(frozen=True)
class Pools:
    """The usable rows of one task and language."""

    train: tuple[Row, ...]
    """Training rows without duplicates; empty when they were not requested."""
    validation: tuple[Row, ...]
    """Validation rows in a fixed order, at most as many as requested."""
    test: tuple[Row, ...]
    """All rows of the test split in a fixed order, of which evaluation uses the first ones."""
    dropped: dict[str, Counter[str]]
    """Split -> reason -> number of rows that were left out."""
    available: dict[str, int] = field(default_factory=dict)
    """Split -> number of raw rows of the source, for every split that was read."""
    origins: tuple[str, ...] = ()
    """Sources that were read, with the commits of hub data sets."""


def load_pools(source: DataSource, task: str, language: str, validation_rows: int, *, with_train: bool = True) -> Pools:
    """Reads the rows of one task and language and divides them by purpose.

    Args:
        with_train: False skips the training rows where they are not needed for validation either.

    Raises:
        DataError: The source cannot be read, or no row of a split is usable.
    """
    # The bundled corpus never changes, and a warm worker reads the same rows for one run after another.
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

    # Ordering by the name of the item gives parallel data sets the same items in every language.
    test = ordered(distinct("test"), "test", by_item)
    test_prompts = _prompts(test)
    validation_split = distinct("validation")
    usable = without("validation", validation_split, test_prompts, "prompt also in test")
    validation = ordered(usable, "validation", by_item)[:validation_rows]
    train: list[Row] = []
    if with_train or not validation_split:
        train = without("train", distinct("train"), test_prompts, "prompt also in test")
        if validation_split:
            reserved, reason = _prompts(validation_split), "prompt also in validation"
        else:
            validation = _held_out(train, validation_rows)
            reserved, reason = _prompts(validation), "held out for validation"
        train = without("train", train, reserved, reason)
    return Pools(tuple(train) if with_train else (), tuple(validation), tuple(test), dropped, available, tuple(origins))


_bundled_pools = functools.lru_cache(maxsize=128)(_read_pools)


def _held_out(rows: Sequence[Row], count: int) -> list[Row]:
    """Returns one row for each of the first `count` prompts in a fixed order."""
    by_prompt: dict[bytes, Row] = {}
    for row in ordered(rows, "validation", by_item):
        by_prompt.setdefault(prompt_key(row), row)
    return list(by_prompt.values())[: min(count, int(len(by_prompt) * LARGEST_HELD_OUT_SHARE))]


def _prompts(rows: Iterable[Row]) -> set[bytes]:
    return {prompt_key(row) for row in rows}


def _count(reasons: Counter[str], reason: str, number: int) -> None:
    if number:
        reasons[reason] += number
