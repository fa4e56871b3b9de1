"""Checks the cells: `include` adds some, `exclude` removes some, some are left, and each has rows to train on."""

from collections.abc import Iterator

from clt_ray.sweep.checks.findings import Finding, used_tasks
from clt_ray.sweep.grid import cell_keys, matches, pattern_keys, product_keys
from clt_ray.sweep.spec import SweepSpec


def check_cells(spec: SweepSpec) -> Iterator[Finding]:
    """Checks that every `include` and `exclude` entry changes something, and the sweep is not empty."""
    if len(used_tasks(spec)) < len(spec.used("task")):
        return  # Cells need valid tasks; `check_names` reports the others.
    keys = set(product_keys(spec))
    for index, pattern in enumerate(spec.include):
        added = set(pattern_keys(spec, pattern))
        if added <= keys:
            message = "adds no cell that the sweep does not have already"
            yield Finding(("include", index), message, "remove it or change an axis")
        keys |= added
    for index, pattern in enumerate(spec.exclude):
        if not any(matches(pattern, key) for key in keys):
            yield Finding(("exclude", index), "matches no cell of the sweep", "remove it or correct its values")
    if keys and not cell_keys(spec):
        yield Finding(("exclude",), "removes every cell of the sweep", "exclude less", value=None)


def check_rows_to_train_on(spec: SweepSpec) -> Iterator[Finding]:
    """Checks that English-only runs have English rows."""
    if spec.english_samples == 0 and 0 in spec.used("samples_per_language"):
        message = "with samples_per_language 0 leaves no training rows"
        yield Finding(("english_samples",), message, "remove 0 from samples_per_language")
