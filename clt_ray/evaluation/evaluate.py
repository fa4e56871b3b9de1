"""Generates answers to the test rows of every language, scores them, and composes the files that a run leaves.

generations/math.es.jsonl    one answer per line, with its prompt, reference and scores
items.csv                    one score of one item per row
scores.csv                   one mean score per row, in the columns that all analysis reads
"""

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Protocol

from clt_ray.data.fewshot import cut_continuation, exemplars_of
from clt_ray.data.formatting import encode_prompt
from clt_ray.data.rows import Row
from clt_ray.data.sampling import prompt_key
from clt_ray.errors import RunError
from clt_ray.evaluation.scorers import mean_and_stderr, scorer
from clt_ray.plugins import resolved
from clt_ray.scorers import SCORERS, CheckpointScore, CheckpointScorer
from clt_ray.sweep.run import RunSpec
from clt_ray.tasks import TaskLanguage

Means = dict[TaskLanguage, dict[str, float]]
"""Task and language -> metric -> mean over the rows."""


class Generator(Protocol):
    """The part of a training backend that evaluation uses."""

    def generate(
        self, model: Any, tokenizer: Any, prompts: Sequence[Sequence[int]], max_new_tokens: int, batch_size: int
    ) -> list[list[int]]: ...


@dataclass(frozen=True)
class Generation:
    """One test row with the output of the model and its scores."""

    id: str
    task: str
    language: str
    prompt: str
    reference: str
    output: str
    output_tokens: int
    """Number of tokens of the output before it was cut to the answer, without the end token."""
    scores: Mapping[str, float]
    """Metric -> score of this item, in the range that the metric declares."""


@dataclass(frozen=True)
class Score:
    """One row of scores.csv: a metric of a run in one task and language, as a mean over items."""

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


ITEM_COLUMNS = ("run_id", "task", "eval_language", "metric", "item_id", "score")
SCORE_COLUMNS = tuple(field.name for field in fields(Score))


def evaluate(
    run: RunSpec,
    test: Mapping[TaskLanguage, Sequence[Row]],
    model: Any,
    tokenizer: Any,
    generator: Generator,
    *,
    scorers: Sequence[str] = (),
) -> list[Generation]:
    """Generates greedily on rows and scores the outputs one by one, also by the further `scorers` of single outputs.

    All languages of a task are decoded together: rows of similar length share batches whatever their language.
    """
    generations: list[Generation] = []
    shots = exemplars_of(run, test)
    for task in run.tasks:
        rows = [row for pair, pair_rows in test.items() if pair[0] == task for row in pair_rows]
        # A prompt may not crowd out the tokens that the answer needs.
        room = run.training.max_length
        # Prompts with examples are not cut: `fewshot.check_prompts` has made sure that they fit the model.
        row_shots = [shots[TaskLanguage(task, row.language)] for row in rows]
        prompts = [
            encode_prompt(row, tokenizer, None if examples else room, shots=examples)
            for row, examples in zip(rows, row_shots, strict=True)
        ]
        outputs = generator.generate(
            model, tokenizer, prompts, run.evaluation.tokens_for(task), run.evaluation.batch_size
        )
        score = scorer(task, tuple(scorers))
        for row, examples, tokens in zip(rows, row_shots, outputs, strict=True):
            text = tokenizer.decode(tokens, skip_special_tokens=True).strip()
            if examples:
                text = cut_continuation(text, row.language, task)
            scores = score(text, row.completion, row.language)
            texts = (row.prompt, row.completion, text)
            generations.append(Generation(row.id, task, row.language, *texts, len(tokens), scores))
    return generations


def summarise(run: RunSpec, generations: Sequence[Generation]) -> list[Score]:
    """Returns the mean and standard error of every metric per task and language."""
    return [score_row(run, *place, mean_and_stderr(items), len(items)) for place, items in _values(generations).items()]


def score_row(
    run: RunSpec, task: str, language: str, metric: str, mean_and_error: tuple[float, float], n_items: int
) -> Score:
    """Returns a score of a run as a row of scores.csv."""
    languages = "+".join(run.train_languages)
    design = (run.language_group, languages, run.samples_per_language, run.seed)
    return Score(run.run_id, run.model.name, run.setting, task, *design, language, metric, *mean_and_error, n_items)


def evaluation_files(run: RunSpec, generations: Sequence[Generation], scores: Sequence[Score]) -> dict[str, str]:
    """Returns the content of every file by its name in the run directory, in the order of writing."""
    answers: dict[TaskLanguage, list[Generation]] = {}
    for generation in generations:
        answers.setdefault(TaskLanguage(generation.task, generation.language), []).append(generation)
    files = {
        f"generations/{pair.task}.{pair.language}.jsonl": generations_jsonl(of_pair)
        for pair, of_pair in answers.items()
    }
    items = [
        (run.run_id, item.task, item.language, metric, item.id, value)
        for item in generations
        for metric, value in item.scores.items()
    ]
    rows = [tuple(asdict(score).values()) for score in scores]
    return files | {"items.csv": csv_text(ITEM_COLUMNS, items), "scores.csv": csv_text(SCORE_COLUMNS, rows)}


def csv_text(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Returns CSV text; floats have the shortest form that reads back as the same number."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return buffer.getvalue()


def generations_jsonl(generations: Sequence[Generation]) -> str:
    """Returns the generations as JSON lines."""
    return "".join(json.dumps(asdict(generation), ensure_ascii=False) + "\n" for generation in generations)


def answer_scorer(
    run: RunSpec, validation: Mapping[TaskLanguage, Sequence[Row]], tokenizer: Any, generator: Generator
) -> Callable[[Any], Means] | None:
    """Returns a function from a model to the mean scores of its answers; None when the run generates none in training.

    The rows are the first ones of every validation set, so they are the same at every step, in every run of a sweep
    and after a resume. Greedy decoding draws no random numbers, so that training continues as without it.

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
    result: Means = {}
    for (task, language, metric), values in _values(generations).items():
        result.setdefault(TaskLanguage(task, language), {})[metric] = mean_and_stderr(values)[0]
    return result


def checkpoint_scores(run: RunSpec, directory: Path, scores: Sequence[Score]) -> list[Score]:
    """Returns the rows that the checkpoint scorers of a run add to its scores, for the checkpoint in `directory`.

    Raises:
        RunError: A scorer returned a metric that it does not declare, a value outside its range, or a row that exists.
    """
    added: list[Score] = []
    taken = {(score.task, score.eval_language, score.metric) for score in scores}
    for name in run.evaluation.scorers:
        scorer = SCORERS.require(name)
        if not isinstance(scorer, CheckpointScorer):
            continue
        for measured in resolved(scorer.score)(directory, run):
            place = (measured.task, measured.language, measured.metric)
            problem = _problem(scorer, measured) or ("is there already" if place in taken else None)
            if problem:
                raise RunError(f"scorer {name}: {'/'.join(place)} = {measured.score}: {problem}")
            taken.add(place)
            added.append(score_row(run, *place, (measured.score, measured.stderr), measured.n_items))
    return added


def _problem(scorer: CheckpointScorer, measured: CheckpointScore) -> str | None:
    declared = {metric.name: metric for metric in scorer.metrics}
    metric = declared.get(measured.metric)
    if metric is None:
        return f"the scorer declares no such metric; it declares {', '.join(declared)}"
    if not metric.low <= measured.score <= metric.high:
        return f"is outside the declared range from {metric.low:g} to {metric.high:g}"
    return None


def _values(generations: Sequence[Generation]) -> dict[tuple[str, str, str], list[float]]:
    """Returns (task, language, metric) -> scores of the items."""
    values: dict[tuple[str, str, str], list[float]] = {}
    for generation in generations:
        for metric, value in generation.scores.items():
            values.setdefault((generation.task, generation.language, metric), []).append(value)
    return values
