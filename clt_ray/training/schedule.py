"""The steps at which a run logs, validates and saves."""

from __future__ import annotations

from dataclasses import dataclass

LONGEST_LOG_INTERVAL_STEPS = 10


@dataclass(frozen=True)
class Schedule:
    """Steps are optimizer steps, counted from 1."""

    total_steps: int
    validate_every: int
    generate_every: int | None = None
    """Steps between validations that also score generated answers, a multiple of `validate_every`; None is never."""

    @property
    def log_every(self) -> int:
        """Largest divisor of `validate_every` up to 10.

        Every saved step is then a logged step, so a resumed run averages its training loss over the same
        windows as an unbroken one.
        """
        longest = min(self.validate_every, LONGEST_LOG_INTERVAL_STEPS)
        return next(n for n in range(longest, 0, -1) if self.validate_every % n == 0)

    def validates_at(self, step: int) -> bool:
        """Every `validate_every` steps, and at the end."""
        return step % self.validate_every == 0 or step == self.total_steps

    def generates_at(self, step: int) -> bool:
        """Every `generate_every` steps, and at the end."""
        return self.generate_every is not None and (step % self.generate_every == 0 or step == self.total_steps)

    def planned_validations(self) -> tuple[int, ...]:
        return tuple(step for step in range(1, self.total_steps + 1) if self.validates_at(step))
