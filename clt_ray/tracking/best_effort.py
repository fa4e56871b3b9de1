"""Keeps MLflow up to date while a sweep executes, without ever delaying or ending the sweep."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from clt_ray.sweep.run import RunSpec
from clt_ray.tracking.client import TrackerUnavailable
from clt_ray.tracking.sweep_tracker import SweepTracker, TerminalStatus

log = logging.getLogger(__name__)

UPDATE_SECONDS = 5.0
"""Shortest time between two updates that are not forced."""


class BestEffortTracker:
    """Updates a tracker every few seconds. An outage is logged once and remembered; it raises nothing."""

    def __init__(self, tracker: SweepTracker, clock: Callable[[], float] = time.monotonic) -> None:
        self.trouble: str | None = None
        """Why MLflow is not up to date; None when the last call succeeded."""
        self._tracker, self._clock = tracker, clock
        self._pending: dict[str, RunSpec] = {}
        self._next_update = 0.0

    def update(self, runs: Sequence[RunSpec], force: bool = False) -> None:
        """Brings these runs up to date, together with those whose update was postponed or failed.

        Without `force`, the runs wait until a few seconds have passed since the last update.
        """
        self._pending |= {run.run_id: run for run in runs}
        if self._clock() < self._next_update and not force:
            return
        try:
            self._tracker.sync(list(self._pending.values()))
            self._pending.clear()
            self.trouble = None
        except TrackerUnavailable as error:
            if self.trouble is None:
                log.warning("MLflow is not up to date, training continues: %s", error)
            self.trouble = str(error)
        self._next_update = self._clock() + UPDATE_SECONDS

    def finish(self, status: TerminalStatus, artifacts: Sequence[Path] = ()) -> None:
        """Sets the parent run's status and logs files with it, unless MLflow is not up to date."""
        if self.trouble:
            return
        try:
            self._tracker.finish(status, artifacts)
        except TrackerUnavailable as error:
            self.trouble = str(error)
