"""What one training is asked to do, in one object: the run, its encoded rows, and what is measured on the way."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from clt_ray.data.formatting import Encoded
from clt_ray.sweep.run import RunSpec
from clt_ray.tasks import TaskLanguage
from clt_ray.training.schedule import Schedule
from clt_ray.training.validation import ScoreAnswers, require_metric


@dataclass(frozen=True)
class TrainingJob:
    """One run with everything that training reads. Where it trains and what it writes to are not part of it.

    Raises:
        RunError: No validation row can give the metric that the checkpoint is chosen by.
    """

    run: RunSpec
    rows: Sequence[Encoded]
    """Training rows in mixture order; batches reorder them."""
    validation: Mapping[TaskLanguage, Sequence[Encoded]]
    """Validation rows of each task-language pair."""
    tokenizer: Any
    """The model's tokenizer, with a padding token; it is saved beside the weights."""
    score_answers: ScoreAnswers | None = None
    """Scores a model's answers to validation rows; needed by runs with `validation.generate`."""

    def __post_init__(self) -> None:
        if self.run.validation.generate is not None and self.score_answers is None:
            raise ValueError(f"{self.run.name} validates generated answers, so the job needs score_answers")
        require_metric(self.run.selection.metric, self.validation, self.run.selection_languages)

    @cached_property
    def schedule(self) -> Schedule:
        """The steps at which the run logs, validates and saves."""
        generate = self.run.validation.generate
        return Schedule(self.run.steps, self.run.training.eval_every, generate.every if generate else None)

    @property
    def pad_id(self) -> int:
        """Id of the padding token."""
        token: int = self.tokenizer.pad_token_id
        return token
