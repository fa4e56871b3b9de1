"""Cells: `include` adds some, `exclude` removes some, something is left, and every run has rows to train on."""

from __future__ import annotations

from collections.abc import Iterator

from clt_ray.errors import Problem
from clt_ray.sweep.checks.reading import used
from clt_ray.sweep.document import Document
from clt_ray.sweep.grid import cell_keys, matches, pattern_keys, product_keys
from clt_ray.sweep.spec import Axes


def check_cells(document: Document) -> Iterator[Problem]:
    """Every `include` and `exclude` entry matters, and the sweep is not empty."""
    if document.get("english_samples") == 0 and 0 in used(document, "samples_per_language"):
        message = "with samples_per_language 0 leaves no training rows"
        yield document.problem(("english_samples",), message, "remove 0 from samples_per_language")
    axes = _axes(document)
    if axes is None:
        return
    keys = set(product_keys(axes))
    for index, pattern in enumerate(axes.include):
        added = set(pattern_keys(axes, pattern))
        if added <= keys:
            message = "adds no cell that the sweep does not have already"
            yield document.problem(("include", index), message, "remove it or change an axis")
        keys |= added
    for index, pattern in enumerate(axes.exclude):
        if not any(matches(pattern, key) for key in keys):
            message = "matches no cell of the sweep"
            yield document.problem(("exclude", index), message, "remove it or correct its values")
    if keys and not cell_keys(axes):
        message = "removes every cell of the sweep"
        yield document.problem(("exclude",), message, "exclude less", value=None)


def _axes(document: Document) -> Axes | None:
    """The axes, where they have a valid form; `structure` has said why if not."""
    given = {name: document.data[name] for name in Axes.model_fields if name in document.data}
    try:
        axes = Axes.model_validate(given)
        list(cell_keys(axes))
    except ValueError:
        return None
    return axes
