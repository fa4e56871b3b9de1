"""Requests are spread over the minute and all wait when the server asks for a pause."""

from __future__ import annotations

import asyncio
import heapq

import pytest

from clt_ray.judging.client import Pace


class Time:
    """A clock that advances only while all tasks wait."""

    def __init__(self) -> None:
        self.now = 0.0
        self._waiting: list[tuple[float, int, asyncio.Event]] = []

    def clock(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        event = asyncio.Event()
        heapq.heappush(self._waiting, (self.now + seconds, id(event), event))
        asyncio.get_running_loop().call_soon(self._wake)
        await event.wait()

    def _wake(self) -> None:
        if self._waiting:
            self.now, _, event = heapq.heappop(self._waiting)
            event.set()


def turns(pace: Pace, time: Time, count: int, pause_after: int | None = None, seconds: float = 0.0) -> list[float]:
    """Returns when `count` concurrent requests get their turns, if the server asks for a pause after one of them."""
    taken: list[float] = []

    async def request() -> None:
        await pace.turn()
        taken.append(time.now)
        if len(taken) == pause_after:
            pace.pause(seconds)

    async def all_requests() -> None:
        await asyncio.gather(*(request() for _ in range(count)))

    asyncio.run(all_requests())
    return taken


@pytest.mark.parametrize("per_minute", [1, 30, 600])
def test_requests_are_spread_over_the_minute(per_minute: int) -> None:
    time = Time()
    taken = turns(Pace(per_minute, time.clock, time.sleep), time, 12)
    assert taken == pytest.approx([index * 60 / per_minute for index in range(12)])


def test_without_a_limit_no_request_waits() -> None:
    time = Time()
    assert turns(Pace(None, time.clock, time.sleep), time, 50) == [0.0] * 50


def test_a_pause_delays_all_requests_and_the_spread_continues_after_it() -> None:
    time = Time()
    taken = turns(Pace(60, time.clock, time.sleep), time, 5, pause_after=2, seconds=30)
    assert taken == pytest.approx([0, 1, 31, 32, 33])


def test_a_shorter_pause_does_not_end_a_longer_one() -> None:
    time = Time()
    pace = Pace(None, time.clock, time.sleep)
    pace.pause(20)
    pace.pause(5)
    assert turns(pace, time, 1) == [20.0]
