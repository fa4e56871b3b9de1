"""Nested samples: a sample of n rows is always the first n rows of one fixed order.

The order sorts rows by a hash of (key, row): with the hashes 3, 9, 1 the rows a, b, c have the order c, a, b. Each
sample is part of every larger one, in any process, and a row that is appended to the file later moves no other row. A
shuffle by a seeded generator would give an unrelated order as soon as the number of rows changed.
"""

import hashlib
import unicodedata
from collections.abc import Callable, Sequence

from clt_ray.data.rows import Row


def normalise(text: str) -> str:
    """Returns the text without differences of width, composition, letter case and white space."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    return " ".join(text.casefold().split())


def digest(*parts: str) -> bytes:
    """Returns a 128-bit digest of a sequence of texts, which is equal for equal sequences only."""
    hasher = hashlib.blake2b(digest_size=16)
    for part in parts:
        encoded = part.encode("utf-8", "surrogatepass")
        hasher.update(len(encoded).to_bytes(8, "little"))
        hasher.update(encoded)
    return hasher.digest()


def prompt_key(row: Row) -> bytes:
    """Returns a key that is equal for rows with the same prompt."""
    return digest(normalise(row.prompt))


def content_key(row: Row) -> bytes:
    """Returns a key that is equal for rows with the same prompt and completion."""
    return digest(normalise(row.prompt), normalise(row.completion))


def ordered(rows: Sequence[Row], key: str, identity: Callable[[Row], bytes] = content_key) -> list[Row]:
    """Returns all rows in the pseudo-random order of `key`, by a hash of their `identity`.

    Rows with equal identities keep their relative order.
    """
    secret = digest(key)
    return sorted(rows, key=lambda row: hashlib.blake2b(identity(row), key=secret, digest_size=16).digest())


def nested_sample(rows: Sequence[Row], count: int, task: str, language: str, seed: int) -> list[Row]:
    """Returns the first `count` rows in the order of (task, language, seed); all of them when there are fewer."""
    return ordered(rows, f"{task}/{language}/{seed}")[:count]


def by_item(row: Row) -> bytes:
    """Identifies a row by its name, so that parallel data sets give the same items in every language."""
    return digest(row.id)
