"""Scores of generated answers during training: the test's own prompts, decoding and scorers, on validation rows.

The rows are the first of every validation set, so they are the same at every step, in every run of a sweep and after
a resume. Greedy decoding draws no random number: training goes on as if nothing had been asked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from clt_ray.data.content import prompt_key
from clt_ray.data.fewshot import exemplars_of
from clt_ray.data.rows import Row
from clt_ray.evaluation.evaluate import Generation, Generator, evaluate
from clt_ray.evaluation.scorers import mean_and_stderr
from clt_ray.sweep.run import RunSpec
from clt_ray.tasks import TaskLanguage

Means = dict[TaskLanguage, dict[str, float]]
"""Task-language pair -> metric -> mean over the rows."""


def answer_scorer(
    run: RunSpec, validation: Mapping[TaskLanguage, Sequence[Row]], tokenizer: Any, generator: Generator
) -> Callable[[Any], Means] | None:
    """What scores a model's answers to some of the validation rows; None when the run asks for no answers.

    Args:
        run: `validation.generate` says how many rows of which tasks.
        validation: Rows per (task, language).
        tokenizer: The model's.
        generator: Decodes greedily.

    Raises:
        DataError: A language has too few worked examples for the prompts.
    """
    generate = run.validation.generate
    if generate is None:
        return None
    tasks = generate.tasks or run.tasks
    scored = {pair: rows for pair, rows in validation.items() if pair[0] in tasks}
    shown = {prompt_key(shot) for shots in exemplars_of(run, scored).values() for shot in shots}
    # A row that a prompt shows as a worked example would be answered by copying it.
    asked = {
        pair: [row for row in rows if prompt_key(row) not in shown][: generate.samples_per_language]
        for pair, rows in scored.items()
    }
    return lambda model: means(evaluate(run, asked, model, tokenizer, generator))


def means(generations: Sequence[Generation]) -> Means:
    """Mean of every metric per task and language."""
    values: dict[TaskLanguage, dict[str, list[float]]] = {}
    for generation in generations:
        by_metric = values.setdefault(TaskLanguage(generation.task, generation.language), {})
        for metric, value in generation.scores.items():
            by_metric.setdefault(metric, []).append(value)
    return {
        pair: {metric: mean_and_stderr(items)[0] for metric, items in by_metric.items()}
        for pair, by_metric in values.items()
    }
