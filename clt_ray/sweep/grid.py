"""Expands a sweep into its cells and runs.

A *cell* is one place of the grid, which is the product of model, task, language group, samples per language and seed,
plus `include`, minus `exclude`. A *run* is what has to be executed. Several cells can be the same run: at n = 0 every
language group has a cell, the start of its curve, and all of these are the same English-only run. Likewise the
equal-volume controls of two groups with the same number of languages train on the same rows.

    2 groups x n in (0, 100) x 1 seed  ->  4 cells, 3 runs
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache, partial
from itertools import product
from typing import NamedTuple

from clt_ray.languages import ENGLISH
from clt_ray.sweep.catalog import controlled_group, parse_tasks
from clt_ray.sweep.inputs import run_inputs
from clt_ray.sweep.run import RunSpec
from clt_ray.sweep.spec import Axes, CellPattern, SweepSpec


class CellKey(NamedTuple):
    """The place of a cell in the grid."""

    model: str
    tasks: tuple[str, ...]
    """Tasks that are trained together, in canonical order."""
    language_group: str
    samples_per_language: int
    """Training rows per non-English language and task."""
    seed: int


@dataclass(frozen=True)
class Cell:
    """One place of the grid and the run that gives its results."""

    key: CellKey
    train_languages: tuple[str, ...]
    """Non-English languages of the cell's group, also at n = 0; for an equal-volume control the languages whose rows
    English rows replace."""
    run: RunSpec

    @property
    def series(self) -> str:
        """Name of the curve that the cell is a point of. The English-only run is the start of every group's curve."""
        return f"{self._curve} seed {self.key.seed}"

    @property
    def title(self) -> str:
        """Name of the cell. It equals the name of its run, except at n = 0, where it holds the group of the cell."""
        return f"{self._curve} n {self.key.samples_per_language} seed {self.key.seed}"

    @property
    def _curve(self) -> str:
        languages = "+".join(self.train_languages)
        if controlled_group(self.key.language_group):
            return f"{self.key.model} {self.run.task} English control for {languages}"
        return f"{self.key.model} {self.run.task} {self.key.language_group} {languages}"


def expand(spec: SweepSpec) -> tuple[RunSpec, ...]:
    """Returns the distinct runs of a sweep, in the order of its grid; raises `DataError` like `cells`."""
    return distinct_runs(cells(spec))


def distinct_runs(cells: Iterable[Cell]) -> tuple[RunSpec, ...]:
    """Returns the distinct runs of some cells, in the order of their first cells."""
    runs: dict[str, RunSpec] = {}
    for cell in cells:
        runs.setdefault(cell.run.run_id, cell.run)
    return tuple(runs.values())


def cells(spec: SweepSpec) -> tuple[Cell, ...]:
    """Returns the cells of a sweep: the product in the order of the axes, then `include`, without `exclude`.

    Raises:
        DataError: A local data root or model directory cannot be read.
    """
    cached_template = cache(partial(_template, spec))
    result = []
    for key in cell_keys(spec):
        template = cached_template(key.model, key.tasks, key.language_group, key.samples_per_language > 0)
        run = replace(template, samples_per_language=key.samples_per_language, seed=key.seed)
        result.append(Cell(key, tuple(sorted(spec.languages_of(key.language_group))), run))
    return tuple(result)


def cell_keys(axes: Axes) -> tuple[CellKey, ...]:
    """Returns the places of the cells, each once."""
    keys = dict.fromkeys(product_keys(axes))
    for pattern in axes.include:
        keys.update(dict.fromkeys(pattern_keys(axes, pattern)))
    return tuple(key for key in keys if not any(matches(pattern, key) for pattern in axes.exclude))


def product_keys(axes: Axes) -> Iterator[CellKey]:
    """Returns the product of the grid's axes and the seeds; the last axis varies fastest."""
    return pattern_keys(axes, CellPattern())


def pattern_keys(axes: Axes, pattern: CellPattern) -> Iterator[CellKey]:
    """Returns the cells that an `include` entry names; an axis that it leaves out takes the grid's values."""
    defaults = {**dict(axes.grid), "seed": axes.seeds}
    values = {axis: defaults[axis] if listed is None else listed for axis, listed in pattern}
    return map(CellKey._make, product(*(values | {"task": _parsed(values["task"])}).values()))


def matches(pattern: CellPattern, key: CellKey) -> bool:
    """Returns whether an `exclude` entry names a cell: each of its axes lists the cell's value."""
    place = zip(key, pattern, strict=True)
    return all(
        listed is None or value in (_parsed(listed) if axis == "task" else listed) for value, (axis, listed) in place
    )


@cache
def _parsed(tasks: Iterable[str]) -> tuple[tuple[str, ...], ...]:
    return tuple(parse_tasks(task) for task in tasks)


def _template(spec: SweepSpec, model: str, tasks: tuple[str, ...], group: str, multilingual: bool) -> RunSpec:
    """Returns a run that those which differ only in samples per language and seed share: content is hashed once."""
    languages = spec.languages_of(group) if multilingual else ()
    replaced = len(languages) if controlled_group(group) else 0
    if replaced:
        languages = (ENGLISH,)
    data = {task: spec.data_source(task) for task in tasks}
    hardware, *other_hardware = spec.hardware_of(model)
    same_in_sweep = ("english_samples", "eval_languages", "training", "validation", "selection", "evaluation")
    return RunSpec(
        **{name: getattr(spec, name) for name in same_in_sweep},
        model=spec.model_spec(model),
        tasks=tasks,
        language_group=group,
        train_languages=languages,
        samples_per_language=int(multilingual),
        seed=0,
        data=data,
        hardware=hardware,
        other_hardware=tuple(other_hardware),
        inputs=run_inputs(spec.model_spec(model), data, languages, spec.eval_languages, spec.evaluation.scorers),
        replaced_languages=replaced,
    )
