"""`Row`, the form of every training, validation and test example, and its construction from raw columns."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import zip_longest
from numbers import Number
from typing import Any, NamedTuple

from clt_ray.data.scripts import WRONG_SCRIPT_SHARE, writing
from clt_ray.data.templates import apply_template
from clt_ray.languages import LANGUAGES, built_in_and
from clt_ray.tasks import TASKS

_LANGUAGE_COLUMNS = ("lang-id", "language", "lang")


@dataclass(frozen=True)
class Row:
    """An example of a task in a language."""

    id: str
    """Name of the item; it is the same in every language when the data set is parallel."""
    task: str
    language: str
    """ISO 639-1 code."""
    prompt: str
    """Text that the model is shown: the template filled in, without the chat format of a model."""
    completion: str
    """Text that the model should write; empty for a test prompt without a reference."""


class Parsed(NamedTuple):
    """The parts of a raw row that are used."""

    id: str
    text: str
    """The row's own text, without the template."""
    completion: str
    """The target; empty where a row may have none."""


class MalformedRow(ValueError):
    """Raised for a raw row that cannot be used; the message is the reason under which it is counted."""


def templated(parsed: Parsed, task: str, language: str) -> Row:
    """Returns the row with the prompt of its task and language."""
    return Row(parsed.id, task, language, apply_template(task, language, parsed.text), parsed.completion)


def parse(
    raw: Mapping[str, Any], task: str, language: str, *, default_id: str, needs_completion: bool = True
) -> Parsed:
    """Returns the name, text and target of a raw row.

    Args:
        raw: Columns as the task's declaration names them; where the task allows conversations, a row may instead hold
            one in `messages` (role, content) or `conversations` (from, value), of which the first exchange is used.
        default_id: Name of a row that has neither `id` nor `lang-id`.
        needs_completion: False where a target may be missing, as in test prompts for a judge.

    Raises:
        MalformedRow: A column is missing, empty or of the wrong type, or the row names another language.
    """
    declaration = TASKS[task]
    source, target = declaration.input_column, declaration.target_column
    claimed = claimed_language(raw, language)
    if claimed not in (None, language):
        raise MalformedRow(f"says that its language is {claimed!r}")
    if declaration.conversations and source not in raw:
        raw = _first_exchange(raw, source, target)
    text = _text(raw, source)
    completion = ""
    if needs_completion or raw.get(target) is not None:
        number = declaration.target_may_be_number
        completion = _text(raw, target, may_be_number=number, may_be_empty=not needs_completion)
    return Parsed(_identifier(raw, default_id), text, completion)


def check_script(parsed: Parsed, code: str) -> None:
    """Raises `MalformedRow` for a row that cannot be in its language: nearly all letters are in another script."""
    letters = writing(parsed.text, code) + writing(parsed.completion, code)
    if letters.share < WRONG_SCRIPT_SHARE:
        script = LANGUAGES.require(code).script
        raise MalformedRow(f"wrong language: fewer than {WRONG_SCRIPT_SHARE:.0%} of the letters are {script}")


def claimed_language(raw: Mapping[str, Any], expected: str) -> str | None:
    """Returns the ISO 639-1 code of the language that a row names in a column; None where it names no known one."""
    for column in _LANGUAGE_COLUMNS:
        if isinstance(raw.get(column), str):
            return _codes(expected).get(raw[column].partition("-")[0].strip().lower())
    return None


@lru_cache(maxsize=64)
def _codes(expected: str) -> dict[str, str]:
    """Returns name, ISO 639-1 or ISO 639-3 code of a language, in lower case -> ISO 639-1 code."""
    return {
        name: known.code
        for known in built_in_and(expected)
        for name in (known.code, known.name.lower(), *known.three_letter_codes)
    }


def _text(raw: Mapping[str, Any], column: str, *, may_be_number: bool = False, may_be_empty: bool = False) -> str:
    if column not in raw or raw[column] is None:
        raise MalformedRow(f"no column {column!r}")
    value = raw[column]
    if may_be_number and isinstance(value, Number) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        raise MalformedRow(f"{column!r} is not text but {type(value).__name__}")
    if not value.strip() and not may_be_empty:
        raise MalformedRow(f"empty {column!r}")
    return value.strip()


def _first_exchange(raw: Mapping[str, Any], source: str, target: str) -> dict[str, Any]:
    """Returns the first user turn and the assistant turn right after it, in the columns of input and target."""
    if isinstance(raw.get("messages"), list):
        turns, role_key, text_key = raw["messages"], "role", "content"
    elif isinstance(raw.get("conversations"), list):
        turns, role_key, text_key = raw["conversations"], "from", "value"
    else:
        raise MalformedRow(f"no column {source!r}, 'messages' or 'conversations'")
    if not all(isinstance(turn, Mapping) and {role_key, text_key} <= turn.keys() for turn in turns):
        raise MalformedRow(f"a turn without {role_key!r} and {text_key!r}")
    for turn, reply in zip_longest(turns, turns[1:]):
        if turn[role_key] in ("user", "human"):
            answered = reply is not None and reply[role_key] in ("assistant", "gpt")
            columns = {source: turn[text_key], target: reply[text_key] if answered else None}
            return {"id": raw.get("id") or raw.get("conversation_id"), **columns}
    raise MalformedRow("no user turn")


def _identifier(raw: Mapping[str, Any], default_id: str) -> str:
    if raw.get("id") not in (None, ""):
        return str(raw["id"])
    if isinstance(raw.get("lang-id"), str):
        # mCoT-MATH names an item `es-123`; without the language the name is the same for all translations.
        return str(raw["lang-id"]).partition("-")[2] or default_id
    return default_id
