"""Scores generated answers during training: validation rows with the prompts, decoding and scorers of the test.

The rows are the first ones of every validation set, so they are the same at every step, in every run of a sweep and
after a resume. Greedy decoding draws no random numbers, so that training continues as without it.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from clt_ray.data.fewshot import exemplars_of
from clt_ray.data.rows import Row
from clt_ray.data.sampling import prompt_key
from clt_ray.evaluation.evaluate import Generation, Generator, evaluate
from clt_ray.evaluation.scorers import mean_and_stderr
from clt_ray.sweep.run import RunSpec
from clt_ray.tasks import TaskLanguage

Means = dict[TaskLanguage, dict[str, float]]
"""Task and language -> metric -> mean over the rows."""


def answer_scorer(
    run: RunSpec, validation: Mapping[TaskLanguage, Sequence[Row]], tokenizer: Any, generator: Generator
) -> Callable[[Any], Means] | None:
    """Returns a function that scores a model's answers to some validation rows.

    Returns:
        A function from a model to means by task and language; None when the run generates no answers.

    Raises:
        DataError: A language has too few worked examples for the prompts.
    """
    generate = run.validation.generate
    if generate is None:
        return None
    tasks = generate.tasks or run.tasks
    scored = {pair: rows for pair, rows in validation.items() if pair[0] in tasks}
    shown = {prompt_key(shot) for shots in exemplars_of(run, scored).values() for shot in shots}
    # A model could copy the answer to a row that its prompt shows as a worked example.
    answered = {
        pair: [row for row in rows if prompt_key(row) not in shown][: generate.samples_per_language]
        for pair, rows in scored.items()
    }
    return lambda model: means(evaluate(run, answered, model, tokenizer, generator))


def means(generations: Sequence[Generation]) -> Means:
    """Returns the mean of every metric by task and language."""
    values: dict[TaskLanguage, dict[str, list[float]]] = {}
    for generation in generations:
        by_metric = values.setdefault(TaskLanguage(generation.task, generation.language), {})
        for metric, value in generation.scores.items():
            by_metric.setdefault(metric, []).append(value)
    return {
        pair: {metric: mean_and_stderr(items)[0] for metric, items in by_metric.items()}
        for pair, by_metric in values.items()
    }
