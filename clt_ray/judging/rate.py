"""Limits the rate of requests, and delays all of them while the server asks for a pause."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable


class Pace:
    """A rate limit for all requests to a server, including retries.

    Requests are spread evenly over the minute, because servers also count over much shorter windows.
    """

    def __init__(
        self,
        per_minute: float | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        """Creates the rate limit.

        Args:
            per_minute: Maximum number of requests per minute; None for no limit.
            clock: Returns the time in seconds from any origin.
            sleep: Waits for a number of seconds of that clock.
        """
        self._interval = 60.0 / per_minute if per_minute else 0.0
        self._clock, self._sleep = clock, sleep
        self._free_at = clock()

    async def turn(self) -> None:
        """Returns when the caller may send one request."""
        while (wait := self._free_at - self._clock()) > 0:
            await self._sleep(wait)
        self._free_at = self._clock() + self._interval

    def pause(self, seconds: float) -> None:
        """Delays all requests until `seconds` from now."""
        self._free_at = max(self._free_at, self._clock() + seconds)
