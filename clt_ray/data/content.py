"""What makes two rows the same: their text, not their position or their file."""

from __future__ import annotations

import hashlib
import unicodedata

from clt_ray.data.rows import Row


def normalise(text: str) -> str:
    """Text without differences of width, composition, letter case and white space."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    return " ".join(text.casefold().split())


def digest(*parts: str) -> bytes:
    """128-bit digest of a sequence of texts; equal sequences only, whatever characters they hold."""
    hasher = hashlib.blake2b(digest_size=16)
    for part in parts:
        encoded = part.encode("utf-8", "surrogatepass")
        hasher.update(len(encoded).to_bytes(8, "little"))
        hasher.update(encoded)
    return hasher.digest()


def prompt_key(row: Row) -> bytes:
    """Equal for rows that show the model the same text."""
    return digest(normalise(row.prompt))


def content_key(row: Row) -> bytes:
    """Equal for rows that would teach the model the same."""
    return digest(normalise(row.prompt), normalise(row.completion))
