"""A run's identity: 16 hexadecimal digits that change exactly when something can change the run's numbers.

    run_id = sha256(canonical JSON of the identity fields)[:16]

Two sweeps that ask for the same run get the same id, on any machine, so the second one reuses the first one's
result. What enters is declared field by field (`roles`): hyper-parameters, sample counts, languages, seed, and the
content hashes of weights, rows and prompt templates (`inputs`). What stays out: names of sweeps, models and
language groups, hardware, the paths where content lies, the order in which a file lists tasks or languages.

Example: the 8 x 8-slice run of a 5-language sweep and the same cell on another topology, in a grown grid, in a file
with its keys in another order, have one id; a run with one more evaluation language has another, since its
results hold one more column.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import Any

from clt_ray.sweep.canonical import canonical_json
from clt_ray.sweep.fields import SpecModel
from clt_ray.sweep.roles import identity_fields, silent_defaults

IDENTITY_VERSION = 1
"""Raised when the code gives the same fields other numbers, such as a new order of sampling. Every run then trains
again."""

RUN_ID_DIGITS = 16
"""64 bits: among a million runs, a collision has a chance of 3e-8."""

_UNORDERED = frozenset({"train_languages", "eval_languages", "tasks"})
"""Fields that are sets, whatever order a file lists them in."""


def identity_json(run: Any) -> str:
    """Canonical JSON of the identity fields of a run: a dataclass whose fields declare their roles, a `RunSpec`.

    Assembled from one text per field, each already canonical, because the sections are shared by thousands of
    runs and serialise themselves once.
    """
    kind: Any = type(run)
    parts = [f'"version":{IDENTITY_VERSION}']
    silent = silent_defaults(kind)
    given = ((name, getattr(run, name)) for name in identity_fields(kind))
    parts += [
        f'"{name}":{_field_json(name, value)}' for name, value in given if name not in silent or silent[name] != value
    ]
    return "{" + ",".join(sorted(parts)) + "}"


def run_id(run: Any) -> str:
    """The identity of a run, as 16 hexadecimal digits."""
    return hashlib.sha256(identity_json(run).encode()).hexdigest()[:RUN_ID_DIGITS]


def _field_json(name: str, value: object) -> str:
    if isinstance(value, SpecModel):
        return value.identity_json
    if type(value) is int:
        return str(value)
    if name in _UNORDERED and isinstance(value, tuple):
        return _sorted_json(value)
    return canonical_json(value)


@lru_cache(maxsize=1024)
def _sorted_json(values: tuple[str, ...]) -> str:
    return canonical_json(sorted(values))
