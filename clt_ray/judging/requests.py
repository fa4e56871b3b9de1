"""Sends many requests concurrently and stores every reply as soon as it arrives."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

from clt_ray.errors import CltRayError
from clt_ray.judging.cache import Reply
from clt_ray.judging.protocol import Message

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
