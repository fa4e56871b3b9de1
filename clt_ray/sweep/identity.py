"""The identity of a run: 16 hexadecimal digits that change exactly when something can change the run's results.

    run_id = sha256(canonical JSON of the identity fields)[:16]

Two sweeps that contain the same run give it the same id on any machine, so that the second sweep reuses the result of
the first. Each field declares whether it enters the identity (`roles`). Hyper-parameters, sample counts, languages, the
seed, and the content hashes of weights, rows and prompt templates (`inputs`) do. Names of sweeps, models and language
groups, hardware, the paths of content, and the order in which a file lists tasks or languages do not.
"""

import hashlib
import json
import math
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from clt_ray.sweep.roles import identity_values

IDENTITY_VERSION = 1
"""Version of the computation. It is raised when the code computes other results from the same fields, for example by
another order of sampling; then every run trains again."""

RUN_ID_DIGITS = 16
"""Length of a run id. With 64 bits, the probability of a collision among a million runs is 3e-8."""

_UNORDERED = frozenset({"train_languages", "eval_languages", "tasks"})
"""Fields whose order has no meaning."""


def identity_json(run: Any) -> str:
    """Returns the canonical JSON of the identity fields of a `RunSpec`, or of another dataclass with roles.

    The text is assembled from one canonical text per field, because thousands of runs share a section, which caches
    its text.
    """
    fields = [f'"{name}":{_field_json(name, value)}' for name, value in identity_values(run).items()]
    return "{" + ",".join(sorted([f'"version":{IDENTITY_VERSION}', *fields])) + "}"


def run_id(run: Any) -> str:
    """Returns the identity of a run as 16 hexadecimal digits."""
    return hashlib.sha256(identity_json(run).encode()).hexdigest()[:RUN_ID_DIGITS]


def _field_json(name: str, value: object) -> str:
    if hasattr(value, "identity_json"):
        return str(value.identity_json)
    if type(value) is int:
        return str(value)
    if name in _UNORDERED and isinstance(value, tuple):
        return _sorted_json(value)
    return canonical_json(value)


@lru_cache(maxsize=1024)
def _sorted_json(values: tuple[str, ...]) -> str:
    return canonical_json(sorted(values))


_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=True, allow_nan=False, sort_keys=True).encode


def canonical_json(value: object) -> str:
    """Returns the canonical JSON of a value made of mappings, sequences, text, numbers, booleans and None.

    Equal values have equal texts: keys are sorted, no whitespace is written, text is escaped to ASCII, and equal
    numbers are written alike: `1e-5` and `0.00001` as `1e-05`, `1` and `1.0` as `1`.

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
