"""Checks conditions that the type of one field cannot express: names that must exist, values that must fit others.

A check takes the typed sweep and yields findings. This module turns them into problems with the place in the file. It
leaves out findings about values that were refused already, and checks that compare with such a value.
"""

from collections.abc import Callable, Collection, Iterator, Mapping

from clt_ray.errors import Problem
from clt_ray.sweep.checks import content, hardware, names
from clt_ray.sweep.checks import measurements as measured
from clt_ray.sweep.checks.findings import Finding
from clt_ray.sweep.document import Document, KeyPath
from clt_ray.sweep.spec import SweepSpec
from clt_ray.sweep.structure import path_in_file

AXES = ("seeds", "grid", "include", "exclude")

CHECKS: Mapping[Callable[[SweepSpec], Iterator[Finding]], tuple[str, ...]] = {
    names.check_axes: (),
    names.check_names: (),
    names.check_groups: (),
    names.check_languages: (),
    names.check_cells: AXES,
    names.check_rows_to_train_on: (),
    content.check_models: (),
    content.check_data: (),
    content.check_row_files: ("grid", "include", "language_groups", "english_samples", "eval_languages"),
    measured.check_generated_rows: ("validation.samples_per_language",),
    measured.check_generation_steps: ("training.eval_every",),
    measured.check_generated_tasks: (),
    measured.check_scorers: ("grid.task", "include"),
    measured.check_metric: ("grid.task", "include", "eval_languages", "validation.generate.tasks", "selection.metric"),
    measured.check_selection_languages: ("eval_languages",),
    measured.check_blind_runs: ("grid", "include", "language_groups", "selection.languages"),
    hardware.check_hardware: (),
    measured.check_gradient_agreement: ("validation.samples_per_language",),
}
"""Each check with the keys that it compares others with. It is skipped if one of their values was refused."""


def check(spec: SweepSpec, document: Document, refused: Collection[KeyPath]) -> list[Problem]:
    """Returns every problem that the checks find in the typed values of a file, of which some were refused."""
    findings = (
        finding
        for run_check, keys in CHECKS.items()
        if not any(_touches(refused, tuple(key.split("."))) for key in keys)
        for finding in run_check(spec)
    )
    located = ((path_in_file(document, finding.path), finding) for finding in findings)
    return [
        document.problem(path, finding.message, finding.remedy, finding.value)
        for path, finding in located
        if not _touches(refused, path) and finding.compared_with not in refused
    ]


def _touches(refused: Collection[KeyPath], path: KeyPath) -> bool:
    """Returns whether the value at a path, a part of it, or a section around it was refused."""
    return any(path[: len(other)] == other[: len(path)] for other in refused)
