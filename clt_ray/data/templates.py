"""Prompt templates: the text that the model sees around a row's own text.

The templates of built-in tasks and languages are in `templates.yaml`, whose hash enters every run id. Tasks and
languages of other packages bring theirs in their declarations.
"""

import functools
from collections.abc import Mapping
from importlib import resources

import yaml

from clt_ray.languages import LANGUAGES
from clt_ray.tasks import TASKS

FALLBACK_LANGUAGE = "en"
"""ISO 639-1 code of the language whose templates are used where a language has none."""


@functools.cache
def _file() -> Mapping[str, Mapping[str, str]]:
    text = resources.files("clt_ray.data").joinpath("templates.yaml").read_text(encoding="utf-8")
    loaded: dict[str, dict[str, str]] = yaml.safe_load(text)
    return loaded


@functools.cache
def prompts(task: str) -> Mapping[str, str]:
    """Returns ISO 639-1 code -> prompt template of a task."""
    return {FALLBACK_LANGUAGE: f"{placeholder(task)}\n", **_file().get(task, {}), **TASKS[task].prompts}


def placeholder(task: str) -> str:
    """Returns what a row's own text replaces in the templates of a task: `{question}`."""
    return "{" + TASKS[task].input_column + "}"


def prompt_template(task: str, language: str) -> str:
    """Returns the template of a prompt; the English one for a language that has none."""
    by_language = prompts(task)
    declared = LANGUAGES[language].prompts if language in LANGUAGES else {}
    return declared.get(task) or by_language.get(language, by_language[FALLBACK_LANGUAGE])


def apply_template(task: str, language: str, text: str) -> str:
    """Returns the prompt of a row, whose own text replaces the placeholder; braces inside the text are kept."""
    return prompt_template(task, language).replace(placeholder(task), text)


def chat_instruction(task: str, language: str) -> str:
    """Returns what a chat model is instructed to do before the prompt.

    A language without an instruction uses the English one. A task whose rows are instructions themselves has none: "".
    """
    by_language = {**_file().get(f"chat_{task}", {}), **TASKS[task].chat_instructions}
    declared = LANGUAGES[language].chat_instructions if language in LANGUAGES else {}
    return declared.get(task) or by_language.get(language, by_language.get(FALLBACK_LANGUAGE, ""))
