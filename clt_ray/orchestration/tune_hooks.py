"""Ray Tune's hooks: each trial executes the run that the queue gives out, and its events go back to the queue."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ray.tune import Callback
from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler
from ray.tune.search import Searcher

from clt_ray.sweep.run import RunSpec

Next = Callable[[], tuple[RunSpec | None, int, bool]]
"""Returns the run of the next trial, or None; the index of its placement; and whether no further run will come."""


class RunSearcher(Searcher):
    """Suggests the runs of a queue until the queue has no more."""

    def __init__(self, next_run: Next) -> None:
        super().__init__()
        self._next: Next | None = next_run
        self._run_ids: dict[str, str] = {}
        """Run id of each suggested trial, by trial id."""

    def suggest(self, trial_id: str) -> Any:
        """Returns the configuration of the next trial, None when there is none at present, or `FINISHED`."""
        run, hardware, done = self._next() if self._next else (None, 0, True)
        if run is None:
            return Searcher.FINISHED if done else None
        self._run_ids[trial_id] = run.run_id
        return {"cell": cell(run), "hardware": hardware}

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        self._run_ids.pop(trial_id, None)

    def __getstate__(self) -> dict[str, Any]:
        # Tune pickles the searcher for a restore, which this program never requests: a rerun reads the store instead.
        return {**self.__dict__, "_next": None}

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


class Withdrawals(FIFOScheduler):
    """Tune scheduler that withdraws trials which wait for a place, because another hardware takes their runs.

    It also makes Tune forget trials that have ended, which would take memory until the sweep ends, and time in each
    step of Tune's loop.
    """

    def __init__(self) -> None:
        super().__init__()
        self.wanted: set[str] = set()
        """Run ids of the trials to withdraw."""
        self.withdrawn: set[str] = set()
        """Ids of the trials that were withdrawn."""

    def choose_trial_to_run(self, tune_controller: Any) -> Any:
        """Withdraws what is wanted and has not begun, forgets what has ended, and chooses as Tune does."""
        for trial in list(tune_controller.get_live_trials()) if self.wanted else ():
            if trial.config["cell"]["run_id"] in self.wanted and trial.status == Trial.PENDING:
                self.withdrawn.add(trial.trial_id)
                tune_controller.stop_trial(trial)
        self.wanted.clear()
        controller = tune_controller._tune_controller
        # Tune has no public way to forget trials. It expects at least one when the sweep ends.
        for trial in [trial for trial in controller._trials if trial.is_finished()][:-1]:
            controller._trials.remove(trial)
            controller._stopped_trials.discard(trial)
            controller._failed_trials.discard(trial)
        # What Tune would write for a restore.
        controller._trials_to_cache.clear()
        controller._trial_metadata.clear()
        return super().choose_trial_to_run(tune_controller)


class Events(Callback):
    """Tune callback that passes on which runs have their place, and how they end."""

    def __init__(self, send: Callable[[dict[str, Any]], None], withdrawn: set[str]) -> None:
        """`withdrawn` has the ids of trials that ended before they began; see `Withdrawals`."""
        self._send: Callable[[dict[str, Any]], None] | None = send
        self._withdrawn = withdrawn

    def __getstate__(self) -> dict[str, Any]:
        # Tune pickles its callbacks for a restore, which this program never requests: a rerun reads the store instead.
        return {**self.__dict__, "_send": None}

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **_: Any) -> None:
        self._pass_on("started", trial)

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **_: Any) -> None:
        if trial.trial_id in self._withdrawn:
            self._pass_on("withdrawn", trial)
            return
        result = trial.last_result or {}
        self._pass_on("ended", trial, outcome=result.get("outcome", "error"), error=result.get("error"))

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **_: Any) -> None:
        from clt_ray.orchestration.driver import last_line

        error = trial.get_pickled_error()
        message = f"the process that drives the run ended: {last_line(error)}" if error else "no message"
        self._pass_on("ended", trial, outcome="error", error=message)

    def _pass_on(self, event: str, trial: Any, **values: Any) -> None:
        if self._send:
            self._send({"event": event, "run_id": trial.config["cell"]["run_id"], **values})
