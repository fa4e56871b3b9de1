"""Reads the objects of a JSON-lines file or of one long JSON array, a few at a time.

Data sets of many gigabytes are published as a single array (mCoT-MATH, ShareGPT). A parser that reads the whole file
at once would need several times the size of the file in memory.
"""

import codecs
import json
from collections.abc import Iterator
from typing import Any, BinaryIO

from clt_ray.errors import DataError

CHUNK_BYTES = 1 << 20
LONGEST_RECORD = 1 << 26
"""Largest number of characters of one object. An array without the end of an object within them is broken."""

_DECODER = json.JSONDecoder()


def json_records(file: BinaryIO) -> Iterator[dict[str, Any] | None]:
    """Yields every object of a file in UTF-8: of an array, or of lines; None for an item that is no object.

    Raises:
        DataError: An array holds text that is not JSON, so that the objects after it cannot be separated.
    """
    start = b""
    while not start:
        chunk = file.read(CHUNK_BYTES)
        if not chunk:
            return
        start = chunk.removeprefix(codecs.BOM_UTF8).lstrip()
    yield from _array(file, start[1:]) if start.startswith(b"[") else json_lines(file, start)


def json_lines(file: BinaryIO, start: bytes = b"") -> Iterator[dict[str, Any] | None]:
    """Yields the object of every line that is not blank, after the part `start` read before; None for another line."""
    rest = start
    while True:
        *whole, rest = rest.split(b"\n")
        yield from (_object(line) for line in whole if line.strip())
        chunk = file.read(CHUNK_BYTES)
        if not chunk:
            break
        rest += chunk
    if rest.strip():
        yield _object(rest)


def _object(line: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(line)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _array(file: BinaryIO, start: bytes) -> Iterator[dict[str, Any] | None]:
    decode = codecs.getincrementaldecoder("utf-8")(errors="replace").decode
    text, position, ended = decode(start), 0, False
    while True:
        while position < len(text) and text[position] in ", \t\r\n":
            position += 1
        if text.startswith("]", position):
            return
        try:
            value, end = _DECODER.raw_decode(text, position)
            # A number at the end of the text may continue in the next chunk.
            if end < len(text) or ended:
                position = end
                yield value if isinstance(value, dict) else None
                continue
        except json.JSONDecodeError as error:
            if len(text) - position > LONGEST_RECORD:
                raise DataError(f"not a JSON array of objects: no object ends within {LONGEST_RECORD:,} characters "
                                f"({error.msg})") from error  # fmt: skip
        if ended:
            if text[position:].strip():
                yield None
            return
        chunk = file.read(CHUNK_BYTES)
        ended = not chunk
        text, position = text[position:] + decode(chunk, final=ended), 0
