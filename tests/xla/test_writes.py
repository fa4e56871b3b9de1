"""One write at a time, in the background, with no failure lost."""

from __future__ import annotations

import logging
import threading
from functools import partial

import pytest

from clt_ray.training.backends.xla.writes import Writes


def fail() -> None:
    raise OSError("disk full")


def test_a_write_runs_beside_its_caller_and_is_waited_for_at_the_end() -> None:
    go_on, done = threading.Event(), []
    with Writes() as writes:
        writes.start(lambda: done.append(go_on.wait(60)))
        writes.check()
        assert not done
        go_on.set()
    assert done == [True]


def test_waiting_makes_room_for_the_next_write() -> None:
    done: list[int] = []
    with Writes() as writes:
        for number in range(3):
            writes.wait()
            assert done == list(range(number))
            writes.start(partial(done.append, number))
    assert done == [0, 1, 2]


def test_a_failure_is_raised_by_the_next_wait_and_only_once() -> None:
    with Writes() as writes:
        writes.start(fail)
        with pytest.raises(OSError, match="disk full"):
            writes.wait()
        writes.wait()


def test_a_failure_is_raised_by_a_check_after_the_write_has_ended() -> None:
    with Writes() as writes:
        ended = threading.Event()
        writes.start(fail)
        assert writes._pending is not None
        writes._pending.add_done_callback(lambda _: ended.set())
        assert ended.wait(60)
        with pytest.raises(OSError, match="disk full"):
            writes.check()


def test_a_failure_is_raised_at_the_end() -> None:
    with pytest.raises(OSError, match="disk full"), Writes() as writes:
        writes.start(fail)


def test_what_ended_training_comes_first_and_the_lost_write_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR), pytest.raises(ValueError, match="training"), Writes() as writes:
        writes.start(fail)
        raise ValueError("training")
    assert "is lost" in caplog.text and "disk full" in caplog.text


def test_ending_early_still_finishes_the_write() -> None:
    done: list[bool] = []
    go_on = threading.Event()
    with pytest.raises(ValueError, match="training"), Writes() as writes:
        writes.start(lambda: done.append(go_on.wait(60)))
        go_on.set()
        raise ValueError("training")
    assert done == [True]
