"""The order of a sweep's missing runs by what they tell, read off the store as runs finish."""

from __future__ import annotations

from collections.abc import Sequence
from math import nan

from clt_ray.analysis.metrics import metric, primary_metrics
from clt_ray.analysis.run_selection import Candidate, Curves, Observation, dispensable, next_run
from clt_ray.api.evidence import finished_rows
from clt_ray.languages import ENGLISH
from clt_ray.store import Store
from clt_ray.sweep.cost import chip_hours, training_tokens
from clt_ray.sweep.run import RunSpec


class StoreOrder:
    """Chooses among missing runs from the scores of the finished ones; an `orchestration.informative.Order`."""

    def __init__(self, runs: Sequence[RunSpec], store: Store, *, informative: bool, stop_at_plateau: bool) -> None:
        """
        Args:
            runs: All runs of the sweep, finished ones included, in the order of its grid.
            store: Where their scores are.
            informative: By expected information per cost; otherwise in the given order.
            stop_at_plateau: Leave out runs beyond an established plateau.
        """
        self.skipped: dict[str, str] = {}
        """Runs left out, by id, each with the reason."""
        self._curves = Curves([_candidate(run) for run in runs])
        self._store, self._informative, self._stop = store, informative, stop_at_plateau
        self._observed: dict[str, dict[str, Observation]] = {}
        self._under_way: set[str] = set()
        for run in runs:
            self._read(run.run_id)

    def next(self, waiting: Sequence[RunSpec]) -> RunSpec | None:
        """The run to execute next; None when all that wait can be left out."""
        by_id = {run.run_id: run for run in waiting}
        if self._stop:
            # Anew each time: a later run can unsettle a curve.
            self.skipped = {key: why for key, why in self.skipped.items() if key not in by_id}
            self.skipped |= dispensable(self._curves, list(by_id), self._observed)
        wanted = [run_id for run_id in by_id if run_id not in self.skipped]
        if not wanted:
            return None
        chosen = wanted[0]
        if self._informative:
            choice = next_run(self._curves, wanted, self._observed, self._under_way)
            chosen = choice.run_id if choice else chosen
        self._under_way.add(chosen)
        return by_id[chosen]

    def ended(self, run_id: str) -> None:
        """Learn from a run that has finished; one that failed taught nothing."""
        self._under_way.discard(run_id)
        self._read(run_id)

    def _read(self, run_id: str) -> None:
        observations = observe(finished_rows(self._store, [run_id], "scores.csv"))
        if observations:
            self._observed[run_id] = observations


def observe(rows: Sequence[dict[str, str]]) -> dict[str, Observation]:
    """Mean over the non-English languages of each task's primary metric, from the score rows of one run."""
    found = {}
    for task in dict.fromkeys(row["task"] for row in rows):
        own = [row for row in rows if row["task"] == task and row["eval_language"] != ENGLISH]
        names = {row["metric"] for row in own}
        name = next((each for each in primary_metrics(task) or sorted(names) if each in names), None)
        chosen = [row for row in own if row["metric"] == name]
        if name is None or not chosen:
            continue
        about = metric(name)
        errors = [float(row["stderr"]) if row["stderr"] else nan for row in chosen]
        found[task] = Observation(
            sum((float(row["score"]) - about.low) / about.span for row in chosen) / len(chosen),
            sum((error / about.span) ** 2 for error in errors) / len(chosen) ** 2,
        )
    return found


def _candidate(run: RunSpec) -> Candidate:
    tokens = training_tokens(run)
    languages = f"{run.language_group} {'+'.join(run.train_languages)}" if run.samples_per_language else ""
    items = run.evaluation.samples_per_language * max(sum(code != ENGLISH for code in run.eval_languages), 1)
    cost = chip_hours(run, tokens) or float(tokens)
    return Candidate(run.run_id, run.model.name, run.tasks, languages, run.samples_per_language, cost, items)
