"""Worked examples before a test prompt, in the language of the test: earlier turns of a chat, or paragraphs like these.

    Question: Roger has 5 tennis balls. ...          an exemplar: prompt and worked answer, as in training
    Answer: Roger started with 5 balls. ... The answer is 11.

    Question: Janet's ducks lay 16 eggs per day. ...
    Answer:

Exemplars are the first rows of a source's `exemplars` split (`<root>/<task>/exemplars/<language>.jsonl` of a local
root). Where a source has none in a language, the first training rows are used, without questions of the test split.
Exemplars are the same for every test row, run and seed.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from clt_ray.data.formatting import SHOT_SEPARATOR, encode_prompt
from clt_ray.data.rows import Row
from clt_ray.data.sampling import prompt_key
from clt_ray.data.sources import describe, load_rows
from clt_ray.data.templates import FALLBACK_LANGUAGE, placeholder, prompt_template
from clt_ray.errors import DataError
from clt_ray.sweep.run import RunSpec
from clt_ray.sweep.sections import DataSource
from clt_ray.tasks import TASKS, TaskLanguage

SPLIT = "exemplars"
_LABEL = re.compile(r"\s*([^\n:：]{1,40}[:：])\s*")


def exemplars(source: DataSource, task: str, language: str, count: int) -> tuple[Row, ...]:
    """Returns `count` worked examples of a language; raises `DataError` if the source has fewer."""
    if count == 0:
        return ()
    rows = list(load_rows(source, task, language, SPLIT).rows)
    if source.dataset:
        rows = _without_labels(rows, task, language)
    rows = rows or _from_training(source, task, language, count)
    if len(rows) < count:
        raise DataError(
            f"{describe(source)}: {task}/{SPLIT}/{language}: {count} worked examples are needed and {len(rows)} are "
            f"there\n    {_remedy(source, task, language)}, or set evaluation.shots to {{{task}: {len(rows)}}}"
        )
    return tuple(rows[:count])


def exemplars_of(run: RunSpec, pairs: Iterable[TaskLanguage]) -> dict[TaskLanguage, tuple[Row, ...]]:
    """Returns a run's worked examples for each pair in which it is tested; raises `DataError` if there are too few."""
    return {
        TaskLanguage(task, code): exemplars(run.data[task], task, code, run.evaluation.shots_for(task, run.data[task]))
        for task, code in pairs
    }


def check_prompts(
    run: RunSpec, test: Mapping[TaskLanguage, Sequence[Row]], tokenizer: Any, context_tokens: int | None
) -> None:
    """Refuses a run whose test prompts with exemplars leave no room for an answer, before it is trained.

    A prompt without exemplars is cut to fit instead (`formatting.encode_prompt`). A prompt with exemplars would lose
    some of them, or a part of one, and would measure something else in the languages that a tokenizer splits most.
    A model whose `context_tokens` is None can attend to any number of tokens.

    Raises:
        DataError: A prompt is too long, or exemplars are missing; the message has the longest prompt per language.
    """
    problems = []
    for pair, shots in exemplars_of(run, test).items():
        room = None if context_tokens is None else context_tokens - run.evaluation.tokens_for(pair.task)
        if not shots or room is None:
            continue
        longest = max(len(encode_prompt(row, tokenizer, shots=shots)) for row in test[pair])
        if longest > room:
            problems.append(
                f"{'/'.join(pair)}: a test prompt with {len(shots)} exemplars has {longest:,} tokens; of the model's "
                f"{context_tokens:,}, evaluation.max_new_tokens leaves {room:,}"
            )
    if problems:
        remedy = "\n    lower evaluation.shots or evaluation.max_new_tokens"
        raise DataError("\n".join(problems) + remedy)


def cut_continuation(text: str, language: str, task: str) -> str:
    """Returns a model's answer without the further examples that the model invents after it.

    >>> cut_continuation("5 + 6 = 11. The answer is 11.\\n\\nQuestion: Olivia has $23. ...", "en", "math")
    '5 + 6 = 11. The answer is 11.'

    The text is cut at the first line that opens a prompt of the task, in the language or in English, unless the text
    begins with it; at the blank line between exemplars where prompts of the task open with the row's own text.
    """
    templates = [prompt_template(task, code) for code in (language, FALLBACK_LANGUAGE)]
    openings = filter(None, (text.partition(placeholder(task))[0].strip() for text in templates))
    pattern = "|".join(rf"\n\s*{re.escape(opening)}" for opening in openings) or re.escape(SHOT_SEPARATOR)
    body = text.lstrip()
    match = re.search(pattern, body)
    return body[: match.start()].rstrip() if match else body.rstrip()


def _from_training(source: DataSource, task: str, language: str, count: int) -> list[Row]:
    test_prompts = {prompt_key(row) for row in load_rows(source, task, language, "test").rows}
    by_prompt: dict[bytes, Row] = {}
    for row in load_rows(source, task, language, "train").rows:
        if len(by_prompt) == count:
            break
        if (key := prompt_key(row)) not in test_prompts:
            by_prompt.setdefault(key, row)
    return list(by_prompt.values())


def _without_labels(rows: Sequence[Row], task: str, language: str) -> list[Row]:
    """Removes words with which all texts begin, such as MGSM's "Question:", which the template has itself.

    Rows of local files are not changed, since their training rows may begin in the same way.
    """
    before, _, after = prompt_template(task, language).partition(placeholder(task))
    texts = _stripped([row.prompt.removeprefix(before).removesuffix(after) for row in rows])
    completions = _stripped([row.completion for row in rows])
    return [
        replace(row, prompt=before + text + after, completion=completion)
        for row, text, completion in zip(rows, texts, completions, strict=True)
    ]


def _stripped(texts: Sequence[str]) -> list[str]:
    """Removes a label of at most 40 characters and a colon with which each of several texts begins."""
    matches = [_LABEL.match(text) for text in texts]
    labels = {match[1] if match else None for match in matches}
    if len(texts) < 2 or len(labels) > 1 or None in labels:
        return list(texts)
    return [text[match.end() :] for text, match in zip(texts, matches, strict=True) if match]


def _remedy(source: DataSource, task: str, language: str) -> str:
    if source.root:
        columns = f"{TASKS[task].input_column}, {TASKS[task].target_column}"
        return f"write them to {source.root}/{task}/{SPLIT}/{language}.jsonl (columns {columns})"
    return f"use local files with data.{task}.root, which may hold {task}/{SPLIT}/{language}.jsonl"
