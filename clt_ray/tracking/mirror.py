"""Brings MLflow up to date with the store.

One experiment per sweep; in it one parent run for the sweep and one child per run, found by tags. Every call
works out what MLflow lacks from what MLflow has, so it does not matter which process mirrored the rest, or how
far it got before it died:

    child with tag clt.run_id?   none: create it
    params                       logged when there are none
    tag clt.mirrored             {"train": 40, "validation": 50, "done": false}: points of later steps are missing
    artifacts, test metrics      missing until "done" is true
    status                       set when it differs

Metrics are logged first and the tag after them, so a process that died between the two leaves points that the tag
does not know of. A process that did not write the tag itself therefore asks for the history of one metric before
it logs more. So each (metric, step) is there once.

Processes that mirror one sweep take turns, by a lease in the store.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from clt_ray.store import Lease, LeaseHeld, Store
from clt_ray.sweep.plan import RunStatus
from clt_ray.sweep.run import RunSpec
from clt_ray.tracking import names
from clt_ray.tracking.child import Cursor, push
from clt_ray.tracking.client import TrackerUnavailable, connect, reachable
from clt_ray.tracking.experiment import open_experiment
from clt_ray.tracking.projection import JUDGE, artifacts, judging, project

TURN_SECONDS = 30.0
"""How long to wait for another process that is mirroring the same sweep."""
POLL_SECONDS = 0.1
FEW_RUNS = 20
"""Up to this many unknown runs are searched for one by one, more of them by listing the experiment."""
RUNS_PER_QUERY = 100
PAGE_RUNS = 500


class Mirror:
    """MLflow's picture of one sweep."""

    def __init__(self, tracking_uri: str, sweep_name: str, store: Store, artifact_location: str | None = None) -> None:
        """Describe the mirror; the first call of a method connects.

        Args:
            tracking_uri: MLflow's tracking URI.
            sweep_name: Name of the experiment and of its parent run.
            store: Where the runs are.
            artifact_location: Where a new experiment keeps artifacts; by default beside an SQLite file, and
                wherever a tracking server says.
        """
        self._uri, self._sweep, self._store = tracking_uri, sweep_name, store
        self._artifact_location = artifact_location
        self._client: Any = None
        self._settled: set[str] = set()
        self._children: dict[str, str] = {}
        self._cursors: dict[str, str] = {}

    def sync(self, runs: Iterable[RunSpec]) -> None:
        """Bring any number of runs up to date; costs nothing for those that are known to be finished and done.

        Raises:
            TrackerUnavailable: MLflow lacks something still; the next call goes on from there.
        """
        unsettled = {run.run_id: run for run in runs if run.run_id not in self._settled}
        if all(state.kind == "missing" for state in self._store.states(list(unsettled)).values()):
            return
        with self._turn() as client:
            states = self._store.states(list(unsettled))
            started = [run for run in unsettled.values() if states[run.run_id].kind != "missing"]
            with reachable(self._uri):
                experiment = open_experiment(client, self._uri, self._sweep, self._artifact_location)
                parent = self._parent(client, experiment)
                children = self._find(client, experiment, [run.run_id for run in started])
                if parent.info.status != "RUNNING" and any(state.kind == "running" for state in states.values()):
                    client.update_run(parent.info.run_id, status="RUNNING")
            for run in started:
                self._bring(client, experiment, parent, run, states[run.run_id], children.get(run.run_id))

    def finish_sweep(self, status: str, artifacts: Sequence[Path] = ()) -> None:
        """Give the parent run its terminal status, and files or folders to keep.

        Args:
            status: FINISHED, FAILED or KILLED.
            artifacts: Local files and folders.

        Raises:
            TrackerUnavailable: It is not done.
        """
        with self._turn() as client, reachable(self._uri):
            parent = self._parent(client, open_experiment(client, self._uri, self._sweep, self._artifact_location))
            for path in artifacts:
                _log_path(client, parent.info.run_id, path)
            if parent.info.status != status:
                client.set_terminated(parent.info.run_id, status)

    def log_report(self, folder: Path) -> None:
        """Keep a copy of a report's folder with the parent run, as `report/`.

        Raises:
            TrackerUnavailable: It is not done.
        """
        with self._turn() as client, reachable(self._uri):
            parent = self._parent(client, open_experiment(client, self._uri, self._sweep, self._artifact_location))
            client.log_artifacts(parent.info.run_id, str(folder), "report")

    def _bring(
        self, client: Any, experiment: str, parent: Any, run: RunSpec, state: RunStatus, child: Any | None
    ) -> None:
        cursor = None if child is None else child.data.tags.get(names.MIRRORED)
        directory = self._store.run_dir(run.run_id)
        before = Cursor.decode(cursor)
        settled = before.done and child is not None and child.info.status == "FINISHED"
        if settled and judging(directory.read_json(JUDGE)) == before.judged:
            self._settled.add(run.run_id)
            return
        told = project(run, directory, state)
        with reachable(self._uri):
            trusted = child is None or self._cursors.get(run.run_id, "") == cursor
            if child is None:
                child = client.create_run(
                    experiment,
                    start_time=int(told.started * 1000),
                    tags=names.tags(run, self._sweep, parent.info.run_id),
                    run_name=run.name,
                )
            self._children[run.run_id] = child.info.run_id
            self._cursors[run.run_id] = push(
                client, child, names.params(run), told, partial(artifacts, directory), trusted
            )
        if told.finished:
            self._settled.add(run.run_id)

    def _find(self, client: Any, experiment: str, run_ids: Sequence[str]) -> dict[str, Any]:
        """The children of those runs that have one, as they are in MLflow now."""
        found: dict[str, Any] = {}
        known = [self._children[run_id] for run_id in run_ids if run_id in self._children]
        for start in range(0, len(known), RUNS_PER_QUERY):
            listed = ", ".join(f"'{child}'" for child in known[start : start + RUNS_PER_QUERY])
            _collect(found, search(client, experiment, f"attributes.run_id IN ({listed})"))
        unknown = [run_id for run_id in run_ids if run_id not in found]
        if len(unknown) > FEW_RUNS:
            _collect(found, search(client, experiment, names.tag_filter(kind="run")))
        else:
            for run_id in unknown:
                _collect(found, search(client, experiment, names.tag_filter(run_id=run_id)))
        return found

    def _parent(self, client: Any, experiment: str) -> Any:
        for run in search(client, experiment, names.tag_filter(kind="sweep", sweep=self._sweep)):
            return run
        tags = {names.KIND: "sweep", names.SWEEP: self._sweep, "mlflow.source.name": "clt-ray"}
        return client.create_run(experiment, tags=tags, run_name=self._sweep)

    @contextmanager
    def _turn(self) -> Iterator[Any]:
        """A client, while no other process mirrors this sweep."""
        with self._lease():
            try:
                if self._client is None:
                    with reachable(self._uri):
                        self._client = connect(self._uri)
                yield self._client
            except BaseException:
                # What the interrupted calls have reached is unknown now.
                self._client = None
                self._children.clear()
                self._cursors.clear()
                raise

    def _lease(self) -> Lease:
        give_up = time.monotonic() + TURN_SECONDS
        while True:
            try:
                return self._store.lease(f"mirror-{self._sweep}")
            except LeaseHeld as error:
                if time.monotonic() > give_up:
                    raise TrackerUnavailable(f"another process is bringing MLflow up to date: {error}") from error
            threading.Event().wait(POLL_SECONDS)


def search(client: Any, experiment: str, condition: str) -> Iterator[Any]:
    """All active runs that meet a condition, oldest first."""
    token = None
    while True:
        page = client.search_runs(
            [experiment],
            condition,
            max_results=PAGE_RUNS,
            order_by=["attributes.start_time ASC"],
            page_token=token,
        )
        yield from page
        token = page.token
        if not token:
            return


def _collect(found: dict[str, Any], runs: Iterable[Any]) -> None:
    """Index runs by their tag; of several, the oldest stands."""
    for run in runs:
        found.setdefault(run.data.tags.get(names.RUN_ID, ""), run)


def _log_path(client: Any, run_id: str, path: Path) -> None:
    if path.is_dir():
        client.log_artifacts(run_id, str(path), path.name)
    else:
        client.log_artifact(run_id, str(path))
