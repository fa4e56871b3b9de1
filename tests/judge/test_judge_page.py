"""docs/judge.md shows the prompt that is sent and every reason why a reply has no rating."""

from __future__ import annotations

from pathlib import Path

from clt_ray.judging.endpoint import API_KEY, BASE_URL, MODEL, OPENAI_API_KEY, OPENAI_BASE_URL
from clt_ray.judging.protocol import REASONS, SYSTEM, USER

PAGE = (Path(__file__).parents[2] / "docs" / "judge.md").read_text("utf-8")


def test_the_page_shows_the_prompt_that_is_sent() -> None:
    assert f"```text\n{SYSTEM}\n```" in PAGE
    assert f"```text\n{USER}\n```" in PAGE


def test_the_page_names_every_reason_and_variable() -> None:
    words = " ".join(PAGE.split())
    assert [reason for reason in REASONS if f"`{reason}`" not in words] == []
    variables = (BASE_URL, MODEL, API_KEY, OPENAI_BASE_URL, OPENAI_API_KEY)
    assert [name for name in variables if f"`{name}`" not in words] == []
