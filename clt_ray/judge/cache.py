"""Replies of judges by the content of the request, in the storage: `judge-cache/3f/3f0c9a....json`.

The name is the hash of model, temperature, token limit and messages. A reply is written whole the moment it is there,
so whatever is killed, it is never paid for twice; runs, sweeps and machines that share a storage share it. The address
of the server is not part of the name: give models that differ different names.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

from clt_ray.judge.protocol import Message
from clt_ray.store.opening import open_files

FOLDER = "judge-cache"


@dataclass(frozen=True)
class Settings:
    """What decides a judge's reply beside the messages."""

    model: str
    """Model as requested."""
    temperature: float = 0.0
    """0 asks for the likeliest reply."""
    max_tokens: int = 1024
    """Longest reply, in tokens; a reply of the protocol's form needs about a hundred."""


@dataclass(frozen=True)
class Reply:
    """What a server answered."""

    text: str
    """The judge's words."""
    finish_reason: str
    """`stop`, `length` or `content_filter`."""
    model: str
    """Snapshot that answered, as the server names it."""
    fingerprint: str
    """The server's `system_fingerprint`; empty when it sends none."""
    prompt_tokens: int | None
    """Tokens of the request; None when the server does not count."""
    completion_tokens: int | None
    """Tokens of the reply; None when the server does not count."""


def request_key(settings: Settings, messages: Sequence[Message]) -> str:
    """Name of a request: 64 hexadecimal digits."""
    content = [settings.model, settings.temperature, settings.max_tokens, [dict(message) for message in messages]]
    return hashlib.sha256(json.dumps(content, ensure_ascii=False, sort_keys=True).encode()).hexdigest()


class Cache:
    """Replies in a storage."""

    def __init__(self, storage: str) -> None:
        """Open the cache of a storage.

        Args:
            storage: Path or URI of the store.
        """
        self._files = open_files(f"{storage.rstrip('/')}/{FOLDER}")

    def get(self, keys: Iterable[str]) -> dict[str, Reply]:
        """The replies that are there; one that cannot be read counts as not there."""
        names = {_name(key): key for key in keys}
        found = ((names[name], _decode(data)) for name, data in self._files.read_many(names).items())
        return {key: reply for key, reply in found if reply is not None}

    def put(self, key: str, reply: Reply) -> None:
        """Keep a reply; durable once this has returned."""
        self._files.write(_name(key), json.dumps(asdict(reply), ensure_ascii=False).encode())


def _name(key: str) -> str:
    return f"{key[:2]}/{key}.json"


def _decode(data: bytes) -> Reply | None:
    try:
        return Reply(**json.loads(data))
    except (ValueError, TypeError):
        return None
