"""Ray Tune's hooks: each trial executes the run that the queue gives out, and its events go back to the queue."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ray.tune import Callback
from ray.tune.search import Searcher

from clt_ray.sweep.run import RunSpec

Next = Callable[[], tuple[RunSpec | None, bool]]
"""Returns the run of the next trial, or None, and whether no further run will come."""


class RunSearcher(Searcher):
    """Suggests the runs of a queue until the queue has no more."""

    def __init__(self, next_run: Next) -> None:
        super().__init__()
        self._next: Next | None = next_run
        self._run_ids: dict[str, str] = {}
        """Run id of each suggested trial, by trial id."""

    def suggest(self, trial_id: str) -> Any:
        """Returns the configuration of the next trial, None when there is none at present, or `FINISHED`."""
        run, done = self._next() if self._next else (None, True)
        if run is None:
            return Searcher.FINISHED if done else None
        self._run_ids[trial_id] = run.run_id
        return {"cell": cell(run)}

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        pass

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


class Events(Callback):
    """Tune callback that passes on which runs have their place, and how they end."""

    def __init__(self, send: Callable[[dict[str, Any]], None]) -> None:
        self._send: Callable[[dict[str, Any]], None] | None = send

    def __getstate__(self) -> dict[str, Any]:
        # Tune pickles its callbacks for a restore, which this program never requests: a rerun reads the store instead.
        return {"_send": None}

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **_: Any) -> None:
        self._pass_on("started", trial)

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **_: Any) -> None:
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
