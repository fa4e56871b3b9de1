"""Tune's events, passed on to whoever watches the sweep."""

from __future__ import annotations

from typing import Any

from ray.tune import Callback

from clt_ray.orchestration.monitor import Observer


class Events(Callback):
    """Tells an observer as trials start and end."""

    def __init__(self, observer: Observer) -> None:
        self.observer: Observer | None = observer

    def __getstate__(self) -> dict[str, Any]:
        # Tune pickles its settings for a restore that this program never asks for.
        return {"observer": None}

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **_: Any) -> None:
        if self.observer:
            self.observer.started(trial.config["cell"]["run_id"])

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **_: Any) -> None:
        if self.observer:
            self.observer.ended(trial.config["cell"]["run_id"])

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **_: Any) -> None:
        self.on_trial_complete(iteration, trials, trial)
