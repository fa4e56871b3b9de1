"""The optimizer steps at which a run logs, validates and saves."""

from dataclasses import dataclass

LONGEST_LOG_INTERVAL_STEPS = 10
"""Most optimizer steps from one log to the next."""


@dataclass(frozen=True)
class Schedule:
    """The plan of one run. Steps are optimizer steps, counted from 1."""

    total_steps: int
    """Steps of the whole run."""
    validate_every: int
    """Steps between two validations; a checkpoint is saved with each validation."""
    generate_every: int | None = None
    """Steps between two validations that also score generated answers, a multiple of `validate_every`; None for no such
    validations."""

    @property
    def log_every(self) -> int:
        """Steps between two logs: the largest divisor of `validate_every` up to 10.

        Every saved step is then a logged step, so a resumed run averages its training loss over the same windows as
        an uninterrupted one.
        """
        longest = min(self.validate_every, LONGEST_LOG_INTERVAL_STEPS)
        return next(n for n in range(longest, 0, -1) if self.validate_every % n == 0)

    def validates_at(self, step: int) -> bool:
        """Returns whether a step validates: every `validate_every` steps, and the last step."""
        return step % self.validate_every == 0 or step == self.total_steps

    def generates_at(self, step: int) -> bool:
        """Returns whether a step also scores generated answers: every `generate_every` steps, and the last step."""
        return self.generate_every is not None and (step % self.generate_every == 0 or step == self.total_steps)

    def planned_validations(self) -> tuple[int, ...]:
        """Returns all steps that validate, ascending."""
        return tuple(step for step in range(1, self.total_steps + 1) if self.validates_at(step))
