"""Replies of judges: stored by the content of the request, and collected by many concurrent requests.

The storage has them as `judge-cache/3f/3f0c9a....json`. The name is the hash of model, temperature, token limit and
messages. A reply is written atomically as soon as it arrives, so no reply is paid for twice, even if the process is
killed. Runs, sweeps and machines with the same storage share the cache. The address of the server is not part of the
name, so different models need different names.
"""

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass

from clt_ray.errors import CltRayError
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
        replies = {}
        for name, data in self._files.read_many(names).items():
            with suppress(ValueError, TypeError):
                replies[names[name]] = Reply(**json.loads(data))
        return replies

    def put(self, key: str, reply: Reply) -> None:
        """Stores a reply; it is durable once this returns."""
        self._files.write(_name(key), json.dumps(asdict(reply), ensure_ascii=False).encode())


def _name(key: str) -> str:
    return f"{key[:2]}/{key}.json"


Ask = Callable[[Sequence[Message]], Awaitable[Reply]]

GIVE_UP_AFTER = 16
"""After this many consecutive requests without a reply, each with its retries, no more are sent."""


class JudgeStopped(CltRayError):
    """The judge refuses every request, so no more are sent."""


class Unanswered(Exception):
    """A single request got no reply, for the reason in the message."""


async def ask_all(
    requests: Mapping[str, Sequence[Message]], ask: Ask, keep: Callable[[str, Reply], None], concurrency: int
) -> tuple[dict[str, Reply], dict[str, str]]:
    """Sends every request once, with at most `concurrency` requests in flight.

    Args:
        requests: Messages by the key of the request.
        keep: Stores a reply durably; called from several threads.

    Returns:
        The replies by key, and by key the reasons of requests without a reply.

    Raises:
        JudgeStopped: The judge refuses every request or leaves too many unanswered. Replies until then are stored.
    """
    waiting = iter(requests.items())
    replies: dict[str, Reply] = {}
    failures: dict[str, str] = {}
    in_a_row = 0

    async def work() -> None:
        nonlocal in_a_row
        for key, messages in waiting:
            try:
                reply = await ask(messages)
            except Unanswered as error:
                failures[key] = str(error)
                in_a_row += 1
                if in_a_row >= GIVE_UP_AFTER:
                    raise JudgeStopped(f"the judge left {in_a_row} requests in a row unanswered: {error}") from error
                continue
            in_a_row = 0
            await asyncio.to_thread(keep, key, reply)
            replies[key] = reply

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(concurrency, len(requests))):
                group.create_task(work())
    except BaseExceptionGroup as errors:
        raise _first(errors) from errors
    return replies, failures


def _first(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    """Returns one error for all, because several requests in flight fail for the same reason."""
    stopped = errors.subgroup(JudgeStopped)
    error: BaseException = stopped or errors
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
