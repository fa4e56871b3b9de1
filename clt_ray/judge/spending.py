"""Tokens: what replies have cost, and roughly what requests would."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from clt_ray.judge.protocol import Message

BYTES_PER_TOKEN = 4.0
"""UTF-8 bytes per token of the tokenizers of large multilingual models, roughly and in every script: a character of
Latin, Arabic, Korean or Chinese has 1, 2, 3 or 3 bytes, and tokens hold the fewer characters the more bytes those
have."""
REPLY_TOKENS = 150
"""An explanation of a few sentences and the rating, roughly."""


class Counted(Protocol):
    """Anything that says what it cost."""

    @property
    def prompt_tokens(self) -> int | None: ...

    @property
    def completion_tokens(self) -> int | None: ...


@dataclass(frozen=True)
class Tokens:
    """Tokens of some requests and their replies."""

    prompt: int = 0
    """Tokens sent."""
    completion: int = 0
    """Tokens received."""
    uncounted: int = 0
    """Replies whose server did not say."""

    def __add__(self, other: Tokens) -> Tokens:
        uncounted = self.uncounted + other.uncounted
        return Tokens(self.prompt + other.prompt, self.completion + other.completion, uncounted)


def spent(replies: Iterable[Counted]) -> Tokens:
    """What replies have cost, as the servers counted."""
    total = Tokens()
    for reply in replies:
        unknown = reply.prompt_tokens is None or reply.completion_tokens is None
        total += Tokens(reply.prompt_tokens or 0, reply.completion_tokens or 0, int(unknown))
    return total


def estimate(messages: Sequence[Message]) -> Tokens:
    """Roughly what one request would cost."""
    size = sum(len(message["content"].encode()) for message in messages)
    return Tokens(round(size / BYTES_PER_TOKEN), REPLY_TOKENS)
