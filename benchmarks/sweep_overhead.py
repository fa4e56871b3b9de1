"""Measures the wall time that a sweep costs per run in addition to the training function itself.

Both sides execute the same runs (the bundled model, a few steps each) with the same training function, through Ray
Tune and Ray Train, two at a time on two cores. The comparison is about everything around that function: process
starts, imports, placement, polling, tracking and teardown.

    overhead per run = (wall time of the sweep - seconds inside training functions / runs at a time) / runs

* figures: the project's own `run`, including MLflow.
* baseline: the pattern of Ray's documentation, one `TorchTrainer` per trial with `TuneReportCallback`
  (https://docs.ray.io/en/latest/train/user-guides/hyperparameter-optimization.html), without a tracker.

    python benchmarks/sweep_overhead.py [--runs 12] > benchmarks/results/sweep_overhead.json
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml

from _result import emit

SWEEP: dict[str, Any] = {
    "name": "overhead",
    "grid": {"model": ["tiny"], "task": ["math"], "language_group": ["all"], "samples_per_language": [0]},
    "english_samples": 64,
    "eval_languages": ["en"],
    "data": {"math": {"bundled": True}},
    "training": {"batch_size": 16, "max_steps": 2, "eval_every": 2, "max_length": 128, "precision": "fp32"},
    "validation": {"samples_per_language": 8},
    "evaluation": {"samples_per_language": 8, "max_new_tokens": 8},
}
RUNS_AT_A_TIME = 2


def per_run(wall_seconds: float, inside: list[float]) -> float:
    """Returns the overhead of one run in seconds."""
    return (wall_seconds - sum(inside) / RUNS_AT_A_TIME) / len(inside)


def ours(sweep: Path, storage: str) -> float:
    """Returns the overhead per run of this project, in seconds."""
    from clt_ray import RunOptions, open_sweep, run

    began = time.monotonic()
    opened = open_sweep(str(sweep), storage=storage)
    outcome = run(opened, RunOptions(max_concurrent=RUNS_AT_A_TIME))
    wall = time.monotonic() - began
    assert outcome.exit_code == 0, outcome
    results = [opened.store.run_dir(run.run_id).result() for run in outcome.status.runs]
    return per_run(wall, [result.seconds.total for result in results if result])


def documented_loop(config: dict[str, Any]) -> None:
    """Executes the same run in a Ray Train worker. This is the training function of the baseline."""
    import ray.train

    from clt_ray.pipeline import execute
    from clt_ray.store import Store
    from clt_ray.sweep.run import RunSpec

    run, store = RunSpec.from_dict(config["run"]), Store(config["storage"])
    execute(run, store)
    result = store.run_dir(run.run_id).result()
    assert result is not None, "the run has just finished"
    ray.train.report({"inside": result.seconds.total})


def documented(sweep: Path, storage: str) -> float:
    """Returns the overhead per run of the documented pattern, in seconds."""
    import ray
    from ray import train, tune
    from ray.train.torch import TorchTrainer
    from ray.tune.integration.ray_train import TuneReportCallback

    from clt_ray.sweep.grid import expand
    from clt_ray.sweep.load import load_sweep

    def driver(config: dict[str, Any]) -> None:
        report_to_tune: Any = TuneReportCallback()
        trainer = TorchTrainer(
            documented_loop,
            train_loop_config=config | {"storage": storage},
            scaling_config=train.ScalingConfig(num_workers=1, resources_per_worker={"CPU": 1}),
            run_config=train.RunConfig(
                name=tune.get_context().get_trial_id(),
                storage_path=f"{storage}/train",
                callbacks=[report_to_tune],
            ),
        )
        trainer.fit()

    runs = expand(load_sweep(str(sweep)))
    began = time.monotonic()
    ray.init("local", _node_ip_address="127.0.0.1", include_dashboard=False, log_to_driver=False)
    trainable = tune.with_resources(driver, tune.PlacementGroupFactory([{"node:__internal_head__": 0.01}]))
    results: Any = tune.Tuner(
        trainable,
        param_space={"run": tune.grid_search([run.to_dict() for run in runs])},
        tune_config=tune.TuneConfig(max_concurrent_trials=RUNS_AT_A_TIME),
        run_config=tune.RunConfig(name="tune", storage_path=f"{storage}/tune", verbose=0),
    ).fit()
    ray.shutdown()
    wall = time.monotonic() - began
    return per_run(wall, [result.metrics["inside"] for result in results])


def measure(side: str, runs: int) -> float:
    """Returns the overhead per run of one side, measured in a separate process so that settings are not shared."""
    command = [sys.executable, __file__, "--side", side, "--runs", str(runs)]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return float(output.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=12)
    parser.add_argument("--side", choices=SIDES)
    arguments = parser.parse_args()
    os.environ.update(OMP_NUM_THREADS="1", RAY_USAGE_STATS_ENABLED="0", TOKENIZERS_PARALLELISM="false")
    if arguments.side:
        with tempfile.TemporaryDirectory() as folder:
            sweep = Path(folder) / "overhead.yaml"
            sweep.write_text(yaml.safe_dump(SWEEP | {"seeds": list(range(arguments.runs))}))
            print(SIDES[arguments.side](sweep, f"{folder}/runs"))
        return
    # The project is measured first, because the page cache that it leaves can only help the baseline.
    figure = measure("ours", arguments.runs)
    baseline = measure("documented", arguments.runs)
    emit("sweep_overhead", {"seconds_per_run": figure}, {"seconds_per_run": baseline})


SIDES = {"ours": ours, "documented": documented}

if __name__ == "__main__":
    main()
