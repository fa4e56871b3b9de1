"""Keys under which two rows count as the same: they depend on the text of the rows, not on its position or file."""

import hashlib
import unicodedata

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
