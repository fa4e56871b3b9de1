"""Rows as tokens: the model's chat format when it has one, plain text otherwise.

The prompt and the completion are tokenised apart and joined as ids. So the prompt's ids are a prefix of the full
ids by construction, and what is learned after a prompt in training is exactly what follows it in generation; a
tokenizer that sees both at once may merge characters across the border.

When a row is too long, the completion keeps at least half of the room, and the middle of the prompt goes: its
start holds the text's most telling part and the first special token, its end the words that ask for an answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from clt_ray.data.rows import Row

IGNORED = -100
"""Label of a token that enters no loss."""
KEPT_TAIL = 32
"""Tokens at the end of a cut prompt that stay: the template's closing words and the chat format's turn markers."""


@dataclass(frozen=True)
class Encoded:
    """One row as token ids."""

    input_ids: list[int]
    """Prompt followed by completion."""
    labels: list[int]
    """As `input_ids`, with -100 on the prompt."""
    truncated: bool = False
    """Whether tokens were left out to fit the length."""


def encode(row: Row, tokenizer: Any, max_length: int) -> Encoded:
    """Token ids and completion-only labels.

    Args:
        row: With a completion.
        tokenizer: A Hugging Face tokenizer with an end-of-text token.
        max_length: Most tokens of the result, at least 2.

    Raises:
        ValueError: `max_length` leaves no room for both a prompt and a completion.
    """
    if max_length < 2:
        raise ValueError(f"max_length is {max_length}; a prompt and a completion need at least 2 tokens")
    prompt, completion = _parts(row, tokenizer)
    truncated = len(prompt) + len(completion) > max_length
    if truncated:
        prompt = _without_middle(prompt, max(max_length - len(completion), max_length // 2))
        completion = completion[: max_length - len(prompt)]
    return Encoded(prompt + completion, [IGNORED] * len(prompt) + completion, truncated)


def encode_prompt(row: Row, tokenizer: Any, max_length: int | None = None) -> list[int]:
    """What generation starts from: the tokens that come before the completion in `encode`.

    Args:
        row: Its completion is not read.
        tokenizer: A Hugging Face tokenizer.
        max_length: Most tokens of the result; None keeps all.
    """
    prompt = _prompt(row, tokenizer)[0]
    return prompt if max_length is None else _without_middle(prompt, max_length)


def _parts(row: Row, tokenizer: Any) -> tuple[list[int], list[int]]:
    prompt, prompt_text = _prompt(row, tokenizer)
    if prompt_text is None:
        separator = "" if row.prompt[-1:].isspace() else " "
        return prompt, [*_tokens(separator + row.completion, tokenizer), tokenizer.eos_token_id]
    turns = [*_user_turn(row), {"role": "assistant", "content": row.completion}]
    full_text = tokenizer.apply_chat_template(turns, tokenize=False)
    # A format that rewrites earlier turns has no common prefix to continue from; the text goes in as it is.
    rest = full_text[len(prompt_text) :] if full_text.startswith(prompt_text) else row.completion
    completion = _tokens(rest, tokenizer)
    if tokenizer.eos_token_id not in completion:
        completion.append(tokenizer.eos_token_id)
    return prompt, completion


def _prompt(row: Row, tokenizer: Any) -> tuple[list[int], str | None]:
    """Ids of the prompt, and its text in the chat format when there is one."""
    if not getattr(tokenizer, "chat_template", None):
        ids = list(tokenizer(row.prompt)["input_ids"])
        return (ids[:-1] if len(ids) > 1 and ids[-1] == tokenizer.eos_token_id else ids), None
    text = tokenizer.apply_chat_template(_user_turn(row), tokenize=False, add_generation_prompt=True)
    return _tokens(text, tokenizer), text


def _user_turn(row: Row) -> list[dict[str, str]]:
    return [{"role": "user", "content": row.prompt.rstrip()}]


def _tokens(text: str, tokenizer: Any) -> list[int]:
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])


def _without_middle(ids: list[int], length: int) -> list[int]:
    if len(ids) <= length:
        return ids
    tail = min(KEPT_TAIL, length // 2)
    return ids[: length - tail] + ids[len(ids) - tail :]
