"""A Ray Tune search algorithm over the missing runs of a sweep, in an order that depends on how runs came out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from ray.tune.search import Searcher

from clt_ray.sweep.run import RunSpec


class Order(Protocol):
    """Decides which run comes next."""

    def next(self, waiting: Sequence[RunSpec]) -> RunSpec | None:
        """One of the waiting runs; None when none of them is to be executed."""

    def ended(self, run_id: str) -> None:
        """A run that `next` gave has finished or failed."""


class RunSearch(Searcher):
    """Suggests each run at most once, as its order says; finished when the order has no more."""

    def __init__(self, runs: Sequence[RunSpec], order: Order) -> None:
        super().__init__()
        self._waiting = {run.run_id: run for run in runs}
        self._given: dict[str, str] = {}
        self._order: Order | None = order

    def suggest(self, trial_id: str) -> Any:
        """The next trial's configuration."""
        run = self._order.next(list(self._waiting.values())) if self._order and self._waiting else None
        if run is None:
            return Searcher.FINISHED
        del self._waiting[run.run_id]
        self._given[trial_id] = run.run_id
        return {"cell": cell(run)}

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Tune's news of an ended trial."""
        if self._order and trial_id in self._given:
            self._order.ended(self._given[trial_id])

    def __getstate__(self) -> dict[str, Any]:
        # Tune pickles its settings for a restore that this program never asks for: a rerun asks the store.
        return {**self.__dict__, "_order": None}

    def save(self, checkpoint_path: str) -> None:
        """Trials given so far; Tune asks for it as it goes."""
        Path(checkpoint_path).write_text(json.dumps(self._given), "utf-8")

    def restore(self, checkpoint_path: str) -> None:
        """Read what `save` wrote."""
        self._given = json.loads(Path(checkpoint_path).read_text("utf-8"))


def cell(run: RunSpec) -> dict[str, Any]:
    """The axes of a run, as Tune and its dashboard show them."""
    return {
        "run_id": run.run_id,
        "model": run.model.name,
        "task": run.task,
        "language_group": run.language_group,
        "samples_per_language": run.samples_per_language,
        "seed": run.seed,
    }
