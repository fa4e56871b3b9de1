"""Stores replies of judges by the content of the request: `judge-cache/3f/3f0c9a....json` in the storage.

The name is the hash of model, temperature, token limit and messages. A reply is written atomically as soon as it
arrives, so no reply is paid for twice, even if the process is killed. Runs, sweeps and machines with the same storage
share the cache. The address of the server is not part of the name, so different models need different names.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

from clt_ray.judging.protocol import Message
from clt_ray.store.objects import open_files

FOLDER = "judge-cache"


@dataclass(frozen=True)
class Settings:
    """What determines a judge's reply besides the messages."""

    model: str
    temperature: float = 0.0
    """Sampling temperature; 0 requests the most likely reply."""
    max_tokens: int = 1024
    """Longest reply in tokens; a reply that follows the protocol needs about a hundred."""


@dataclass(frozen=True)
class Reply:
    """A server's reply to one request."""

    text: str
    finish_reason: str
    """Why the judge stopped: `stop`, `length` or `content_filter`."""
    model: str
    """Model snapshot that answered, as the server names it."""
    fingerprint: str
    """The server's `system_fingerprint`; empty when it sends none."""
    prompt_tokens: int | None
    """Tokens of the request; None, also below, when the server does not count them."""
    completion_tokens: int | None


def request_key(settings: Settings, messages: Sequence[Message]) -> str:
    """Returns the key of a request, 64 hexadecimal digits."""
    content = [settings.model, settings.temperature, settings.max_tokens, [dict(message) for message in messages]]
    return hashlib.sha256(json.dumps(content, ensure_ascii=False, sort_keys=True).encode()).hexdigest()


class Cache:
    """The stored replies of the store at a path or URI."""

    def __init__(self, storage: str) -> None:
        self._files = open_files(f"{storage.rstrip('/')}/{FOLDER}")

    def get(self, keys: Iterable[str]) -> dict[str, Reply]:
        """Returns the stored replies; one that cannot be read counts as missing."""
        names = {_name(key): key for key in keys}
        replies = ((names[name], _decode(data)) for name, data in self._files.read_many(names).items())
        return {key: reply for key, reply in replies if reply is not None}

    def put(self, key: str, reply: Reply) -> None:
        """Stores a reply; it is durable once this returns."""
        self._files.write(_name(key), json.dumps(asdict(reply), ensure_ascii=False).encode())


def _name(key: str) -> str:
    return f"{key[:2]}/{key}.json"


def _decode(data: bytes) -> Reply | None:
    try:
        return Reply(**json.loads(data))
    except (ValueError, TypeError):
        return None
