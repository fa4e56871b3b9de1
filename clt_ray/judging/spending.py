"""Tokens spent on replies, and estimates of the tokens that requests would cost."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from clt_ray.judging.protocol import Message

BYTES_PER_TOKEN = 4.0
"""Approximate number of UTF-8 bytes per token of large multilingual models, in every script: Latin, Arabic, Korean and
Chinese characters have 1, 2, 3 and 3 bytes, and tokens have fewer characters the more bytes each of them has."""
REPLY_TOKENS = 150
"""Approximate length in tokens of a reply: an explanation of a few sentences and the rating."""


class Counted(Protocol):
    """Anything with token counts."""

    @property
    def prompt_tokens(self) -> int | None: ...

    @property
    def completion_tokens(self) -> int | None: ...


@dataclass(frozen=True)
class Tokens:
    """Tokens of requests and their replies."""

    prompt: int = 0
    """Tokens sent."""
    completion: int = 0
    """Tokens received."""
    uncounted: int = 0
    """Number of replies whose server did not count tokens."""

    def __add__(self, other: Tokens) -> Tokens:
        uncounted = self.uncounted + other.uncounted
        return Tokens(self.prompt + other.prompt, self.completion + other.completion, uncounted)


def spent(replies: Iterable[Counted]) -> Tokens:
    """Returns the tokens of replies as the servers counted them."""
    total = Tokens()
    for reply in replies:
        unknown = reply.prompt_tokens is None or reply.completion_tokens is None
        total += Tokens(reply.prompt_tokens or 0, reply.completion_tokens or 0, int(unknown))
    return total


def estimate(messages: Sequence[Message]) -> Tokens:
    """Estimates the tokens of one request and its reply."""
    size = sum(len(message["content"].encode()) for message in messages)
    return Tokens(round(size / BYTES_PER_TOKEN), REPLY_TOKENS)
