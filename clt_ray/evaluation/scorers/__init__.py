"""Scores of one model output against its reference, as plain functions.

The scorer of a task is `score(prediction, reference, language) -> {metric: value}`, named by the task's declaration.
An empty prediction scores 0; an item whose reference holds nothing to compare with gets no value and enters no mean.
Every task also scores `fidelity`, which needs no reference: whether the output is in the language it should be in.

    from clt_ray.evaluation.scorers import scorer
    scorer("math")("The answer is 1,250.", "1250", "en")      # {"accuracy": 1.0, "fidelity": 1.0}
"""

import functools
from collections.abc import Mapping, Sequence

# By name: once the scorer of that name is loaded, `math` is a module of this package.
from math import fsum, nan, sqrt

from clt_ray.errors import RunError
from clt_ray.plugins import resolved
from clt_ray.scorers import SCORERS, ItemScorer
from clt_ray.tasks import TASKS, Metric, ScoreFunction


@functools.cache
def scorer(task: str, further: tuple[str, ...] = ()) -> ScoreFunction:
    """Returns the function that scores an output of a task: by its own scorer, by further ones, and for fidelity.

    Further scorers of other tasks, and those of checkpoints, are ignored.

    Raises:
        UnknownNameError: No installed package declares the task or a scorer.
    """
    from clt_ray.evaluation.scorers import fidelity

    declaration = TASKS.require(task)
    functions = [_checked(declaration.scorer, declaration.metrics, f"the scorer of the task {task}")]
    for name in further:
        extra = SCORERS.require(name)
        if isinstance(extra, ItemScorer) and (extra.tasks is None or task in extra.tasks):
            functions.append(_checked(extra.score, extra.metrics, f"the scorer {name}"))

    def score(prediction: str, reference: str, language: str) -> dict[str, float]:
        values: dict[str, float] = {}
        for function in functions:
            values.update(function(prediction, reference, language))
        return {**values, **fidelity.score(prediction, language)}

    return score


def _checked(function: ScoreFunction | str, metrics: Sequence[Metric], what: str) -> ScoreFunction:
    score_one: ScoreFunction = resolved(function)
    declared = {metric.name for metric in metrics}

    def score(prediction: str, reference: str, language: str) -> Mapping[str, float]:
        values = score_one(prediction, reference, language)
        if not declared.issuperset(values):
            undeclared = ", ".join(sorted(set(values) - declared))
            raise RunError(f"{what} returned {undeclared}; it declares {', '.join(sorted(declared))}")
        return values

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
