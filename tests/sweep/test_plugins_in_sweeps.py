"""Tasks, languages and scorers of other packages in a sweep: run ids, defaults and problems."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from clt_ray.errors import CltRayError
from clt_ray.languages import LANGUAGES, Language
from clt_ray.scorers import SCORERS, CheckpointScorer, ItemScorer
from clt_ray.sweep import RunSpec
from clt_ray.tasks import TASKS, Metric, Task
from tests.support.sweeps import problems_of, runs_of

TOPIC = Task("topic", "Topics", "text", "category", "topic:score", (Metric("topic_accuracy", "accuracy"),),
             prompts={"en": "{text}", "es": "¿{text}?"})  # fmt: skip
WELSH = Language("cy", "Welsh", "Cymraeg", "Latin", "Celtic", prompts={"math": "Cwestiwn: {question}"})
OF_TOPICS = ItemScorer("of-topics", (Metric("repetition", "repetition"),), "topic:repetition", tasks=("topic",))
OF_CHECKPOINTS = CheckpointScorer("of-checkpoints", (Metric("sums", "sums"),), "topic:sums")

Declarations = Mapping[str, Any]


@pytest.fixture(autouse=True)
def plugins(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Declares a task, a language and two scorers as packages would."""
    declare(monkeypatch)
    return monkeypatch


def declare(patch: pytest.MonkeyPatch, task: Task = TOPIC, language: Language = WELSH) -> None:
    patch.setattr(TASKS, "_all", {**TASKS.built_in, task.name: task})
    patch.setattr(LANGUAGES, "_all", {**LANGUAGES.built_in, language.code: language})
    patch.setattr(SCORERS, "_all", {scorer.name: scorer for scorer in (OF_TOPICS, OF_CHECKPOINTS)})


def ids(tasks: str, *codes: str, scorers: tuple[str, ...] = ()) -> set[str]:
    """Returns the run ids of a small sweep of some tasks, with rows of hub data sets."""
    changes: dict[str, Any] = {"evaluation": {"scorers": list(scorers)}} if scorers else {}
    runs = runs_of(
        grid={"model": "tiny", "task": tasks.split(), "language_group": "all", "samples_per_language": [8]},
        language_groups={"all": list(codes)},
        eval_languages=["en", *codes],
        data={name: {"dataset": f"them/{name}"} for name in ("topic", "math") if name in tasks},
        **changes,
    )
    return {run.run_id for run in runs}


def test_a_plugin_enters_the_ids_of_the_runs_that_use_it_only(plugins: pytest.MonkeyPatch) -> None:
    topic, welsh, math = ids("topic", "es"), ids("math", "cy"), ids("math", "es")
    declare(plugins, task=replace(TOPIC, prompts={**TOPIC.prompts, "es": "{text}"}))
    assert ids("topic", "es") != topic and (ids("math", "cy"), ids("math", "es")) == (welsh, math)
    declare(plugins, language=replace(WELSH, version=2))
    assert ids("topic", "es") == topic and ids("math", "cy") != welsh and ids("math", "es") == math
    declare(plugins, task=replace(TOPIC, label="Subjects", colour="#000000"))
    assert ids("topic", "es") == topic


def test_a_scorer_enters_the_ids_of_the_runs_that_it_scores() -> None:
    assert ids("math", "es", scorers=("of-checkpoints",)) != ids("math", "es")
    plain, scored = ids("topic math", "es"), ids("topic math", "es", scorers=("of-topics",))
    assert plain & scored == ids("math", "es")
    assert ids("topic+math", "es", scorers=("of-topics",)) != ids("topic+math", "es")


@pytest.mark.parametrize(
    ("changes", "key", "message"),
    [
        ({"grid": {"task": "topic"}}, "data.topic", "the task declares no data set"),
        ({"data": {"topic": {"bundled": True}}}, "data.topic.bundled", "no rows of this task"),
        ({"evaluation": {"scorers": ["of-topic"]}}, "evaluation.scorers[0]", "is not one of the choices"),
        ({"evaluation": {"scorers": ["of-topics"]}}, "evaluation.scorers[0]", "scores no task of the sweep"),
        ({"evaluation": {"scorers": ["of-checkpoints"] * 2}}, "evaluation.scorers[1]", "repeats"),
        ({"data": {"topics": {"bundled": True}}}, "data.topics", "unknown key"),
    ],
)
def test_a_problem_with_a_plugin_is_reported(changes: dict[str, Any], key: str, message: str) -> None:
    grid = {"model": "tiny", "task": "math", "language_group": "all", "samples_per_language": [8]}
    (problem,) = problems_of(**{**changes, "grid": grid | changes.get("grid", {})})
    assert problem.key == key and message in problem.message


def test_a_stored_run_without_its_package_says_which_package_is_missing(plugins: pytest.MonkeyPatch) -> None:
    grid = {"model": "tiny", "task": "topic", "language_group": "all", "samples_per_language": [8]}
    (run,) = runs_of(grid=grid, data={"topic": {"dataset": "them/topics"}})
    stored = run.to_dict()
    assert RunSpec.from_dict(stored).run_id == run.run_id
    plugins.setattr(TASKS, "_all", dict(TASKS.built_in))
    with pytest.raises(CltRayError, match="no installed package declares 'topic' among the tasks"):
        RunSpec.from_dict(stored)
