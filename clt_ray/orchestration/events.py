"""Passes Ray Tune's trial events on to an observer."""

from __future__ import annotations

from typing import Any

from ray.tune import Callback

from clt_ray.orchestration.monitor import Observer


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
