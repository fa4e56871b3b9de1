"""Ray Tune's hooks: trial events for an observer, and an order of the runs that depends on finished runs."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from ray.tune import Callback
from ray.tune.search import Searcher

from clt_ray.orchestration.monitor import Observer
from clt_ray.sweep.run import RunSpec


class RunOrder(Protocol):
    """Chooses which run is executed next."""

    def next(self, waiting: Sequence[RunSpec]) -> RunSpec | None:
        """Returns one of the waiting runs, or None when none of them should be executed."""

    def ended(self, run_id: str) -> None:
        """Is notified that a run which `next` returned has finished or failed."""


class RunSearcher(Searcher):
    """Suggests each run at most once, in the order that a `RunOrder` determines, until it returns none."""

    def __init__(self, runs: Sequence[RunSpec], order: RunOrder) -> None:
        super().__init__()
        self._waiting = {run.run_id: run for run in runs}
        self._run_ids: dict[str, str] = {}
        """Run id of each suggested trial, by trial id."""
        self._order: RunOrder | None = order

    def suggest(self, trial_id: str) -> Any:
        """Returns the configuration of the next trial, or `FINISHED`."""
        run = self._order.next(list(self._waiting.values())) if self._order and self._waiting else None
        if run is None:
            return Searcher.FINISHED
        del self._waiting[run.run_id]
        self._run_ids[trial_id] = run.run_id
        return {"cell": cell(run)}

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        if self._order and trial_id in self._run_ids:
            self._order.ended(self._run_ids[trial_id])

    def __getstate__(self) -> dict[str, Any]:
        # Tune pickles the searcher for a restore, which this program never requests: a rerun reads the store instead.
        return {**self.__dict__, "_order": None}

    def save(self, checkpoint_path: str) -> None:
        """Writes the suggested trials to a file; Tune requires this of a searcher."""
        Path(checkpoint_path).write_text(json.dumps(self._run_ids), "utf-8")

    def restore(self, checkpoint_path: str) -> None:
        self._run_ids = json.loads(Path(checkpoint_path).read_text("utf-8"))


def cell(run: RunSpec) -> dict[str, Any]:
    """Returns a run's cell of the grid, as Tune's tables and dashboard show it."""
    return {
        "run_id": run.run_id,
        "model": run.model.name,
        "task": run.task,
        "language_group": run.language_group,
        "samples_per_language": run.samples_per_language,
        "seed": run.seed,
    }


class Events(Callback):
    """Tune callback that tells an observer which runs start and end."""

    def __init__(self, observer: Observer) -> None:
        self.observer: Observer | None = observer

    def __getstate__(self) -> dict[str, Any]:
        # Tune pickles its callbacks for a restore, which this program never requests: a rerun reads the store instead.
        return {"observer": None}

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **_: Any) -> None:
        if self.observer:
            self.observer.started(trial.config["cell"]["run_id"])

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **_: Any) -> None:
        if self.observer:
            self.observer.ended(trial.config["cell"]["run_id"])

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **_: Any) -> None:
        self.on_trial_complete(iteration, trials, trial)
