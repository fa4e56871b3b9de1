"""Queries of MLflow that several tests use."""

from __future__ import annotations

from typing import Any


def runs(client: Any, sweep: str, kind: str = "run") -> list[Any]:
    """Returns the child runs of a sweep, or with `kind="sweep"` its parent run."""
    experiment = client.get_experiment_by_name(sweep)
    return list(client.search_runs([experiment.experiment_id], f"tags.`clt.kind` = '{kind}'"))


def only_run(client: Any, sweep: str, kind: str = "run") -> Any:
    """Returns the one run that there is."""
    (run,) = runs(client, sweep, kind)
    return run


def steps(client: Any, run: Any, metric: str) -> list[int]:
    """Returns the steps of a metric, in order, with repetitions."""
    return sorted(point.step for point in client.get_metric_history(run.info.run_id, metric))


def assert_each_step_once(client: Any, run: Any) -> None:
    """Fails when a metric of a run has two values for a step."""
    for metric in run.data.metrics:
        logged = steps(client, run, metric)
        assert len(logged) == len(set(logged)), f"{metric} has a step twice: {logged}"
