"""What one field's type cannot say about a sweep file.

Every check reads the document as written and skips what `structure` already refused, so one wrong value hides no
other: the user sees all problems of a file at once.
"""

from __future__ import annotations

from clt_ray.errors import Problem
from clt_ray.sweep.checks.agreement import check_agreement
from clt_ray.sweep.checks.cells import check_cells
from clt_ray.sweep.checks.content import check_data, check_models
from clt_ray.sweep.checks.hardware import check_hardware
from clt_ray.sweep.checks.names import check_axes, check_groups, check_languages
from clt_ray.sweep.checks.selection import check_selection
from clt_ray.sweep.checks.validation import check_validation
from clt_ray.sweep.document import Document

CHECKS = (
    check_axes,
    check_groups,
    check_languages,
    check_cells,
    check_models,
    check_data,
    check_validation,
    check_selection,
    check_hardware,
    check_agreement,
)


def check(document: Document) -> list[Problem]:
    """Every problem that the checks find, in the order of the sections."""
    return [problem for one in CHECKS for problem in one(document)]
