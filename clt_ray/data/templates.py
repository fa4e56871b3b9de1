"""Prompt templates: what the model sees around a row's own text.

The texts are in `templates.yaml`, whose hash enters every run's identity.
"""

from __future__ import annotations

import functools
from importlib import resources

import yaml

FALLBACK_LANGUAGE = "en"


CHAT = "chat_"
"""Before the name of a task in the file: what chat models are told to do."""


@functools.cache
def _file() -> dict[str, dict[str, str]]:
    text = resources.files("clt_ray.data").joinpath("templates.yaml").read_text(encoding="utf-8")
    loaded: dict[str, dict[str, str]] = yaml.safe_load(text)
    return loaded


@functools.cache
def templates() -> dict[str, dict[str, str]]:
    """Task -> language -> template of a prompt."""
    return {task: by_language for task, by_language in _file().items() if not task.startswith(CHAT)}


def instruction(task: str, language: str) -> str:
    """What a chat model is told before the prompt; empty for a task whose rows are instructions themselves.

    Args:
        task: One of the three tasks.
        language: ISO code of the row's language; one without an instruction of its own gets the English one.
    """
    by_language = _file().get(CHAT + task)
    return by_language.get(language, by_language[FALLBACK_LANGUAGE]) if by_language else ""


def apply_template(task: str, language: str, column: str, text: str) -> str:
    """The prompt of a row.

    A language without a template of its own gets the English one: its rows then ask in English about a text in
    that language.

    Args:
        task: One of the three tasks.
        language: ISO code of the row's language.
        column: Name of the placeholder, such as `question`.
        text: What replaces it; braces inside are kept as they are.
    """
    by_language = templates()[task]
    template = by_language.get(language, by_language[FALLBACK_LANGUAGE])
    return template.replace("{" + column + "}", text)
