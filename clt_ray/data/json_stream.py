"""Reads the objects of a JSON-lines file or of one long JSON array, one at a time.

Data sets of many gigabytes are published as a single array (mCoT-MATH, ShareGPT). A parser that reads the whole file
at once would need several times the size of the file in memory.
"""

import codecs
import json
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO

import ijson

from clt_ray.errors import DataError


def json_records(file: BinaryIO) -> Iterator[dict[str, Any] | None]:
    """Yields every object of a seekable file in UTF-8: of an array, or of lines; None for an item that is no object.

    Numbers with a fraction are `Decimal` in an array, as they were written.

    Raises:
        DataError: An array holds text that is not JSON, or has no end because the file was cut off.
    """
    start = len(codecs.BOM_UTF8) if file.read(len(codecs.BOM_UTF8)) == codecs.BOM_UTF8 else 0
    file.seek(start)
    while (first := file.read(1)).isspace():
        pass
    file.seek(start)
    if first != b"[":
        yield from json_lines(file)
        return
    try:
        for value in ijson.items(file, "item"):
            yield value if isinstance(value, dict) else None
    except ijson.JSONError as error:
        reason = " ".join(str(error).split())
        raise DataError(f"not a JSON array of objects, or an incomplete copy of one: {reason}") from error


def json_lines(lines: Iterable[bytes]) -> Iterator[dict[str, Any] | None]:
    """Yields the object of every line that is not blank; None for another line."""
    for line in lines:
        if line.strip():
            try:
                value = json.loads(line)
            except ValueError:
                value = None
            yield value if isinstance(value, dict) else None
