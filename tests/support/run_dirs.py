"""Makes run directories as real runs leave them, without the training.

`Training` writes a run directory step by step, so that tests see runs in every state. The command

    python -m tests.support.run_dirs FOLDER [--running]

fills `FOLDER/runs` with the grid of a small study and brings `FOLDER/mlflow.db` up to date with it, to look at in the
MLflow interface.
"""

from __future__ import annotations

import math
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from clt_ray.evaluation.evaluate import csv_text
from clt_ray.store import ErrorRecord, ResultDocument, RunDir, StageSeconds, StatusDocument, Store
from clt_ray.store.documents import State
from clt_ray.store.run_dir import Log
from clt_ray.sweep.run import Inputs, RunSpec
from clt_ray.sweep.sections import (
    DataSource,
    EvaluationSpec,
    HardwareSpec,
    ModelSpec,
    SelectionSpec,
    TrainingSpec,
    ValidationSpec,
)
from clt_ray.sweep.selection import Candidate, Selection

SWEEP = "fabricated"
BEGAN = 1_767_225_600.0
GROUPS = {"all": ("es", "fr", "ja", "zh"), "latin": ("es", "fr"), "none": ()}
EVAL_LANGUAGES = ("en", "es", "fr", "ja", "zh", "ar", "ko", "pt")
TASKS = ("summarization", "instruction", "math")
METRICS = {
    "summarization": ("rouge1", "rouge2", "rougeL"),
    "instruction": ("reference_chrf",),
    "math": ("accuracy",),
}
ITEMS = 20
COLUMNS = [
    "run_id",
    "model",
    "setting",
    "task",
    "language_group",
    "train_languages",
    "samples_per_language",
    "seed",
    "eval_language",
    "metric",
    "score",
    "stderr",
    "n_items",
]


def spec(task: str = "math", group: str = "all", samples: int = 100, seed: int = 0) -> RunSpec:
    """Returns one run of the study."""
    tasks = tuple(task.split("+"))
    return RunSpec(
        model=ModelSpec(name="tiny", source="bundled"),
        tasks=tasks,
        language_group=group if samples else "none",
        train_languages=GROUPS[group],
        samples_per_language=samples,
        english_samples=400,
        seed=seed,
        eval_languages=EVAL_LANGUAGES,
        data={name: DataSource(bundled=True) for name in tasks},
        training=TrainingSpec(batch_size=32, learning_rate=1e-3, epochs=2, eval_every=10, precision="fp32"),
        validation=ValidationSpec(samples_per_language=20),
        selection=SelectionSpec(),
        evaluation=EvaluationSpec(samples_per_language=ITEMS, max_new_tokens=dict.fromkeys(tasks, 48)),
        hardware=HardwareSpec(),
        inputs=Inputs(model="bundled:0", data=dict.fromkeys(tasks, "bundled:0"), templates="0"),
    )


def study() -> list[RunSpec]:
    """Returns sixteen runs: three tasks, two language groups, three sizes, and one mixture."""
    cells = [(task, "all", 0) for task in TASKS]
    cells += [(task, group, n) for task in TASKS for group in ("all", "latin") for n in (50, 200)]
    return [spec(*cell) for cell in [*cells, ("+".join(TASKS), "all", 200)]]


class Training:
    """A run that trains step by step. Its numbers depend only on the step, as those of a resumed run do."""

    def __init__(self, store: Store, run: RunSpec) -> None:
        self.run, self.directory = run, store.run_dir(run.run_id)
        self.directory.write_run(run)
        self.step, self.now = 0, BEGAN
        self.status("running")

    def advance(self, to_step: int) -> Training:
        """Trains up to a step, logs every step, and validates at every tenth step and at the last one."""
        while self.step < to_step:
            self.step += 1
            self.now += 0.4
            loss = 2.5 * math.exp(-self.step / 30) + 0.8
            train = {"train/loss": loss, "train/grad_norm": 1.5, "train/learning_rate": 1e-3}
            log(self.directory, "train", self.step, train | {"perf/tokens_per_second": 9000.0}, self.now)
            if self.step % 10 == 0 or self.step == self.run.steps:
                losses = {
                    f"val/{task}/{code}/loss": loss + 0.05 * len(code + task)
                    for task in self.run.tasks
                    for code in EVAL_LANGUAGES
                }
                log(self.directory, "validation", self.step, {"val/loss": loss + 0.1} | losses, self.now)
        self.status("running")
        return self

    def status(self, state: State, error: ErrorRecord | None = None) -> None:
        self.directory.write_status(
            StatusDocument(
                state=state,
                attempt=1,
                error=error,
                updated=self.now,
                stage="train",
                step=self.step,
                total_steps=self.run.steps,
                loss=1.0,
            )
        )

    def fail(self) -> None:
        self.status("failed", ErrorRecord(type="RunError", message="non-finite loss at step 7", permanent=True))

    def finish(self) -> None:
        """Trains the remaining steps and evaluates the run."""
        self.advance(self.run.steps)
        self.now += 6.0
        scores = list(score_rows(self.run))
        self.directory.write_text("scores.csv", csv_text(COLUMNS, scores))
        items = [
            (self.run.run_id, row[3], row[8], row[9], f"{row[3]}-{index}", row[10])
            for row in scores
            for index in range(ITEMS)
        ]
        header = ("run_id", "task", "eval_language", "metric", "item_id", "score")
        self.directory.write_text("items.csv", csv_text(header, items))
        for task in self.run.tasks:
            for code in EVAL_LANGUAGES:
                self.directory.write_text(f"generations/{task}.{code}.jsonl", '{"output": "42"}\n' * ITEMS)
        self.status("finished")
        seconds = StageSeconds(train=self.now - BEGAN - 6.0, evaluate=6.0)
        self.directory.write_result(result(self.run, self.run.steps // 10 * 10, seconds))


def result(run: RunSpec, chosen_step: int, seconds: StageSeconds) -> ResultDocument:
    """Returns the result of a run whose checkpoint at a step was selected, with a validation loss of 1."""
    return ResultDocument(
        run_id=run.run_id,
        name=run.name,
        selection=Selection("val/loss", "min", Candidate(chosen_step, 1.0), ()),
        steps=run.steps,
        train_rows=run.train_rows,
        dropped_rows={},
        data=("bundled corpus",),
        seconds=seconds,
        generated_tokens_per_second=1500.0,
        versions={"clt-ray": "0.1.0"},
    )


def finished(store: Store, run: RunSpec) -> RunSpec:
    """Finishes a run and returns it."""
    Training(store, run).finish()
    return run


def log(directory: RunDir, name: Log, step: int, metrics: dict[str, float], now: float) -> None:
    """Records a point at a given time."""
    RunDir(directory._files, lambda: now).append_metrics(name, step, metrics)


def score_rows(run: RunSpec) -> Iterator[tuple[Any, ...]]:
    """Yields scores that grow with the samples, faster in the languages that the run trains on."""
    draw = random.Random(run.run_id)
    for task in run.tasks:
        for code in EVAL_LANGUAGES:
            pull = 0.16 if code in (*run.train_languages, "en") else 0.06
            level = 0.15 + pull * math.log10(1 + run.samples_per_language) + draw.gauss(0, 0.01)
            for metric in METRICS[task]:
                yield (
                    run.run_id, run.model.name, run.setting, task, run.language_group, "+".join(run.train_languages),
                    run.samples_per_language, run.seed, code, metric, level, math.sqrt(level * (1 - level) / ITEMS),
                    ITEMS,
                )  # fmt: skip


def main(folder: Path, running: bool) -> None:
    from clt_ray.tracking import SweepTracker

    store = Store(str(folder))
    runs = [finished(store, run) for run in study()]
    if running:
        live = Training(store, spec(samples=400))
        live.advance(20)
        live.directory.acquire_lease()
        broken = Training(store, spec(samples=800))
        broken.advance(7)
        broken.fail()
        runs += [live.run, broken.run]
    SweepTracker(f"sqlite:///{folder.absolute()}/mlflow.db", SWEEP, store).sync(runs)


if __name__ == "__main__":
    main(Path(sys.argv[1]), "--running" in sys.argv)
