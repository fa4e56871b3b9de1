"""What MLflow should say of a run, worked out from its directory. Knows names and numbers, not MLflow."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

from clt_ray.languages import ENGLISH
from clt_ray.store import MetricPoint, RunDir
from clt_ray.store.run_dir import LOGS, Log
from clt_ray.sweep.plan import RunStatus
from clt_ray.sweep.run import RunSpec
from clt_ray.tracking import names

RUN_STATUS = {"running": "RUNNING", "finished": "FINISHED", "failed": "FAILED", "interrupted": "KILLED"}
"""MLflow's status of a run in each state that has a directory."""

ERROR_CHARACTERS = 500
TEXTS = ("scores.csv", "items.csv")
FOLDERS = ("generations", "judge")
JUDGE, RATINGS = "judge/judge.json", "judge/scores.csv"


@dataclass(frozen=True)
class Projection:
    """All there is to tell about a run now."""

    status: str
    """RUNNING, FINISHED, FAILED or KILLED."""
    started: float
    """Unix seconds."""
    updated: float
    """Last news of the run, in unix seconds."""
    points: Mapping[Log, Sequence[MetricPoint]]
    """Recorded metrics by log, one point per step, in order of steps."""
    once: Mapping[str, float]
    """Metrics that a run has one value of; those of the test when it is finished."""
    tags: Mapping[str, str]
    """Tags that a run gets as it goes on."""
    ratings: Mapping[str, float] = field(default_factory=dict)
    """Metrics by a judge, which may be another the next time; empty when there is none."""
    judged: str = ""
    """Names the judging that `ratings` are from."""
    judged_at: float = 0.0
    """When that was, in unix seconds."""

    @property
    def finished(self) -> bool:
        return self.status == RUN_STATUS["finished"]


def project(run: RunSpec, directory: RunDir, state: RunStatus) -> Projection:
    """Read a run's directory."""
    told = directory.read_json("status.json") or {}
    points = {log: _last_per_step(directory.metrics(log)) for log in LOGS}
    updated = float(told.get("updated") or max((point.time for log in points.values() for point in log), default=0.0))
    started = min([updated, *(point.time for log in points.values() for point in log[:1])])
    tags = {names.ATTEMPT: str(told.get("attempt", 1))}
    # As a metric too, since charts of MLflow plot metrics against metrics.
    once = {names.SAMPLES: float(run.samples_per_language)}
    if state.error:
        tags[names.ERROR] = state.error[:ERROR_CHARACTERS]
    if state.kind == "finished":
        result = directory.read_json("result.json") or {}
        seconds = {stage: float(value) for stage, value in (result.get("seconds") or {}).items()}
        started = min(started, updated - sum(seconds.values()))
        tags[names.CHOSEN_STEP] = str(result["selection"]["chosen"]["step"])
        once |= score_metrics(run, directory.read_text("scores.csv"))
        once |= {f"perf/{stage}_seconds": value for stage, value in seconds.items()}
        if "generated_tokens_per_second" in result:
            once["perf/generated_tokens_per_second"] = float(result["generated_tokens_per_second"])
    told_of = (RUN_STATUS[state.kind], started, updated, points, once)
    facts = directory.read_json(JUDGE) if state.kind == "finished" else None
    if facts is None:
        return Projection(*told_of, tags)
    ratings = rating_metrics(facts, directory.read_text(RATINGS))
    return Projection(*told_of, tags | judge_tags(facts), ratings, judging(facts), float(facts["judged"]))


def judging(facts: Mapping[str, Any] | None) -> str:
    """Name of what judge.json tells of; empty when there is none."""
    return f"{facts['judge']} {facts['judged']}" if facts else ""


def judge_tags(facts: Mapping[str, Any]) -> dict[str, str]:
    """Who judged: the snapshot as its server named it, temperature, and the hash of the prompt."""
    values = {
        "": facts["judge"],
        "_model": ", ".join(sorted(facts["answered_by"])),
        "_temperature": facts["temperature"],
        "_prompt_sha256": facts["prompt_sha256"],
    }
    return {names.JUDGE + suffix: str(value) for suffix, value in values.items()}


def rating_metrics(facts: Mapping[str, Any], ratings: str) -> dict[str, float]:
    """A judge's scores, each with its own number of items, since items without a rating enter no mean."""
    metrics: dict[str, float] = {}
    for row in csv.DictReader(io.StringIO(ratings)):
        name = names.score_metric(row["task"], row["eval_language"], row["metric"])
        metrics |= {name: float(row["score"]), name + names.OWN_ITEMS: float(row["n_items"])}
        if row["stderr"]:
            metrics[name + names.STDERR] = float(row["stderr"])
    counts = {"items": facts["items"], "unrated_items": facts["items"] - facts["rated"]}
    counts |= {f"{kind}_tokens": facts["tokens"][kind] for kind in ("prompt", "completion")}
    return metrics | {f"judge/{name}": float(value) for name, value in counts.items()}


def score_metrics(run: RunSpec, scores: str) -> dict[str, float]:
    """Metrics of a scores file: each score with its standard error and number of items, and the unweighted means
    of each task's main score over languages, none of which counts English."""
    metrics: dict[str, float] = {}
    means: dict[str, dict[str, list[float]]] = {}
    main = dict(names.PRIMARY)
    for row in csv.DictReader(io.StringIO(scores)):
        task, language, metric = row["task"], row["eval_language"], row["metric"]
        name = names.score_metric(task, language, metric)
        metrics[name] = float(row["score"])
        if row["stderr"]:
            metrics[name + names.STDERR] = float(row["stderr"])
        metrics[names.score_metric(task, language, names.ITEMS)] = float(row["n_items"])
        if metric == main.setdefault(task, metric) and language != ENGLISH:
            side = names.SEEN if language in run.train_languages else names.UNSEEN
            for mean in (side, names.NON_ENGLISH):
                means.setdefault(task, {}).setdefault(mean, []).append(float(row["score"]))
    for task, values_of in means.items():
        metrics |= {f"{names.TEST}/{task}/{side}": fmean(values) for side, values in values_of.items()}
    return metrics


def artifacts(directory: RunDir) -> dict[str, str]:
    """Texts that MLflow keeps of a finished run, by path."""
    in_folders = (f"{folder}/{name}" for folder in FOLDERS for name in directory.names(folder))
    return directory.read_texts([*TEXTS, *in_folders])


def _last_per_step(points: Sequence[MetricPoint]) -> list[MetricPoint]:
    """A step recorded twice counts as last recorded, as for the choice of the checkpoint."""
    return [point for _, point in sorted({point.step: point for point in points}.items())]
