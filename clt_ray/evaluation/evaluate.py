"""Generate on the test rows of every language and score what came out."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from clt_ray.data.fewshot import cut_continuation, exemplars_of
from clt_ray.data.formatting import encode_prompt
from clt_ray.data.rows import Row
from clt_ray.evaluation.scorers import mean_and_stderr, scorer
from clt_ray.sweep.run import RunSpec
from clt_ray.tasks import TaskLanguage


class Generator(Protocol):
    """What evaluation needs of a training backend."""

    def generate(
        self,
        model: Any,
        tokenizer: Any,
        prompts: Sequence[Sequence[int]],
        max_new_tokens: int,
        batch_size: int,
    ) -> list[list[int]]: ...


@dataclass(frozen=True)
class Generation:
    """One test row and what the model made of it."""

    id: str
    task: str
    language: str
    prompt: str
    reference: str
    output: str
    output_tokens: int
    """Length of the output before it was cut to the answer, without the token that ended it."""
    scores: Mapping[str, float]
    """Metric -> score of this item; fractions from 0 to 1."""


@dataclass(frozen=True)
class Score:
    """One row of scores.csv: a metric of a run in one task and language."""

    run_id: str
    model: str
    setting: str
    task: str
    language_group: str
    train_languages: str
    samples_per_language: int
    seed: int
    eval_language: str
    metric: str
    score: float
    stderr: float
    n_items: int


def evaluate(
    run: RunSpec, test: Mapping[TaskLanguage, Sequence[Row]], model: Any, tokenizer: Any, generator: Generator
) -> list[Generation]:
    """Greedy outputs for all test rows, scored one by one.

    All languages of a task are decoded together: rows of like length share batches whatever their language.
    """
    generations: list[Generation] = []
    shots = exemplars_of(run, test)
    for task in run.tasks:
        rows = [row for pair, pair_rows in test.items() if pair[0] == task for row in pair_rows]
        # A prompt may not crowd out the tokens that the answer needs.
        room = run.training.max_length
        # Cutting would take whole exemplars out; `fewshot.check_prompts` has made sure that they fit the model.
        shown = [shots[TaskLanguage(task, row.language)] for row in rows]
        prompts = [
            encode_prompt(row, tokenizer, None if few else room, shots=few)
            for row, few in zip(rows, shown, strict=True)
        ]
        tokens = generator.generate(
            model, tokenizer, prompts, run.evaluation.tokens_for(task), run.evaluation.batch_size
        )
        score = scorer(task)
        for row, few, output in zip(rows, shown, tokens, strict=True):
            text = tokenizer.decode(output, skip_special_tokens=True).strip()
            if few:
                text = cut_continuation(text, row.language, task)
            generations.append(
                Generation(
                    row.id, task, row.language, row.prompt, row.completion, text, len(output),
                    score(text, row.completion, row.language),
                )
            )  # fmt: skip
    return generations


def summarise(run: RunSpec, generations: Sequence[Generation]) -> list[Score]:
    """Mean and standard error of every metric per task and language."""
    values: dict[tuple[str, str, str], list[float]] = {}
    for generation in generations:
        for metric, value in generation.scores.items():
            values.setdefault((generation.task, generation.language, metric), []).append(value)
    scores = []
    for (task, language, metric), items in values.items():
        mean, stderr = mean_and_stderr(items)
        scores.append(
            Score(
                run_id=run.run_id,
                model=run.model.name,
                setting=run.setting,
                task=task,
                language_group=run.language_group,
                train_languages="+".join(run.train_languages),
                samples_per_language=run.samples_per_language,
                seed=run.seed,
                eval_language=language,
                metric=metric,
                score=mean,
                stderr=stderr,
                n_items=len(items),
            )
        )
    return scores


def generations_jsonl(generations: Sequence[Generation]) -> str:
    return "".join(json.dumps(asdict(generation), ensure_ascii=False) + "\n" for generation in generations)
