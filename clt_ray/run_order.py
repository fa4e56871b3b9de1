"""Order of a sweep's missing runs by what they are expected to tell, updated as runs finish."""

from collections.abc import Sequence
from math import nan

from clt_ray.analysis.metrics import metric, primary_metrics
from clt_ray.analysis.run_selection import Candidate, Observation, SweepCurves, dispensable, next_run
from clt_ray.evidence import Rows, finished_rows
from clt_ray.languages import ENGLISH
from clt_ray.store import Store
from clt_ray.sweep.cost import chip_hours, training_tokens
from clt_ray.sweep.run import RunSpec


class StoreOrder:
    """Chooses among missing runs by the scores of finished runs; a `RunOrder` of orchestration."""

    def __init__(self, runs: Sequence[RunSpec], store: Store, *, informative: bool, stop_at_plateau: bool) -> None:
        """
        Args:
            runs: All runs of the sweep in the order of its grid, finished ones included.
            informative: Choose by expected information per cost; otherwise keep the order of the grid.
            stop_at_plateau: Leave out runs beyond an established plateau.
        """
        self.skipped: dict[str, str] = {}
        """Runs that are left out, by run id, each with the reason."""
        self._curves = SweepCurves([_candidate(run) for run in runs])
        self._store, self._informative, self._stop_at_plateau = store, informative, stop_at_plateau
        self._observed: dict[str, dict[str, Observation]] = {}
        self._under_way: set[str] = set()
        for run in runs:
            self._read(run.run_id)

    def next(self, waiting: Sequence[RunSpec]) -> RunSpec | None:
        """Returns the run to execute next; None when all that wait can be left out."""
        by_id = {run.run_id: run for run in waiting}
        if self._stop_at_plateau:
            # Decided anew each time, since a later run can unsettle a curve.
            self.skipped = {run_id: why for run_id, why in self.skipped.items() if run_id not in by_id}
            self.skipped |= dispensable(self._curves, list(by_id), self._observed)
        candidates = [run_id for run_id in by_id if run_id not in self.skipped]
        if not candidates:
            return None
        chosen = candidates[0]
        if self._informative:
            chosen = next_run(self._curves, candidates, self._observed, self._under_way) or chosen
        self._under_way.add(chosen)
        return by_id[chosen]

    def ended(self, run_id: str) -> None:
        """Learns from a run that has ended; a failed run has no scores and teaches nothing."""
        self._under_way.discard(run_id)
        self._read(run_id)

    def _read(self, run_id: str) -> None:
        observations = observe(finished_rows(self._store, [run_id], "scores.csv"))
        if observations:
            self._observed[run_id] = observations


def observe(rows: Rows) -> dict[str, Observation]:
    """Returns the mean over the non-English languages of each task's primary metric in a run's rows of scores.csv."""
    observations = {}
    for task in dict.fromkeys(row["task"] for row in rows):
        task_rows = [row for row in rows if row["task"] == task and row["eval_language"] != ENGLISH]
        names = {row["metric"] for row in task_rows}
        name = next((candidate for candidate in primary_metrics(task) or sorted(names) if candidate in names), None)
        metric_rows = [row for row in task_rows if row["metric"] == name]
        if name is None or not metric_rows:
            continue
        scale = metric(name)
        errors = [float(row["stderr"]) if row["stderr"] else nan for row in metric_rows]
        observations[task] = Observation(
            sum((float(row["score"]) - scale.low) / scale.span for row in metric_rows) / len(metric_rows),
            sum((error / scale.span) ** 2 for error in errors) / len(metric_rows) ** 2,
        )
    return observations


def _candidate(run: RunSpec) -> Candidate:
    tokens = training_tokens(run)
    languages = f"{run.language_group} {'+'.join(run.train_languages)}" if run.samples_per_language else ""
    items = run.evaluation.samples_per_language * max(sum(code != ENGLISH for code in run.eval_languages), 1)
    cost = chip_hours(run, tokens) or float(tokens)
    return Candidate(run.run_id, run.model.name, run.tasks, languages, run.samples_per_language, cost, items)
