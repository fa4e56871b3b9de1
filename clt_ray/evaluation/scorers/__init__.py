"""Scores of one model output against its reference, as plain functions.

Each scorer is `score(prediction, reference, language) -> {metric: value from 0 to 1}`. An empty prediction scores 0;
an item whose reference holds nothing to compare with gets no score at all and enters no mean. Every task also scores
`fidelity`, which needs no reference: whether the output is in the language it should be in.

    from clt_ray.evaluation.scorers import scorer
    scorer("math").score("The answer is 1,250.", "1250", "en")      # {"accuracy": 1.0, "fidelity": 1.0}
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

# By name: once the scorer of that name is loaded, `math` is a module of this package.
from math import fsum, nan, sqrt

ScoreFunction = Callable[[str, str, str], dict[str, float]]


@dataclass(frozen=True)
class Scorer:
    """How the outputs of one task are scored."""

    module: str
    """Name of the module in this package that holds `score`."""
    metrics: tuple[str, ...]
    """Metrics that `score` returns; the first is the task's primary metric and the last is fidelity."""

    @property
    def primary(self) -> str:
        """The metric that stands for the task where only one is shown."""
        return self.metrics[0]

    def score(self, prediction: str, reference: str, language: str) -> dict[str, float]:
        """Metric -> value of one item, from 0 to 1; loads the scorer's libraries at the first call."""
        function: ScoreFunction = importlib.import_module(f"{__name__}.{self.module}").score
        fidelity: Callable[[str, str], dict[str, float]] = importlib.import_module(f"{__name__}.fidelity").score
        return function(prediction, reference, language) | fidelity(prediction, language)


SCORERS = {
    "summarization": Scorer("rouge", ("rougeL", "rouge1", "rouge2", "fidelity")),
    "instruction": Scorer("chrf", ("reference_chrf", "fidelity")),
    "math": Scorer("math", ("accuracy", "fidelity")),
}
"""Task -> scorer."""


def scorer(task: str) -> Scorer:
    """The scorer of a task.

    Raises:
        KeyError: There is no such task.
    """
    return SCORERS[task]


def mean_and_stderr(values: Sequence[float]) -> tuple[float, float]:
    """Mean, and its standard error: the sample standard deviation over the root of the number of values.

    The standard error of a single value is unknown: nan.

    Raises:
        ValueError: No values.
    """
    if not values:
        raise ValueError("the mean of no values is undefined")
    mean = fsum(values) / len(values)
    if len(values) == 1:
        return mean, nan
    variance = fsum((value - mean) ** 2 for value in values) / (len(values) - 1)
    return mean, sqrt(variance / len(values))
