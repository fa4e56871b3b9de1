"""Agreement of gradients: measured on enough rows."""

from __future__ import annotations

from collections.abc import Iterator

from clt_ray.errors import Problem
from clt_ray.sweep.document import Document, KeyPath
from clt_ray.sweep.sections import ValidationSpec

EVERY: KeyPath = ("training", "gradient_agreement_every")
FEWEST_ROWS = 2
"""Validation rows per task and language that can be halved."""


def check_agreement(document: Document) -> Iterator[Problem]:
    """Runs that measure agreement have rows for it."""
    every = document.get(*EVERY, default=0)
    if type(every) is not int or every <= 0:
        return
    rows = document.get("validation", "samples_per_language", default=ValidationSpec().samples_per_language)
    if type(rows) is int and 0 < rows < FEWEST_ROWS:
        message = f"is measured on validation rows in two halves, and there is {rows} row per task and language"
        remedy = f"write validation: {{samples_per_language: {FEWEST_ROWS}}} or more, or write 0 here"
        yield document.problem(EVERY, message, remedy)
