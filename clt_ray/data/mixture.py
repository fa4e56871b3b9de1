"""Divides the rows of a task and language by purpose, and assembles all rows of a run.

Test rows are taken first, then validation rows (of the validation split, or held out from the training split where a
source has none). Training rows are the remaining ones whose prompt occurs in neither; prompts are compared, not whole
rows, since a training row that asks a test question with another answer still reveals the question. The division
depends on the source and on the number of validation rows alone, so that every run of a sweep leaves out the same rows.

The mixture of a run is, for each of its tasks, `english_samples` English rows and `samples_per_language` rows of
every other training language: math and summarization on es and ja with 10 English and 4 other samples give
2 x (10 + 2 x 4) = 36 rows. The 4 Spanish math rows are the same in every run with that seed, and they are among the 8
rows of a run with twice as many (`clt_ray.data.sampling`). The equal-volume control of that run has the first
10 + 2 x 4 English rows of each task, of which the first 10 are those of the run that it is compared with.
"""

import functools
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import product

from clt_ray.data.rows import Row
from clt_ray.data.sampling import by_item, content_key, nested_sample, ordered, prompt_key
from clt_ray.data.sources import describe, load_rows
from clt_ray.errors import DataError, Problem
from clt_ray.languages import ENGLISH
from clt_ray.sweep.run import RunSpec
from clt_ray.sweep.sections import DataSource
from clt_ray.sweep.selection import language_metric
from clt_ray.tasks import TaskLanguage

LARGEST_HELD_OUT_SHARE = 0.2
"""Largest share of the training prompts that is held out for validation when a source has no validation split."""


@dataclass(frozen=True)
class Pools:
    """The usable rows of one task and language."""

    train: tuple[Row, ...]
    """Training rows without duplicates; empty when they were not requested."""
    validation: tuple[Row, ...]
    """Validation rows in a fixed order, at most as many as requested."""
    test: tuple[Row, ...]
    """All rows of the test split in a fixed order, of which evaluation uses the first ones."""
    dropped: dict[str, Counter[str]]
    """Split -> reason -> number of rows that were left out."""
    available: dict[str, int] = field(default_factory=dict)
    """Split -> number of raw rows of the source, for every split that was read."""
    origins: tuple[str, ...] = ()
    """Sources that were read, with the commits of hub data sets."""


def load_pools(source: DataSource, task: str, language: str, validation_rows: int, *, with_train: bool = True) -> Pools:
    """Reads the rows of one task and language and divides them by purpose.

    Args:
        with_train: False skips the training rows where they are not needed for validation either.

    Raises:
        DataError: The source cannot be read, or no row of a split is usable.
    """
    # The bundled corpus never changes, and a warm worker reads the same rows for one run after another.
    read = _bundled_pools if source.bundled else _read_pools
    return read(source, task, language, validation_rows, with_train)


@dataclass(frozen=True)
class RunData:
    """All rows of a run."""

    train: tuple[Row, ...]
    """Training rows, task by task and English first; batches reorder them."""
    validation: dict[TaskLanguage, tuple[Row, ...]]
    """Rows by task and language, for every evaluation language that has some."""
    test: dict[TaskLanguage, tuple[Row, ...]]
    """Rows by task and language, for every evaluation language that has some."""
    dropped: dict[str, dict[str, int]]
    """`<task>/<split>/<language>` -> reason -> number of rows of the source that were left out."""
    origins: tuple[str, ...] = ()
    """Sources of the rows; those of hub data sets with the commit that was read."""


def build_run_data(run: RunSpec) -> RunData:
    """Reads the rows of a run, which depend on its identity only; validation and test rows not even on the seed.

    Raises:
        DataError: A source cannot be read or has too few rows.
    """
    train: list[Row] = []
    validation: dict[TaskLanguage, tuple[Row, ...]] = {}
    test: dict[TaskLanguage, tuple[Row, ...]] = {}
    dropped: dict[str, dict[str, int]] = {}
    origins: dict[str, None] = {}
    for task in run.tasks:
        for language in _languages(run):
            needed = run.rows_in(language)
            held_out = run.validation.samples_per_language
            pools = load_pools(run.data[task], task, language, held_out, with_train=needed > 0)
            if len(pools.train) < needed:
                raise DataError(str(_shortage(run.data[task], task, language, len(pools.train), needed, run)))
            train += nested_sample(pools.train, needed, task, language, run.seed)
            if language in run.eval_languages:
                validation[TaskLanguage(task, language)] = pools.validation
                test[TaskLanguage(task, language)] = pools.test[: run.evaluation.samples_per_language]
            dropped |= {f"{task}/{split}/{language}": dict(count) for split, count in pools.dropped.items() if count}
            origins |= dict.fromkeys(pools.origins)
        if not any(rows for pair, rows in test.items() if pair.task == task):
            raise DataError(str(_no_test(run.data[task], task, run.eval_languages)))
    return RunData(tuple(train), _filled(validation), _filled(test), dropped, tuple(origins))


@dataclass(frozen=True)
class DataNeed:
    """The rows that the runs of a sweep need of one source, task and language."""

    source: DataSource
    task: str
    language: str
    run: RunSpec
    """The run that needs the most training rows."""
    train_rows: int
    validation_rows: int
    evaluated: bool
    """Whether some run is validated and tested in the language."""
    selects: bool
    """Whether some run chooses its checkpoint by these validation rows alone."""


def data_needs(runs: Iterable[RunSpec]) -> list[DataNeed]:
    """Returns the largest need of any run for every source, task and language, task by task."""
    users: dict[tuple[DataSource, str, str], list[RunSpec]] = {}
    for run in runs:
        for task, language in product(run.tasks, _languages(run)):
            users.setdefault((run.data[task], task, language), []).append(run)
    needs = []
    for (source, task, language), group in users.items():
        largest = max(group, key=lambda run: run.rows_in(language))
        rows = largest.rows_in(language), max(run.validation.samples_per_language for run in group)
        evaluated = any(language in run.eval_languages for run in group)
        selects = any(run.selection.metric.startswith(language_metric(task, language, "")) for run in group)
        needs.append(DataNeed(source, task, language, largest, *rows, evaluated, selects))
    tasks = list(dict.fromkeys(need.task for need in needs))
    return sorted(needs, key=lambda need: tasks.index(need.task))


def check_availability(runs: Iterable[RunSpec]) -> list[Problem]:
    """Finds missing rows of the bundled corpus and of local roots before the first run starts.

    It returns one problem for each source, task and language that has too few rows for the largest run or no validation
    row for the selection, and one for each source and task without any test row.
    """
    problems: list[Problem] = []
    without_tests: dict[tuple[DataSource, str], list[str]] = {}
    with_tests: set[tuple[DataSource, str]] = set()
    for need in data_needs(runs):
        source, task, language = need.source, need.task, need.language
        place = (source, task)
        if source.dataset:
            continue
        try:
            pools = load_pools(source, task, language, need.validation_rows, with_train=need.train_rows > 0)
        except DataError as error:
            # An unreadable source is reported once for all languages.
            problem = Problem(f"data.{task}", "", None, str(error))
            problems += [problem] if problem not in problems else []
            with_tests.add(place)
            continue
        if len(pools.train) < need.train_rows:
            problems.append(_shortage(source, task, language, len(pools.train), need.train_rows, need.run))
        if need.selects and not pools.validation:
            remedy = "select by a mean such as val/loss, or by another language"
            missing = "validation rows, which selection.metric needs"
            problems.append(Problem(describe(source), f"{task}/validation/{language}", 0, missing, remedy))
        if need.evaluated and pools.test:
            with_tests.add(place)
        elif need.evaluated:
            without_tests.setdefault(place, []).append(language)
    return problems + [
        _no_test(*place, languages) for place, languages in without_tests.items() if place not in with_tests
    ]


def _read_pools(source: DataSource, task: str, language: str, validation_rows: int, with_train: bool) -> Pools:
    dropped: dict[str, Counter[str]] = {}
    available: dict[str, int] = {}
    origins: dict[str, None] = {}

    def distinct(split: str) -> list[Row]:
        loaded = load_rows(source, task, language, split)
        dropped[split] = Counter(loaded.dropped)
        available[split] = loaded.available
        origins.update(dict.fromkeys([loaded.origin] if loaded.origin else []))
        rows = list({content_key(row): row for row in reversed(loaded.rows)}.values())[::-1]
        dropped[split] += Counter({"duplicate": len(loaded.rows) - len(rows)})
        return rows

    def without(split: str, rows: Sequence[Row], prompts: set[bytes], reason: str) -> list[Row]:
        kept = [row for row in rows if prompt_key(row) not in prompts] if prompts else list(rows)
        dropped[split] += Counter({reason: len(rows) - len(kept)})
        return kept

    # Ordering by the name of the item gives parallel data sets the same items in every language.
    test = ordered(distinct("test"), "test", by_item)
    test_prompts = _prompts(test)
    validation_split = distinct("validation")
    usable = without("validation", validation_split, test_prompts, "prompt also in test")
    validation = ordered(usable, "validation", by_item)[:validation_rows]
    train: list[Row] = []
    if with_train or not validation_split:
        train = without("train", distinct("train"), test_prompts, "prompt also in test")
        if validation_split:
            reserved, reason = _prompts(validation_split), "prompt also in validation"
        else:
            validation = _held_out(train, validation_rows)
            reserved, reason = _prompts(validation), "held out for validation"
        train = without("train", train, reserved, reason)
    return Pools(tuple(train) if with_train else (), tuple(validation), tuple(test), dropped, available, tuple(origins))


_bundled_pools = functools.lru_cache(maxsize=128)(_read_pools)


def _held_out(rows: Sequence[Row], count: int) -> list[Row]:
    """Returns one row for each of the first `count` prompts in a fixed order."""
    by_prompt: dict[bytes, Row] = {}
    for row in ordered(rows, "validation", by_item):
        by_prompt.setdefault(prompt_key(row), row)
    return list(by_prompt.values())[: min(count, int(len(by_prompt) * LARGEST_HELD_OUT_SHARE))]


def _prompts(rows: Iterable[Row]) -> set[bytes]:
    return {prompt_key(row) for row in rows}


def _languages(run: RunSpec) -> list[str]:
    return list(dict.fromkeys((ENGLISH, *run.train_languages, *run.eval_languages)))


def _shortage(source: DataSource, task: str, language: str, have: int, need: int, run: RunSpec) -> Problem:
    remedy = "lower english_samples" if language == ENGLISH else "lower samples_per_language"
    if language == ENGLISH and run.replaced_languages:
        remedy += " or the samples_per_language of equal-volume controls"
    if not source.dataset:
        remedy += ", or give more rows with " + f"data.{task}.root"
    missing = f"usable training rows, but {need} are needed"
    return Problem(describe(source), f"{task}/train/{language}", have, missing, remedy)


def _no_test(source: DataSource, task: str, languages: Iterable[str]) -> Problem:
    missing = f"test rows in the evaluation languages {', '.join(languages)}"
    remedy = "add languages that the source has test rows for to eval_languages"
    return Problem(describe(source), f"{task}/test", 0, missing, remedy)


def _filled(rows_of: dict[TaskLanguage, tuple[Row, ...]]) -> dict[TaskLanguage, tuple[Row, ...]]:
    return {pair: rows for pair, rows in rows_of.items() if rows}
