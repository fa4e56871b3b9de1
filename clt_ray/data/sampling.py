"""Nested samples: n rows are always the first n of one fixed order.

The order sorts rows by a hash of (key, row). Worked example: with hashes 3, 9, 1 the rows a, b, c come in the order
c, a, b. One sample is {c}, two are {c, a}; each sample is inside every larger one, in any process, since nothing
but the rows and the key enters the hash. A row d appended later with hash 5 slips in between a and b and moves
nothing else, and reordering the file changes nothing at all. A shuffle by a seeded generator would draw an
unrelated order as soon as the number of rows changed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

from clt_ray.data.content import content_key, digest
from clt_ray.data.rows import Row


def ordered(rows: Sequence[Row], key: str, identity: Callable[[Row], bytes] = content_key) -> list[Row]:
    """All rows in the pseudo-random order that belongs to `key`.

    Args:
        rows: In any order.
        key: Names the order.
        identity: What of a row enters the hash. Rows that it cannot tell apart keep their given order.
    """
    secret = digest(key)
    return sorted(rows, key=lambda row: hashlib.blake2b(identity(row), key=secret, digest_size=16).digest())


def nested_sample(rows: Sequence[Row], count: int, task: str, language: str, seed: int) -> list[Row]:
    """The first `count` rows in the order of (task, language, seed); fewer when there are fewer."""
    return ordered(rows, f"{task}/{language}/{seed}")[:count]


def by_item(row: Row) -> bytes:
    """Identity by name, so that parallel data sets give the same items in every language."""
    return digest(row.id)
