"""Scores of one model output against its reference, as plain functions.

The scorer of a task is `score(prediction, reference, language) -> {metric: value}`, named by the task's declaration.
An empty prediction scores 0; an item whose reference holds nothing to compare with gets no value and enters no mean.
Every task also scores `fidelity`, which needs no reference: whether the output is in the language it should be in.

    from clt_ray.evaluation.scorers import scorer
    scorer("math")("The answer is 1,250.", "1250", "en")      # {"accuracy": 1.0, "fidelity": 1.0}
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

# By name: once the scorer of that name is loaded, `math` is a module of this package.
from math import fsum, nan, sqrt

from clt_ray.errors import RunError
from clt_ray.plugins import resolved
from clt_ray.tasks import ScoreFunction, task_of


@functools.cache
def scorer(task: str) -> ScoreFunction:
    """Returns the function that scores an output of a task, language fidelity included.

    Raises:
        UnknownTaskError: No installed package declares the task.
    """
    declaration = task_of(task)
    function: ScoreFunction = resolved(declaration.scorer)
    declared = {metric.name for metric in declaration.metrics}
    from clt_ray.evaluation.scorers import fidelity

    def score(prediction: str, reference: str, language: str) -> dict[str, float]:
        values = function(prediction, reference, language)
        if not declared.issuperset(values):
            undeclared = ", ".join(sorted(set(values) - declared))
            raise RunError(f"the scorer of {task} returned {undeclared}, which the task does not declare in `metrics`")
        return {**values, **fidelity.score(prediction, language)}

    return score


def mean_and_stderr(values: Sequence[float]) -> tuple[float, float]:
    """Returns the mean and its standard error: the sample standard deviation over the root of the number of values.

    The standard error of a single value is unknown: nan.

    Raises:
        ValueError: There are no values.
    """
    if not values:
        raise ValueError("the mean of no values is undefined")
    mean = fsum(values) / len(values)
    if len(values) == 1:
        return mean, nan
    variance = fsum((value - mean) ** 2 for value in values) / (len(values) - 1)
    return mean, sqrt(variance / len(values))
