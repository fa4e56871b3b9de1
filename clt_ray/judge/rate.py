"""Holds requests back: so many a minute, and none while the server has asked for a pause."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable


class Pace:
    """One queue for all requests to a server, repetitions included.

    Requests are spread evenly over the minute, since servers count over windows much shorter than that too.
    """

    def __init__(
        self,
        per_minute: float | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        """Start with no request made.

        Args:
            per_minute: Most requests in a minute; None for no limit.
            clock: Seconds from any origin.
            sleep: Waits for some seconds of that clock.
        """
        self._interval = 60.0 / per_minute if per_minute else 0.0
        self._clock, self._sleep = clock, sleep
        self._free_at = clock()

    async def turn(self) -> None:
        """Return when the caller may send one request."""
        while (wait := self._free_at - self._clock()) > 0:
            await self._sleep(wait)
        self._free_at = self._clock() + self._interval

    def pause(self, seconds: float) -> None:
        """Let nobody send before so many seconds from now."""
        self._free_at = max(self._free_at, self._clock() + seconds)
