"""The JSON schema that editors use accepts what the program accepts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from clt_ray.sweep import json_schema
from clt_ray.sweep.document import read_document
from tests.support.sweeps import TPU, small_sweep

ROOT = Path(__file__).parents[2]
FILES = sorted([*ROOT.glob("sweeps/**/*.yaml"), *Path(__file__).parent.glob("golden/*.yaml")])

VALIDATOR = Draft202012Validator(json_schema())


def mistakes(content: dict[str, Any]) -> list[str]:
    """Returns the messages of the schema's validator about a sweep."""
    return [error.message for error in VALIDATOR.iter_errors(content)]


def test_the_schema_is_valid() -> None:
    Draft202012Validator.check_schema(json_schema())


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_every_sweep_of_the_project_is_accepted(file: Path) -> None:
    assert mistakes(dict(read_document(file).data)) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"hardware": TPU},
        {"hardware": {"*": TPU}},
        {"evaluation": {"max_new_tokens": 5}},
        {"evaluation": {"max_new_tokens": {"math": 5}}},
        {"selection": {"languages": ["en"]}},
        {"selection": {"languages": "all"}},
        {"seeds": 3, "include": [{"seed": 4, "samples_per_language": [1]}]},
    ],
    ids=str,
)
def test_every_form_of_a_value_is_accepted(changes: dict[str, Any]) -> None:
    assert mistakes(small_sweep(**changes)) == []


@pytest.mark.parametrize(
    "changes",
    [{"training": {"batchsize": 1}}, {"eval_languages": ["jp"]}, {"training": {"batch_size": 0}}, {"grid": None}],
    ids=str,
)
def test_mistakes_are_refused(changes: dict[str, Any]) -> None:
    assert mistakes(small_sweep(**changes))


def test_every_field_is_described() -> None:
    schema = json_schema()
    sections = [schema, *schema["$defs"].values()]
    undescribed = [
        f"{section['title']}.{name}"
        for section in sections
        for name, field in section.get("properties", {}).items()
        if "description" not in field
    ]
    assert undescribed == []
