"""The declarations of tasks, and what is refused in one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from clt_ray.plugins import UnknownNameError
from clt_ray.tasks import TASKS, Metric, TaskLanguage, in_canonical_order
from scripts.bundled import corpus


def test_tasks_are_listed_in_canonical_order() -> None:
    assert list(TASKS.built_in) == ["summarization", "instruction", "math"]
    assert in_canonical_order(("math", "summarization")) == ("summarization", "math")
    assert TASKS.require("math") is TASKS["math"]


def test_the_declarations_say_which_tasks_the_bundled_corpus_has() -> None:
    assert {name for name, task in TASKS.built_in.items() if task.bundled} == set(corpus.TASKS)


def test_a_task_that_nothing_declares_is_refused_with_the_remedy() -> None:
    with pytest.raises(UnknownNameError, match=r"'poetry'.*\n.*install the package"):
        in_canonical_order(("math", "poetry"))


def test_a_task_language_pair_equals_a_plain_tuple() -> None:
    assert TaskLanguage("math", "es") == ("math", "es")
    assert {TaskLanguage("math", "es"): 1}["math", "es"] == 1  # type: ignore[index]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "Math problems"}, "lower-case letters"),
        ({"metrics": ()}, "at least one metric"),
        ({"metrics": (Metric("fidelity", "fidelity"),)}, "two metrics have one name"),
        ({"primary": ("bleu",)}, "not declared"),
        ({"colour": "blue"}, "#rrggbb"),
        ({"metrics": (Metric("error", "error rate", better="min"),)}, "best at its largest value"),
    ],
)
def test_a_wrong_declaration_says_what_is_wrong(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(TASKS["math"], **changes)


def test_only_what_can_change_numbers_is_content() -> None:
    math = replace(TASKS["math"], prompts={"en": "{question}", "es": "¿{question}?", "fr": "{question} ?"})
    assert math.content(["es"]) == replace(math, label="Sums", colour="#000000", max_new_tokens=3).content(["es"])
    assert math.content(["es"]) == replace(math, prompts={**math.prompts, "fr": "other"}).content(["es"])
    assert math.content(["es"]) != math.content(["fr"])
    assert math.content(["es"]) != replace(math, version=2).content(["es"])
