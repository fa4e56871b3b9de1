"""Brings MLflow up to date with the store.

A sweep has one experiment. It contains one parent run for the sweep and one child run per run of the sweep; both are
found by their tags. Every call compares the store with what MLflow already has and adds the difference, so it does not
matter which process logged the rest, or how far that process came before it ended:

    child run               created when no run of the experiment has the tag clt.run_id of this run
    params                  logged once
    metrics of training     the tag clt.mirrored, {"train": 40, "validation": 50, "done": false}, says which steps exist
    test metrics, artifacts logged until the tag says "done": true
    status                  set when it differs

Metrics are logged before the tag is. A process that ends between the two calls leaves points that the tag does not
mention. A process that did not write the tag itself therefore reads the history of one metric per log before it adds
points, so that no point is logged twice.

Processes that bring the same sweep up to date take turns by means of a lease in the store.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Literal

from clt_ray.store import Lease, LeaseHeld, Store
from clt_ray.sweep.plan import RunStatus
from clt_ray.sweep.run import RunSpec
from clt_ray.tracking import names
from clt_ray.tracking.child import Cursor, push
from clt_ray.tracking.client import TrackerUnavailable, connect, reachable
from clt_ray.tracking.experiment import open_experiment, search_runs
from clt_ray.tracking.projection import artifacts, judging, project

log = logging.getLogger(__name__)

TerminalStatus = Literal["FINISHED", "FAILED", "KILLED"]

LEASE_WAIT_SECONDS = 75.0
"""Longest wait for another process that is bringing the same sweep up to date; longer than a stale lease lasts."""
LEASE_POLL_SECONDS = 0.1
FEW_RUNS = 20
"""Up to this many unknown runs are searched for by one query each; more of them by listing the experiment."""
RUNS_PER_QUERY = 100
UPDATE_SECONDS = 5.0
"""Shortest time between two updates of a `BestEffortTracker` that are not forced."""


class SweepTracker:
    """MLflow's record of one sweep, as this program writes it."""

    def __init__(self, tracking_uri: str, sweep_name: str, store: Store) -> None:
        """Prepares the tracker of the experiment `sweep_name`. The first call of another method connects to MLflow."""
        self._uri, self._sweep, self._store = tracking_uri, sweep_name, store
        self._client: Any = None
        self._complete: dict[str, str] = {}
        """Judgement that is in MLflow (see `projection.judging`) of each finished run that is logged, by run id."""
        self._children: dict[str, str] = {}
        """MLflow's id of each child run, by run id."""
        self._cursors: dict[str, str] = {}
        """Value of `clt.mirrored` that this process wrote last, by run id."""

    def sync(self, runs: Iterable[RunSpec]) -> None:
        """Brings MLflow up to date with these runs.

        For a finished run that is known to be logged, this only checks whether it has been judged since.

        Raises:
            TrackerUnavailable: MLflow is not up to date; the next call continues from where this one stopped.
        """
        incomplete = {run.run_id: run for run in runs if not self._is_complete(run.run_id)}
        if all(state.kind == "missing" for state in self._store.states(list(incomplete)).values()):
            return
        with self._exclusive_client() as client:
            states = self._store.states(list(incomplete))
            started = [run for run in incomplete.values() if states[run.run_id].kind != "missing"]
            with reachable(self._uri):
                experiment, parent = self._experiment_and_parent(client)
                children = self._find_children(client, experiment, [run.run_id for run in started])
                if parent.info.status != "RUNNING" and any(state.kind == "running" for state in states.values()):
                    client.update_run(parent.info.run_id, status="RUNNING")
            for run in started:
                self._sync_run(client, experiment, parent, run, states[run.run_id], children.get(run.run_id))

    def check(self) -> None:
        """Asks MLflow for an experiment; raises `TrackerUnavailable` where it does not answer."""
        with self._exclusive_client() as client, reachable(self._uri):
            client.search_experiments(max_results=1)

    def finish(self, status: TerminalStatus, artifacts: Sequence[Path] = ()) -> None:
        """Sets the parent run's status and logs local files and folders with it.

        Raises:
            TrackerUnavailable: MLflow did not take the status or an artifact.
        """
        with self._exclusive_client() as client, reachable(self._uri):
            _, parent = self._experiment_and_parent(client)
            for path in artifacts:
                if path.is_dir():
                    client.log_artifacts(parent.info.run_id, str(path), path.name)
                else:
                    client.log_artifact(parent.info.run_id, str(path))
            if parent.info.status != status:
                client.set_terminated(parent.info.run_id, status)

    def log_report(self, folder: Path) -> None:
        """Logs a report's folder as the artifact folder `report` of the parent run; may raise `TrackerUnavailable`."""
        with self._exclusive_client() as client, reachable(self._uri):
            _, parent = self._experiment_and_parent(client)
            client.log_artifacts(parent.info.run_id, str(folder), "report")

    def _is_complete(self, run_id: str) -> bool:
        return run_id in self._complete and judging(self._store.run_dir(run_id).judge()) == self._complete[run_id]

    def _sync_run(
        self, client: Any, experiment: str, parent: Any, run: RunSpec, state: RunStatus, child: Any | None
    ) -> None:
        tag = None if child is None else child.data.tags.get(names.CURSOR)
        directory = self._store.run_dir(run.run_id)
        cursor = Cursor.decode(tag)
        complete = cursor.done and child is not None and child.info.status == "FINISHED"
        if complete and judging(directory.judge()) == cursor.judged:
            self._complete[run.run_id] = cursor.judged
            return
        projection = project(run, directory, state)
        with reachable(self._uri):
            trusted = child is None or self._cursors.get(run.run_id, "") == tag
            if child is None:
                child = client.create_run(
                    experiment,
                    start_time=int(projection.started * 1000),
                    tags=names.tags(run, self._sweep, parent.info.run_id),
                    run_name=run.name,
                )
            self._children[run.run_id] = child.info.run_id
            self._cursors[run.run_id] = push(
                client, child, names.params(run), projection, partial(artifacts, directory), trusted
            )
        if projection.finished:
            self._complete[run.run_id] = projection.judged

    def _find_children(self, client: Any, experiment: str, run_ids: Sequence[str]) -> dict[str, Any]:
        """Returns the current `mlflow.entities.Run` of each of these runs that has one, by run id."""
        children: dict[str, Any] = {}
        known = [self._children[run_id] for run_id in run_ids if run_id in self._children]
        for start in range(0, len(known), RUNS_PER_QUERY):
            ids = ", ".join(f"'{child}'" for child in known[start : start + RUNS_PER_QUERY])
            _add_oldest(children, search_runs(client, experiment, f"attributes.run_id IN ({ids})"))
        unknown = [run_id for run_id in run_ids if run_id not in children]
        # A query for all runs takes as long as about a tenth as many queries for one.
        if len(unknown) > max(FEW_RUNS, len(self._children) // 10):
            _add_oldest(children, search_runs(client, experiment, names.tag_filter(kind="run")))
        else:
            for run_id in unknown:
                _add_oldest(children, search_runs(client, experiment, names.tag_filter(run_id=run_id)))
        return children

    def _experiment_and_parent(self, client: Any) -> tuple[str, Any]:
        experiment = open_experiment(client, self._uri, self._sweep)
        for run in search_runs(client, experiment, names.tag_filter(kind="sweep", sweep=self._sweep)):
            return experiment, run
        tags = {names.KIND: "sweep", names.SWEEP: self._sweep, "mlflow.source.name": "clt-ray"}
        return experiment, client.create_run(experiment, tags=tags, run_name=self._sweep)

    @contextmanager
    def _exclusive_client(self) -> Iterator[Any]:
        with self._lease():
            try:
                if self._client is None:
                    with reachable(self._uri):
                        self._client = connect(self._uri)
                yield self._client
            except BaseException:
                # It is unknown which of the interrupted calls have taken effect.
                self._client = None
                self._children.clear()
                self._cursors.clear()
                raise

    def _lease(self) -> Lease:
        deadline = time.monotonic() + LEASE_WAIT_SECONDS
        while True:
            try:
                # The name is part of the store's format: programs of different versions exclude each other by it.
                return self._store.lease(f"mirror-{self._sweep}")
            except LeaseHeld as error:
                if time.monotonic() > deadline:
                    raise TrackerUnavailable(f"another process is bringing MLflow up to date: {error}") from error
            threading.Event().wait(LEASE_POLL_SECONDS)


def _add_oldest(children: dict[str, Any], runs: Iterable[Any]) -> None:
    for run in runs:
        children.setdefault(run.data.tags.get(names.RUN_ID, ""), run)


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
            self._note(error)
        self._next_update = self._clock() + UPDATE_SECONDS

    def check(self) -> None:
        """Says that MLflow does not answer before it is needed."""
        try:
            self._tracker.check()
        except TrackerUnavailable as error:
            self._note(error)

    def _note(self, error: TrackerUnavailable) -> None:
        if self.trouble is None:
            log.warning("MLflow is not up to date, training continues: %s", error)
        self.trouble = str(error)

    def finish(self, status: TerminalStatus, artifacts: Sequence[Path] = ()) -> None:
        """Sets the parent run's status and logs files with it, unless MLflow is not up to date."""
        if self.trouble:
            return
        try:
            self._tracker.finish(status, artifacts)
        except TrackerUnavailable as error:
            self.trouble = str(error)
