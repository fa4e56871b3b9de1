"""Checks that gradient agreement is measured on enough validation rows."""

from collections.abc import Iterator

from clt_ray.sweep.checks.findings import Finding
from clt_ray.sweep.spec import SweepSpec

FEWEST_ROWS = 2
"""Fewest validation rows per task and language that can be split into two halves."""


def check_gradient_agreement(spec: SweepSpec) -> Iterator[Finding]:
    """Checks that runs that measure gradient agreement have two halves of validation rows to measure its noise on."""
    rows = spec.validation.samples_per_language
    if spec.training.gradient_agreement_every and rows < FEWEST_ROWS:
        yield Finding(
            ("training", "gradient_agreement_every"),
            f"is measured on validation rows in two halves, and there is {rows} row per task and language",
            f"write validation: {{samples_per_language: {FEWEST_ROWS}}} or more, or write 0 here",
        )
