"""Canonical JSON, from which run ids are hashed: equal values have equal texts.

Keys are sorted, no whitespace is written, text is escaped to ASCII, and equal numbers are written alike: `1e-5` and
`0.00001` as `1e-05`, `1` and `1.0` as `1`. Therefore neither the order of keys in a sweep file nor the notation of a
number changes the identity of a run.
"""

import json
import math
from collections.abc import Mapping
from typing import Any

_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=True, allow_nan=False, sort_keys=True).encode


def canonical_json(value: object) -> str:
    """Returns the canonical JSON of a value made of mappings, sequences, text, numbers, booleans and None.

    Raises:
        ValueError: A number is not finite.
        TypeError: The value holds a type that JSON does not have, or a key that is not text.
    """
    return _encode(_plain(value))


def _plain(value: object) -> Any:
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise TypeError(f"{key!r} cannot be a key: keys in canonical JSON are text")
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and math.isfinite(value) and value.is_integer():
        return int(value)
    return value
