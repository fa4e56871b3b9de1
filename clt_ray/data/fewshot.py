"""Worked examples before a test prompt, in the language of the test.

    Question: Roger has 5 tennis balls. ...          an exemplar: prompt and worked answer, as in training
    Answer: Roger started with 5 balls. ... The answer is 11.
    (a blank line; in a chat format the exemplars are earlier turns)
    Question: Janet's ducks lay 16 eggs per day. ...
    Answer:

Exemplars are the first rows of a source's `exemplars` split: MGSM's and P-MMEval's own for the hub's math, otherwise
`<root>/<task>/exemplars/<language>.jsonl`. A source without that split in a language lends the first rows of its
training file, those left out that ask what a test row asks. They are the same for every test row, run and seed.

A model that was trained on single answers ends its own; one that was not goes on with a question of its own making,
which `cut_continuation` removes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

from clt_ray.data.content import prompt_key
from clt_ray.data.formatting import SHOT_SEPARATOR, encode_prompt
from clt_ray.data.rows import Row
from clt_ray.data.sources import describe, load_rows
from clt_ray.data.templates import FALLBACK_LANGUAGE, placeholder, prompt_template
from clt_ray.errors import DataError
from clt_ray.sweep.run import DataSource, RunSpec
from clt_ray.tasks import TASKS, TaskLanguage

SPLIT = "exemplars"
_LABEL = re.compile(r"\s*([^\n:：]{1,40}[:：])\s*")


def exemplars(source: DataSource, task: str, language: str, count: int) -> tuple[Row, ...]:
    """The worked examples of a language.

    Args:
        source: Where the task's rows come from.
        task: Name of the task.
        language: ISO code.
        count: How many.

    Raises:
        DataError: The source has fewer.
    """
    if count == 0:
        return ()
    own = list(load_rows(source, task, language, SPLIT).rows)
    if source.dataset:
        own = _without_labels(own, task, language)
    found = own or _from_training(source, task, language, count)
    if len(found) < count:
        raise DataError(
            f"{describe(source)}: {task}/{SPLIT}/{language}: {count} worked examples are needed and {len(found)} are "
            f"there\n    {_remedy(source, task, language)}, or set evaluation.shots to {{{task}: {len(found)}}}"
        )
    return tuple(found[:count])


def exemplars_of(run: RunSpec, pairs: Iterable[TaskLanguage]) -> dict[TaskLanguage, tuple[Row, ...]]:
    """Exemplars of a run for each of the (task, language) that it is tested in.

    Raises:
        DataError: As `exemplars`.
    """
    return {
        TaskLanguage(task, language): exemplars(
            run.data[task], task, language, run.evaluation.shots_for(task, run.data[task])
        )
        for task, language in pairs
    }


def check_prompts(
    run: RunSpec, test: Mapping[TaskLanguage, Sequence[Row]], tokenizer: Any, context_tokens: int | None
) -> None:
    """Refuse a run whose test prompts with exemplars leave no room for an answer; call it before training.

    A prompt without exemplars is cut to fit instead (`formatting.encode_prompt`). One with exemplars would lose
    some of them, or half of one, and measure something else in the languages that a tokenizer splits most.

    Args:
        run: Its evaluation says how many exemplars there are and how long an answer may be.
        test: (task, language) -> test rows.
        tokenizer: The model's.
        context_tokens: Most tokens that the model can attend to; None when it has no limit.

    Raises:
        DataError: A prompt is too long, or exemplars are missing; names the longest prompt of each such language.
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
    """A model's answer without the further examples that it invents after it.

    >>> cut_continuation("5 + 6 = 11. The answer is 11.\\n\\nQuestion: Olivia has $23. ...", "en", "math")
    '5 + 6 = 11. The answer is 11.'

    Cut at the first line that opens a prompt of the task, in the language or in English; a text that begins with
    one is left alone. A task whose prompts open with the row's own text has no such words: there the text is cut at
    the blank line that separates exemplars.

    Args:
        text: What the model wrote.
        language: ISO code of the prompt.
        task: Name of the task.
    """
    openings = _openings(task, language)
    pattern = "|".join(rf"\n\s*{re.escape(opening)}" for opening in openings) or re.escape(SHOT_SEPARATOR)
    body = text.lstrip()
    match = re.search(pattern, body)
    return body[: match.start()].rstrip() if match else body.rstrip()


@cache
def _openings(task: str, language: str) -> tuple[str, ...]:
    """Words that prompts of a task begin with."""
    texts = [prompt_template(task, code) for code in (language, FALLBACK_LANGUAGE)]
    openings = (text.partition(placeholder(task))[0].strip() for text in texts)
    return tuple(dict.fromkeys(opening for opening in openings if opening))


def _from_training(source: DataSource, task: str, language: str, count: int) -> list[Row]:
    asked = {prompt_key(row) for row in load_rows(source, task, language, "test").rows}
    found: dict[bytes, Row] = {}
    for row in load_rows(source, task, language, "train").rows:
        if len(found) == count:
            break
        if (key := prompt_key(row)) not in asked:
            found.setdefault(key, row)
    return list(found.values())


def _without_labels(rows: Sequence[Row], task: str, language: str) -> list[Row]:
    """Rows without the words that all their texts begin with, such as MGSM's "Question:" and "Step-by-Step Answer:".

    The template brings its own, and words that a training row never had would only be imitated. Local files are
    taken as they are: their training rows may begin like that too.
    """
    before, _, after = _template(task, language)
    texts = _stripped([row.prompt.removeprefix(before).removesuffix(after) for row in rows])
    completions = _stripped([row.completion for row in rows])
    return [
        replace(row, prompt=before + text + after, completion=completion)
        for row, text, completion in zip(rows, texts, completions, strict=True)
    ]


def _template(task: str, language: str) -> tuple[str, str, str]:
    return prompt_template(task, language).partition(placeholder(task))


def _stripped(texts: Sequence[str]) -> list[str]:
    """Texts without the label that every one of several begins with: up to a colon, at most 40 characters."""
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
