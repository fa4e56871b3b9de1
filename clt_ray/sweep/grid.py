"""From a sweep to its cells and runs.

A *cell* is one place of the grid: product of model, task, language group, samples per language and seed, plus
`include`, minus `exclude`. A *run* is what has to be executed. They differ where n = 0: every language group has its
own cell there, the start of its curve, and all of them are the same English-only run. So are the equal-volume
controls of groups with as many languages, which train on as many English rows.

    2 groups x n in (0, 100) x 1 seed  ->  4 cells, 3 runs
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from itertools import product
from typing import NamedTuple

from clt_ray.languages import ENGLISH
from clt_ray.sweep.catalog import controlled_group, parse_tasks
from clt_ray.sweep.inputs import run_inputs
from clt_ray.sweep.run import RunSpec
from clt_ray.sweep.spec import Axes, CellPattern, SweepSpec


class CellKey(NamedTuple):
    """Where a cell is in the grid."""

    model: str
    tasks: tuple[str, ...]
    """In canonical order."""
    language_group: str
    samples_per_language: int
    """Per non-English language and task."""
    seed: int


@dataclass(frozen=True)
class Cell:
    """One place of the grid and the run that fills it."""

    key: CellKey
    train_languages: tuple[str, ...]
    """Non-English languages of the cell's group, also where n = 0; of a control, those that English replaces."""
    run: RunSpec

    @property
    def series(self) -> str:
        """The curve the cell is a point of. The English-only run is the start of every group's curve."""
        return f"{self._curve} seed {self.key.seed}"

    @property
    def title(self) -> str:
        """The name of the cell's run, but with the cell's own group where n = 0."""
        return f"{self._curve} n {self.key.samples_per_language} seed {self.key.seed}"

    @property
    def _curve(self) -> str:
        languages = "+".join(self.train_languages)
        if controlled_group(self.key.language_group):
            return f"{self.key.model} {self.run.task} English control for {languages}"
        return f"{self.key.model} {self.run.task} {self.key.language_group} {languages}"


def expand(spec: SweepSpec) -> tuple[RunSpec, ...]:
    """The distinct runs of a sweep, in the order of its grid.

    Raises:
        DataError: A local data root or model directory cannot be read.
    """
    return distinct_runs(cells(spec))


def distinct_runs(cells: Iterable[Cell]) -> tuple[RunSpec, ...]:
    """The runs of some cells, each once, where it comes first."""
    runs: dict[str, RunSpec] = {}
    for cell in cells:
        runs.setdefault(cell.run.run_id, cell.run)
    return tuple(runs.values())


def cells(spec: SweepSpec) -> tuple[Cell, ...]:
    """The cells of a sweep: product in the order of the axes, then `include`, without `exclude`.

    Raises:
        DataError: A local data root or model directory cannot be read.
    """
    build = _RunBuilder(spec)
    return tuple(Cell(key, tuple(sorted(spec.languages_of(key.language_group))), build(key)) for key in cell_keys(spec))


def cell_keys(axes: Axes) -> tuple[CellKey, ...]:
    """Where the cells are, each once."""
    keys = dict.fromkeys(product_keys(axes))
    for pattern in axes.include:
        keys.update(dict.fromkeys(pattern_keys(axes, pattern)))
    if not axes.exclude:
        return tuple(keys)
    return tuple(key for key in keys if not any(matches(pattern, key) for pattern in axes.exclude))


def product_keys(axes: Axes) -> Iterator[CellKey]:
    """The product of the grid's axes and the seeds; the last axis moves fastest."""
    return pattern_keys(axes, CellPattern())


def pattern_keys(axes: Axes, pattern: CellPattern) -> Iterator[CellKey]:
    """The cells that an `include` entry names; an axis it leaves out takes the grid's values."""
    grid = axes.grid
    models = grid.model if pattern.model is None else pattern.model
    tasks = grid.task if pattern.task is None else pattern.task
    groups = grid.language_group if pattern.language_group is None else pattern.language_group
    samples = grid.samples_per_language if pattern.samples_per_language is None else pattern.samples_per_language
    seeds = axes.seeds if pattern.seed is None else pattern.seed
    return map(CellKey._make, product(models, _parsed(tasks), groups, samples, seeds))


def matches(pattern: CellPattern, key: CellKey) -> bool:
    """Whether an `exclude` entry names a cell: every axis it gives has the cell's value among its own."""
    return (
        (pattern.model is None or key.model in pattern.model)
        and (pattern.task is None or key.tasks in _parsed(pattern.task))
        and (pattern.language_group is None or key.language_group in pattern.language_group)
        and (pattern.samples_per_language is None or key.samples_per_language in pattern.samples_per_language)
        and (pattern.seed is None or key.seed in pattern.seed)
    )


@cache
def _parsed(tasks: Iterable[str]) -> tuple[tuple[str, ...], ...]:
    return tuple(parse_tasks(task) for task in tasks)


class _RunBuilder:
    """Makes the runs of one sweep; what runs share is made, and its content hashed, once."""

    def __init__(self, spec: SweepSpec) -> None:
        self._spec = spec
        self._pattern = cache(self._make_pattern)

    def __call__(self, key: CellKey) -> RunSpec:
        pattern = self._pattern(key.model, key.tasks, key.language_group, key.samples_per_language > 0)
        return replace(pattern, samples_per_language=key.samples_per_language, seed=key.seed)

    def _make_pattern(self, model: str, tasks: tuple[str, ...], group: str, multilingual: bool) -> RunSpec:
        spec = self._spec
        languages = spec.languages_of(group) if multilingual else ()
        replaced = len(languages) if controlled_group(group) else 0
        if replaced:
            languages = (ENGLISH,)
        data = {task: spec.data_source(task) for task in tasks}
        return RunSpec(
            model=spec.model_spec(model),
            tasks=tasks,
            language_group=group,
            train_languages=languages,
            samples_per_language=int(multilingual),
            english_samples=spec.english_samples,
            seed=0,
            eval_languages=spec.eval_languages,
            data=data,
            training=spec.training,
            validation=spec.validation,
            selection=spec.selection,
            evaluation=spec.evaluation,
            hardware=spec.hardware_of(model),
            inputs=run_inputs(spec.model_spec(model), data, languages, spec.eval_languages),
            replaced_languages=replaced,
        )
