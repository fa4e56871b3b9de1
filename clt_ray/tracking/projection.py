"""Computes from a run directory what MLflow should contain about the run. Does not use MLflow itself."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean

from clt_ray.languages import ENGLISH
from clt_ray.store import JudgeDocument, MetricPoint, RunDir
from clt_ray.store.run_dir import LOGS, Log
from clt_ray.sweep.plan import RunStatus
from clt_ray.sweep.run import RunSpec
from clt_ray.tasks import TASKS
from clt_ray.tracking import names

RUN_STATUS = {"running": "RUNNING", "finished": "FINISHED", "failed": "FAILED", "interrupted": "KILLED"}
"""MLflow's status of a run, by its state in the store. Runs in other states have no directory."""

ERROR_CHARACTERS = 500
"""Most characters of an error message in a tag."""
FILES = ("scores.csv", "items.csv")
FOLDERS = ("generations", "judge")
"""Files and folders of a run directory that become artifacts."""
RATINGS = "judge/scores.csv"


@dataclass(frozen=True)
class Projection:
    """What MLflow should contain about a run at one moment."""

    status: str
    """RUNNING, FINISHED, FAILED or KILLED."""
    started: float
    """Start of the run, in unix seconds."""
    updated: float
    """Time of the last update of the run directory, in unix seconds."""
    points: Mapping[Log, Sequence[MetricPoint]]
    """Metrics of training by log, one point per step, in order of steps."""
    single_values: Mapping[str, float]
    """Metrics without steps, by name. Test metrics are among them once the run is finished."""
    tags: Mapping[str, str]
    """Tags that can change while the run executes."""
    ratings: Mapping[str, float] = field(default_factory=dict)
    """Metrics of the last judge; empty when the run has not been judged."""
    judged: str = ""
    """Identifies the judgement that `ratings` come from; see `judging`."""
    judged_at: float = 0.0
    """Time of that judgement, in unix seconds."""

    @property
    def finished(self) -> bool:
        return self.status == RUN_STATUS["finished"]


def project(run: RunSpec, directory: RunDir, state: RunStatus) -> Projection:
    """Returns the projection of a run from its directory and its state in the store, which is not `missing`."""
    status = directory.status()
    # Of several points of a step the last counts, as in the selection of the checkpoint.
    last_points = {log: {point.step: point for point in directory.metrics(log)} for log in LOGS}
    points = {log: [by_step[step] for step in sorted(by_step)] for log, by_step in last_points.items()}
    updated = status.updated if status is not None else None
    if updated is None:
        updated = max((point.time for log in points.values() for point in log), default=0.0)
    started = min([updated, *(point.time for log in points.values() for point in log[:1])])
    tags = {names.ATTEMPT: str(status.attempt if status is not None else 1)}
    # It is a param too, but charts of MLflow plot metrics against metrics.
    single_values = {names.SAMPLES: float(run.samples_per_language)}
    if state.error:
        tags[names.ERROR] = state.error[:ERROR_CHARACTERS]
    if state.kind == "finished":
        result = directory.result()
        assert result is not None, "a finished run has a result"
        started = min(started, updated - result.seconds.total)
        tags[names.CHOSEN_STEP] = str(result.selection.chosen.step)
        single_values |= score_metrics(run, directory.read_text("scores.csv"))
        single_values |= {f"perf/{stage}_seconds": value for stage, value in vars(result.seconds).items()}
        single_values["perf/generated_tokens_per_second"] = result.generated_tokens_per_second
    progress = (RUN_STATUS[state.kind], started, updated, points, single_values)
    judgement = directory.judge() if state.kind == "finished" else None
    if judgement is None:
        return Projection(*progress, tags)
    ratings = rating_metrics(judgement, directory.read_text(RATINGS))
    return Projection(*progress, tags | judge_tags(judgement), ratings, judging(judgement), judgement.judged)


def judging(judgement: JudgeDocument | None) -> str:
    """Returns an identifier of the judgement that a judge.json describes; empty for None."""
    return f"{judgement.judge} {judgement.judged}" if judgement is not None else ""


def judge_tags(judgement: JudgeDocument) -> dict[str, str]:
    """Returns the tags that identify the judge: name, model as its server reports it, temperature and prompt hash."""
    values = {
        "": judgement.judge,
        "_model": ", ".join(sorted(judgement.answered_by)),
        "_temperature": judgement.temperature,
        "_prompt_sha256": judgement.prompt_sha256,
    }
    return {names.JUDGE + suffix: str(value) for suffix, value in values.items()}


def rating_metrics(judgement: JudgeDocument, ratings: str) -> dict[str, float]:
    """Returns the metrics of a judgement, from the contents of judge.json and of the judge's scores.csv.

    Each mean rating has its own number of items, because items without a rating are left out of the mean.
    """
    metrics: dict[str, float] = {}
    for row in csv.DictReader(io.StringIO(ratings)):
        name = names.score_metric(row["task"], row["eval_language"], row["metric"])
        metrics |= {name: float(row["score"]), name + names.METRIC_ITEMS: float(row["n_items"])}
        if row["stderr"]:
            metrics[name + names.STDERR] = float(row["stderr"])
    counts = {"items": judgement.items, "unrated_items": judgement.items - judgement.rated}
    counts |= {"prompt_tokens": judgement.tokens.prompt, "completion_tokens": judgement.tokens.completion}
    return metrics | {f"judge/{name}": float(value) for name, value in counts.items()}


def score_metrics(run: RunSpec, scores: str) -> dict[str, float]:
    """Returns the metrics of a run's scores.csv.

    They are each score with its standard error and number of items, and for each task the unweighted means of its
    primary metric over languages without English.
    """
    metrics: dict[str, float] = {}
    means: dict[str, dict[str, list[float]]] = {}
    primary = {task: TASKS[task].metrics[0].name for task in run.tasks if task in TASKS}
    for row in csv.DictReader(io.StringIO(scores)):
        task, language, metric = row["task"], row["eval_language"], row["metric"]
        name = names.score_metric(task, language, metric)
        metrics[name] = float(row["score"])
        if row["stderr"]:
            metrics[name + names.STDERR] = float(row["stderr"])
        metrics[names.score_metric(task, language, names.ITEMS)] = float(row["n_items"])
        if metric == primary.setdefault(task, metric) and language != ENGLISH:
            side = names.SEEN if language in run.train_languages else names.UNSEEN
            for mean in (side, names.NON_ENGLISH):
                means.setdefault(task, {}).setdefault(mean, []).append(float(row["score"]))
    for task, task_means in means.items():
        metrics |= {f"{names.TEST}/{task}/{side}": fmean(values) for side, values in task_means.items()}
    return metrics


def artifacts(directory: RunDir) -> dict[str, str]:
    """Returns the artifacts of a finished run: text by path."""
    paths_in_folders = (f"{folder}/{name}" for folder in FOLDERS for name in directory.names(folder))
    return directory.read_texts([*FILES, *paths_in_folders])
