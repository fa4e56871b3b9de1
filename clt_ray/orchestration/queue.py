"""Decides which run of a sweep starts next.

The queue knows what waits, what has started and what has ended. It knows the cluster only through `Limits`, which come
with each request for a run, so it needs no Ray and decides the same on a laptop and on an autoscaled cluster.

    waiting --next--> pending (asks the cluster for its place) --started--> running --ended--> ended
       |                |                                            |
       |                +-- another acceptable hardware is free,     +-- the driver process died: waiting again
       |                    or this one does not come: waiting again
       +-- skipped by the order, or beyond the chip-hours
"""

import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Protocol

from clt_ray.sweep.cost import SECONDS_PER_HOUR, chip_hours, training_tokens
from clt_ray.sweep.run import RunSpec
from clt_ray.sweep.sections import HardwareSpec

Clock = Callable[[], float]

PATIENCE_SECONDS = 900.0
"""Time after which a run asks for the next hardware that it may execute on; a slice takes minutes to start."""
SETTLING_SECONDS = 5.0
"""Time that a run has to get a place that was free when it asked."""


class RunOrder(Protocol):
    """Chooses which run is executed next."""

    def next(self, waiting: Sequence[RunSpec]) -> RunSpec | None:
        """Returns one of the waiting runs, or None when none of them should be executed."""

    def ended(self, run_id: str) -> None:
        """Is notified that a run which `next` returned has finished or failed."""


@dataclass(frozen=True)
class Limits:
    """How many runs with one hardware the cluster can take at present."""

    pending: int
    """Most runs that may ask for a place at the same time."""
    live: int | None = None
    """Most runs that may ask for a place or train; None where the number of pending runs limits them enough."""
    free: int = 0
    """Number of runs that fit on what nobody uses."""


@dataclass(frozen=True)
class Live:
    """A run that asks for a place or trains."""

    run: RunSpec
    """The run on the hardware for which it asks, or that it trains on."""
    since: float
    """When it began to ask for this hardware or to train, in seconds of the queue's clock."""
    asked: float
    """When it began to ask for its first hardware, in seconds of the queue's clock."""
    reserving: bool = False
    """Whether its driver has a place and reserves a slice."""
    training: bool = False


def pool(hardware: HardwareSpec) -> str:
    """Returns the name of all runs with this hardware, which take each other's places."""
    return hardware.model_dump_json()


class RunQueue:
    """The runs that a call of `clt-ray run` executes."""

    def __init__(
        self,
        runs: Sequence[RunSpec],
        order: RunOrder | None = None,
        max_concurrent: int | None = None,
        max_chip_hours: float | None = None,
        clock: Clock = time.monotonic,
    ) -> None:
        """
        Args:
            runs: The runs to execute, in the order in which they start where `order` does not choose.
            order: Chooses among waiting runs.
            max_concurrent: Most runs that may be pending or running at a time, over all hardware.
            max_chip_hours: Most chip-hours to spend. A run starts only while the chip-hours of the runs that have ended
                here, those of the live runs and its own estimate stay below.
            clock: Seconds.
        """
        self.waiting = {run.run_id: run for run in runs}
        """Runs that have not asked for a place yet, by run id."""
        self.live: dict[str, Live] = {}
        """Pending and running runs by run id."""
        self.ended_as: dict[str, str] = {}
        """Outcome of each run that has ended, by run id."""
        self.unaffordable: dict[str, str] = {}
        """Runs that were left out because of `max_chip_hours`, by run id, each with the reason."""
        self.stopping = False
        """Set to start no further run."""
        self._order, self._max_concurrent, self._max_chip_hours = order, max_concurrent, max_chip_hours
        self._clock = clock
        self._spent: defaultdict[str, float] = defaultdict(float)
        """Chip-hours of each run that has had a place, by run id."""
        self._exhausted = False
        self._original = dict(self.waiting)
        self._withdrawn: dict[str, Live] = {}
        """The last request of each run that asked for a hardware without getting it."""

    @property
    def done(self) -> bool:
        """Whether no further run will start."""
        return self.stopping or self._exhausted or not self.waiting

    def next(self, limits: Mapping[str, Limits]) -> RunSpec | None:
        """Returns the run that asks for a place now, or None when none can at present; see `done`.

        `limits` has the pools in which the cluster can take runs; see `pool`.
        """
        if self.done or len(self.live) >= (self._max_concurrent or len(self.live) + 1):
            return None
        kinds = self._kinds(limits)
        candidates = [self.waiting[run_id] for run_id in kinds]
        everything = len(candidates) == len(self.waiting)
        while candidates:
            chosen = self._order.next(candidates) if self._order else candidates[0]
            if chosen is None:
                self._exhausted = everything
                return None
            placed = chosen.placements[kinds[chosen.run_id]]
            excess = self._excess(placed)
            if excess is None:
                del self.waiting[chosen.run_id]
                now, before = self._clock(), self._withdrawn.get(chosen.run_id)
                self.live[chosen.run_id] = Live(placed, now, before.asked if before else now)
                return placed
            if self.live:
                # The runs under way may take less than was estimated for them.
                return None
            self.unaffordable[chosen.run_id] = excess
            del self.waiting[chosen.run_id]
            candidates.remove(chosen)
        return None

    def movable(self, limits: Mapping[str, Limits]) -> Live | None:
        """Returns a pending run that another hardware would take now; see `withdraw`."""
        for live in self.live.values():
            run, waited = live.run, self.seconds_of(live)
            if live.training or live.reserving or not run.other_hardware or waited < SETTLING_SECONDS:
                continue
            others = [other for other in run.placements[1:] if self._has_room(other, limits)]
            if any(self._is_free(other, limits) for other in others) or (others and waited > PATIENCE_SECONDS):
                return live
        return None

    def withdraw(self, run_id: str) -> None:
        """Lets a live run wait again, first in line, which its hardware did not take; it asks for the next one then."""
        live = self.live.pop(run_id)
        self._spent[run_id] += self._used(live)
        self._withdrawn[run_id] = live
        self.waiting = {run_id: self._original[run_id]} | self.waiting

    def reserves(self, run_id: str) -> None:
        """Notes that the driver of a pending run has its place, and reserves a slice."""
        if run_id in self.live:
            self.live[run_id] = replace(self.live[run_id], reserving=True)

    def started(self, run_id: str) -> None:
        """Notes that a pending run has its place."""
        if run_id in self.live:
            self.live[run_id] = replace(self.live[run_id], since=self._clock(), training=True)

    def ended(self, run_id: str, outcome: str) -> None:
        """Notes how a live run has ended."""
        live = self.live.pop(run_id, None)
        if live is None:
            return
        self.ended_as[run_id] = outcome
        self._spent[run_id] += self._used(live)
        if self._order:
            self._order.ended(run_id)

    def put_back(self) -> list[RunSpec]:
        """Lets all live runs wait again, first in line, because their processes are gone; returns them."""
        for run_id, live in self.live.items():
            self._spent[run_id] += self._used(live)
        self.waiting = {run_id: self._original[run_id] for run_id in self.live} | self.waiting
        lost, self.live = [live.run for live in self.live.values()], {}
        return lost

    def chip_hours(self) -> float:
        """Returns the chip-hours that runs have used until now."""
        return sum(self._spent.values()) + sum(self._used(live) for live in self.live.values())

    def seconds_of(self, live: Live) -> float:
        """Returns how long a run has been asking for its place on this hardware, or training, in seconds."""
        return self._clock() - live.since

    def waited(self, live: Live) -> float:
        """Returns how long ago a run began to ask for a place on the first of its hardware, in seconds."""
        return self._clock() - live.asked

    def _kinds(self, limits: Mapping[str, Limits]) -> dict[str, int]:
        """The hardware (index into `RunSpec.placements`) for which each waiting run may ask now, by run id."""
        known: dict[tuple[int, int], int | None] = {}
        kinds = {}
        for run_id, run in self.waiting.items():
            # Thousands of runs share their sections.
            key = id(run.hardware), id(run.other_hardware)
            if run_id in self._withdrawn:
                kinds[run_id] = self._kind(run, limits)
            else:
                if key not in known:
                    known[key] = self._kind(run, limits)
                kinds[run_id] = known[key]
        return {run_id: kind for run_id, kind in kinds.items() if kind is not None}

    def _kind(self, run: RunSpec, limits: Mapping[str, Limits]) -> int | None:
        """The first hardware that is free, else the first that may be asked for; None where none may."""
        hardware: list[HardwareSpec] = [place.hardware for place in run.placements]
        before = self._withdrawn.get(run.run_id)
        tried = hardware.index(before.run.hardware) + 1 if before else 0
        turns: list[int] = [*range(tried, len(hardware)), *range(tried)]
        roomy: list[int] = [turn for turn in turns if self._has_room(run.placements[turn], limits)]
        for turn in roomy:
            if self._is_free(run.placements[turn], limits):
                return turn
        for turn in turns:
            if turn in roomy:
                return turn
            # A cluster that grows is asked for the next hardware only when the one before does not come.
            waiting = [self.seconds_of(live) for live in self._same(hardware[turn]) if not live.training]
            if pool(hardware[turn]) in limits and max(waiting, default=0.0) <= PATIENCE_SECONDS:
                return None
        return None

    def _is_free(self, run: RunSpec, limits: Mapping[str, Limits]) -> bool:
        """Whether a place is free beside those for which pending runs ask."""
        return limits[pool(run.hardware)].free > sum(not live.training for live in self._same(run.hardware))

    def _same(self, hardware: HardwareSpec) -> list[Live]:
        return [live for live in self.live.values() if live.run.hardware == hardware]

    def _has_room(self, run: RunSpec, limits: Mapping[str, Limits]) -> bool:
        limit = limits.get(pool(run.hardware))
        same = self._same(run.hardware)
        if limit is None or (limit.live is not None and len(same) >= limit.live):
            return False
        return sum(not live.training for live in same) < limit.pending

    def _used(self, live: Live) -> float:
        seconds = self.seconds_of(live) if live.training else 0.0
        return chips(live.run) * seconds / SECONDS_PER_HOUR

    def _excess(self, run: RunSpec) -> str | None:
        """Why the run does not fit into the chip-hours; None where it does."""
        if self._max_chip_hours is None:
            return None
        needed = self._estimate(run)
        used = sum(self._spent.values())
        used += sum(max(self._used(live), self._estimate(live.run)) for live in self.live.values())
        if used + needed <= self._max_chip_hours:
            return None
        return f"would pass --max-chip-hours {self._max_chip_hours:g}: {used:.2f} used, and it needs about {needed:.2f}"

    def _estimate(self, run: RunSpec) -> float:
        """The chip-hours of a run: planned, or else the mean of the ended runs with its hardware, or else 0."""
        planned = chip_hours(run, training_tokens(run))
        return planned if planned is not None else fmean(self._spent.values() or [0.0])


def chips(run: RunSpec) -> int:
    """Returns the number of chips that a run occupies; on CPUs each worker counts as a chip."""
    return run.hardware.chips or run.hardware.workers
