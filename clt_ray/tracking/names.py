"""Names of tags, params and metrics in MLflow. They are the same in every run, so that runs can be compared."""

from typing import Any

from clt_ray.sweep.run import RunSpec

SWEEP, KIND, RUN_ID = "clt.sweep", "clt.kind", "clt.run_id"
PARENT = "mlflow.parentRunId"
CHOSEN_STEP, ERROR, ATTEMPT = "clt.chosen_step", "clt.error", "clt.attempt"
JUDGE = "clt.judge"
"""First characters of the tags that identify the judge: `clt.judge`, `clt.judge_model` and so on. They are tags because
another judge may follow, and params never change."""
CURSOR = "clt.mirrored"
"""How much of a run is in MLflow; see `child.Cursor`."""

SAMPLES = "samples_per_language"
RATING = "judge_rating"
"""First characters of the names of metrics that a judge rated."""
STDERR, ITEMS = "_stderr", "n_items"
METRIC_ITEMS = f"_{ITEMS}"
"""Appended to a metric's name: number of items in its mean, where that may be fewer than all items of the language."""
TEST = "test"

SEEN, UNSEEN, NON_ENGLISH = "seen", "unseen", "non_english"
MEANS = (NON_ENGLISH, SEEN, UNSEEN)
"""Unweighted means over languages without English: all of them, those the run was trained on, and the others. Only the
first is over the same languages at every number of samples, because a run without samples has seen no language."""


def params(run: RunSpec) -> dict[str, str]:
    """Returns a child run's params: the settings by which the runs of a study differ."""
    of_run = ("task", "setting", "language_group", SAMPLES, "english_samples", "seed", "train_rows", "steps")
    of_training = ("epochs", "batch_size", "learning_rate", "precision")
    values = {"model": run.model.name, "train_languages": "+".join(run.train_languages)}
    values |= {name: str(getattr(run, name)) for name in of_run}
    return values | {name: str(getattr(run.training, name)) for name in of_training}


def tags(run: RunSpec, sweep: str, parent: str) -> dict[str, str]:
    """Returns a child run's tags. Filters of the MLflow UI see them, but not those of `parent`, the parent run's id."""
    settings = params(run)
    searched = ("model", "task", "setting", "language_group", SAMPLES, "seed")
    names = {PARENT: parent, KIND: "run", SWEEP: sweep, RUN_ID: run.run_id, "mlflow.source.name": "clt-ray"}
    return names | {f"clt.{name}": settings[name] for name in searched}


def score_metric(task: str, language: str, metric: str) -> str:
    return f"{TEST}/{task}/{language}/{metric}"


def parse_score_metric(name: str) -> tuple[str, str, str] | None:
    """Returns task, language and metric of a test metric in one language; None for any other name."""
    parts = name.split("/")
    return (parts[1], parts[2], parts[3]) if len(parts) == 4 and parts[0] == TEST else None


def is_rating(name: str) -> bool:
    """Returns whether a metric is a judge's mean rating in one language, or its standard error or number of items."""
    parsed = parse_score_metric(name)
    return parsed is not None and parsed[2].startswith(RATING)


def tag_filter(**values: Any) -> str:
    """Returns MLflow's filter for runs with these tags; `kind="run"` stands for the tag `clt.kind`."""
    return " AND ".join(f"tags.`clt.{name}` = '{value}'" for name, value in values.items())
