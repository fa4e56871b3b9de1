"""Assembles all rows of a run: its training mixture, and its validation and test rows by task and language.

The mixture of a run is, for each of its tasks, `english_samples` English rows and `samples_per_language` rows of
every other training language. Worked example: math and summarization on es and ja with 10 English and 4 other
samples give 2 x (10 + 2 x 4) = 36 rows. The 4 Spanish math rows are the same in every run with that seed, and they
are among the 8 rows of a run with twice as many (`clt_ray.data.sampling`).

The equal-volume control of that run also has 36 rows: the first 10 + 2 x 4 English rows of each task, of which the
first 10 are the English rows of the run that it is compared with.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product

from clt_ray.data.pools import Pools, load_pools
from clt_ray.data.rows import Row
from clt_ray.data.sampling import nested_sample
from clt_ray.data.sources import describe
from clt_ray.errors import DataError, Problem
from clt_ray.languages import ENGLISH
from clt_ray.sweep.metrics import language_metric
from clt_ray.sweep.run import DataSource, RunSpec
from clt_ray.tasks import TaskLanguage


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
    """Reads the rows of a run.

    The result depends on the identity fields of the run only; its validation and test rows do not depend on the seed
    either.

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
            pools = load_pools(
                run.data[task], task, language, run.validation.samples_per_language, with_train=needed > 0
            )
            if len(pools.train) < needed:
                control = run.replaced_languages > 0
                raise DataError(str(_shortage(run.data[task], task, language, len(pools.train), needed, control)))
            train += nested_sample(pools.train, needed, task, language, run.seed)
            if language in run.eval_languages:
                validation[TaskLanguage(task, language)] = pools.validation
                test[TaskLanguage(task, language)] = pools.test[: run.evaluation.samples_per_language]
            dropped |= _dropped(task, language, pools)
            origins |= dict.fromkeys(pools.origins)
        if not any(rows for pair, rows in test.items() if pair.task == task):
            raise DataError(str(_no_test(run.data[task], task, run.eval_languages)))
    return RunData(tuple(train), _filled(validation), _filled(test), dropped, tuple(origins))


def check_availability(runs: Iterable[RunSpec]) -> list[Problem]:
    """Finds missing rows before the first run starts.

    It reads the bundled corpus and local roots. The rows of hub data sets are not known before they are downloaded.

    Returns:
        One problem for each source, task and language that has too few rows for the largest run or no validation row
        for the selection, and one for each source and task without any test row.
    """
    problems: list[Problem] = []
    without_tests: dict[tuple[DataSource, str], list[str]] = {}
    with_tests: set[tuple[DataSource, str]] = set()
    for (source, task, language), need in _needs(runs).items():
        place = (source, task)
        try:
            pools = load_pools(source, task, language, need.validation_rows, with_train=need.train_rows > 0)
        except DataError as error:
            # An unreadable source is reported once for all languages.
            problem = Problem(f"data.{task}", "", None, str(error))
            problems += [problem] if problem not in problems else []
            with_tests.add(place)
            continue
        if len(pools.train) < need.train_rows:
            problems.append(_shortage(source, task, language, len(pools.train), need.train_rows, need.control))
        if need.selects and not pools.validation:
            problems.append(_no_validation(source, task, language))
        if need.evaluated and pools.test:
            with_tests.add(place)
        elif need.evaluated:
            without_tests.setdefault(place, []).append(language)
    return problems + [
        _no_test(*place, languages) for place, languages in without_tests.items() if place not in with_tests
    ]


@dataclass(frozen=True)
class _Need:
    """The rows that the runs of a sweep need of one source, task and language."""

    train_rows: int = 0
    control: bool = False
    """Whether an equal-volume control needs the most training rows."""
    validation_rows: int = 0
    evaluated: bool = False
    selects: bool = False
    """Whether some run chooses its checkpoint by these validation rows alone."""


def _needs(runs: Iterable[RunSpec]) -> dict[tuple[DataSource, str, str], _Need]:
    needs: dict[tuple[DataSource, str, str], _Need] = {}
    for run in runs:
        for task, language in product(run.tasks, _languages(run)):
            key = (run.data[task], task, language)
            if key[0].dataset:
                continue
            so_far, rows = needs.get(key, _Need()), run.rows_in(language)
            needs[key] = _Need(
                max(so_far.train_rows, rows),
                run.replaced_languages > 0 if rows > so_far.train_rows else so_far.control,
                max(so_far.validation_rows, run.validation.samples_per_language),
                so_far.evaluated or language in run.eval_languages,
                so_far.selects or run.selection.metric.startswith(language_metric(task, language, "")),
            )
    return needs


def _languages(run: RunSpec) -> list[str]:
    return list(dict.fromkeys((ENGLISH, *run.train_languages, *run.eval_languages)))


def _shortage(source: DataSource, task: str, language: str, have: int, need: int, control: bool) -> Problem:
    remedy = "lower english_samples" if language == ENGLISH else "lower samples_per_language"
    if language == ENGLISH and control:
        remedy += " or the samples_per_language of equal-volume controls"
    if not source.dataset:
        remedy += ", or give more rows with " + f"data.{task}.root"
    return Problem(
        describe(source), f"{task}/train/{language}", have,
        f"usable training rows, but {need} are needed", remedy,
    )  # fmt: skip


def _no_validation(source: DataSource, task: str, language: str) -> Problem:
    return Problem(
        describe(source), f"{task}/validation/{language}", 0, "validation rows, which selection.metric needs",
        "select by a mean such as val/loss, or by another language",
    )  # fmt: skip


def _no_test(source: DataSource, task: str, languages: Iterable[str]) -> Problem:
    return Problem(
        describe(source), f"{task}/test", 0, f"test rows in the evaluation languages {', '.join(languages)}",
        "add languages that the source has test rows for to eval_languages",
    )  # fmt: skip


def _dropped(task: str, language: str, pools: Pools) -> dict[str, dict[str, int]]:
    return {f"{task}/{split}/{language}": dict(reasons) for split, reasons in pools.dropped.items() if reasons}


def _filled(rows_of: dict[TaskLanguage, tuple[Row, ...]]) -> dict[TaskLanguage, tuple[Row, ...]]:
    return {pair: rows for pair, rows in rows_of.items() if rows}
