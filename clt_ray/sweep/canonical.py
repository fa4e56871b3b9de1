"""One text for one value: the JSON that identities are hashed from.

Keys are sorted, no space is written, text is ASCII-escaped, and numbers that are equal are written alike:
`1e-5` and `0.00001` as `1e-05`, `1` and `1.0` as `1`. So neither the order of keys in a sweep file nor the way a
number was typed reaches a run's identity.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=True, allow_nan=False, sort_keys=True).encode


def canonical_json(value: object) -> str:
    """Canonical JSON of a value made of mappings, sequences, text, numbers, booleans and None.

    Raises:
        ValueError: A number is not finite.
        TypeError: The value holds something that JSON cannot.
    """
    return _encode(_plain(value))


def _plain(value: object) -> Any:
    if isinstance(value, Mapping):
        return {_key(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and math.isfinite(value) and value.is_integer():
        return int(value)
    return value


def _key(key: object) -> str:
    if not isinstance(key, str):
        raise TypeError(f"{key!r} cannot be a key: canonical JSON has only text keys")
    return key
