"""The verb `data`: the rows of a sweep as its models will see them, before anything is trained."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from clt_ray.data.fewshot import exemplars
from clt_ray.data.formatting import encode, encode_prompt
from clt_ray.data.pools import Pools, load_pools
from clt_ray.data.rows import Row
from clt_ray.data.sampling import nested_sample
from clt_ray.data.scripts import Writing, writing
from clt_ray.data.sources import describe
from clt_ray.errors import DataError
from clt_ray.languages import ENGLISH
from clt_ray.languages import language as language_of
from clt_ray.sweep.grid import expand
from clt_ray.sweep.load import load_sweep
from clt_ray.sweep.run import DataSource, ModelSpec, RunSpec

EXAMPLES = 3
SPLITS = ("train", "validation", "test")
FLAGGED_ROW_SHARE = 0.5
"""A row with fewer of its letters in the language's script is counted as suspicious."""
FLAGGED_CELL_SHARE = 0.02
"""A cell is flagged when more of its rows are suspicious."""
_NO_LIMIT = 1 << 30


@dataclass(frozen=True)
class TokenLengths:
    """Lengths of the rows used, in tokens: prompt and completion for training and validation, prompt for test."""

    model: str
    """Whose tokenizer counted."""
    p50: int
    p90: int
    p99: int
    max: int
    limit: int | None
    """Longest row that is not cut: `training.max_length`; for a test prompt with exemplars what the model's context
    leaves beside the answer, None when that has no limit."""
    over_limit: int
    """Rows longer than that."""


@dataclass(frozen=True)
class ScriptCheck:
    """Whether the rows used are written as their language is."""

    script: str
    share: float
    """Part of all letters in that script."""
    suspicious: int
    """Rows with less than half of their letters in it."""
    flagged: bool
    """More than 2% of the rows are suspicious."""


@dataclass(frozen=True)
class Example:
    """One row as a model sees it, special tokens written out."""

    model: str
    prompt: str
    completion: str
    """What it learns to write; of a test row the reference, which it does not see."""


@dataclass(frozen=True)
class SplitReport:
    """The rows of one task, language and split."""

    task: str
    language: str
    split: str
    source: str
    """The source as a person would name it."""
    available: int
    """Raw rows of the source; 0 for validation rows that are held out of the training split."""
    usable: int
    """Rows left after the dropped ones, and without those set aside for another purpose."""
    used: int
    """Rows that the largest run takes; of the validation and test rows, those that are scored."""
    dropped: dict[str, int]
    """Reason -> raw rows left out."""
    shots: int
    """Worked examples before each prompt."""
    script: ScriptCheck | None
    """None without rows."""
    tokens: tuple[TokenLengths, ...]
    """One for each model whose tokenizer can be loaded; empty without rows."""
    examples: tuple[Example, ...]


@dataclass(frozen=True)
class DataReport:
    """Every task, language and split of a sweep."""

    sweep: str
    splits: tuple[SplitReport, ...]
    origins: tuple[str, ...]
    """What was read, with the commits of hub data sets."""
    problems: tuple[str, ...]
    """What would stop a run, and what could not be looked at."""

    def to_json(self) -> dict[str, Any]:
        """The report as plain JSON values."""
        return asdict(self)


@dataclass(frozen=True)
class _Tokenizer:
    """A model's tokenizer and the most tokens the model can attend to."""

    model: str
    tokenizer: Any
    context: int | None


@dataclass
class _Cell:
    """What the runs of a sweep want of one source, task and language."""

    source: DataSource
    task: str
    language: str
    run: RunSpec
    """The run with the largest wish."""
    wanted: int


def data(path: str, overrides: Sequence[str] = ()) -> DataReport:
    """Read all rows of a sweep and measure them.

    Hub data sets are downloaded if they are not in the cache yet.

    Args:
        path: Sweep file.
        overrides: `dotted.key=value` settings on top of the file.

    Raises:
        ConfigurationError: Every problem of the file at once. Problems of the rows are in the report instead.
    """
    spec = load_sweep(path, overrides)
    runs = expand(spec)
    problems: list[str] = []
    tokenizers = list(_tokenizers((run.model for run in runs), problems))
    splits: list[SplitReport] = []
    origins: dict[str, None] = {}
    for cell in _cells(runs):
        place = f"{cell.task}/{cell.language}"
        try:
            rows = cell.run.validation.samples_per_language
            pools = load_pools(cell.source, cell.task, cell.language, rows, with_train=cell.wanted > 0)
        except (DataError, OSError) as error:
            problems.append(f"{place}: {error}")
            continue
        origins.update(dict.fromkeys(pools.origins))
        if len(pools.train) < cell.wanted:
            problems.append(f"{place}: {cell.wanted:,} training rows are wanted and {len(pools.train):,} are usable")
        splits += _split_reports(cell, pools, tokenizers, problems)
    without_test = [task for task in dict.fromkeys(split.task for split in splits) if not _tested(splits, task)]
    problems += [f"{task}: no test rows in any evaluation language" for task in without_test]
    return DataReport(spec.name, tuple(splits), tuple(origins), tuple(dict.fromkeys(problems)))


def _tested(splits: Sequence[SplitReport], task: str) -> bool:
    return any(split.task == task and split.split == "test" and split.used for split in splits)


def _tokenizers(models: Iterable[ModelSpec], problems: list[str]) -> Iterator[_Tokenizer]:
    from clt_ray.data.context import context_length
    from clt_ray.training.model import load_tokenizer, location

    for model in {model.name: model for model in models}.values():
        try:
            yield _Tokenizer(model.name, load_tokenizer(model), context_length(location(model), model.revision))
        except (OSError, ValueError) as error:
            line = str(error).strip().partition("\n")[0]
            problems.append(f"model {model.name}: no token lengths, its tokenizer cannot be loaded: {line}")


def _cells(runs: Sequence[RunSpec]) -> list[_Cell]:
    """The largest wish of any run for every source, task and language, in the order of tasks and languages."""
    found: dict[tuple[DataSource, str, str], _Cell] = {}
    for run in runs:
        for task in run.tasks:
            for language in dict.fromkeys((ENGLISH, *run.train_languages, *run.eval_languages)):
                key = (run.data[task], task, language)
                wanted = run.rows_in(language)
                if key not in found or wanted > found[key].wanted:
                    found[key] = _Cell(*key, run, wanted)
    order = {task: index for index, task in enumerate(dict.fromkeys(task for _, task, _ in found))}
    return sorted(found.values(), key=lambda cell: order[cell.task])


def _split_reports(
    cell: _Cell, pools: Pools, tokenizers: Sequence[_Tokenizer], problems: list[str]
) -> Iterator[SplitReport]:
    evaluated = cell.language in cell.run.eval_languages
    test = pools.test[: cell.run.evaluation.samples_per_language] if evaluated else ()
    used: dict[str, Sequence[Row]] = {
        "train": nested_sample(pools.train, cell.wanted, cell.task, cell.language, cell.run.seed),
        "validation": pools.validation if evaluated else (),
        "test": test,
    }
    usable = {"train": len(pools.train), "validation": len(pools.validation), "test": len(pools.test)}
    shots = _shots(cell, test, problems)
    for split in SPLITS:
        if not used[split] and not (split == "train" and cell.wanted):
            continue
        few = shots if split == "test" else ()
        lengths = [_lengths(cell.run, cell.task, split, used[split], few, each) for each in tokenizers]
        if few and any(of.over_limit for of in lengths):
            problems.append(_too_long(cell, lengths, len(few)))
        yield SplitReport(
            task=cell.task,
            language=cell.language,
            split=split,
            source=describe(cell.source),
            available=pools.available.get(split, 0),
            usable=usable[split],
            used=len(used[split]),
            dropped=dict(pools.dropped.get(split, {})),
            shots=len(few),
            script=_script(used[split], cell.language),
            tokens=tuple(lengths) if used[split] else (),
            examples=tuple(_examples(cell.run, split, used[split][:EXAMPLES], few, tokenizers)),
        )


def _shots(cell: _Cell, test: Sequence[Row], problems: list[str]) -> tuple[Row, ...]:
    if not test:
        return ()
    try:
        count = cell.run.evaluation.shots_for(cell.task, cell.source)
        return exemplars(cell.source, cell.task, cell.language, count)
    except (DataError, OSError) as error:
        problems.append(f"{cell.task}/{cell.language}: {error}")
        return ()


def _lengths(
    run: RunSpec, task: str, split: str, rows: Sequence[Row], shots: Sequence[Row], each: _Tokenizer
) -> TokenLengths:
    limit: int | None = run.training.max_length
    if split == "test":
        lengths = sorted(len(encode_prompt(row, each.tokenizer, shots=shots)) for row in rows)
        if shots:
            limit = None if each.context is None else each.context - run.evaluation.tokens_for(task)
    else:
        lengths = sorted(len(encode(row, each.tokenizer, _NO_LIMIT).input_ids) for row in rows)
    over = sum(length > limit for length in lengths) if limit is not None else 0
    p50, p90, p99, longest = (_percentile(lengths, quantile) for quantile in (0.5, 0.9, 0.99, 1.0))
    return TokenLengths(each.model, p50, p90, p99, longest, limit, over)


def _percentile(ascending: Sequence[int], quantile: float) -> int:
    """The smallest value that this part of all values does not exceed; 0 of none."""
    return ascending[math.ceil(quantile * len(ascending)) - 1] if ascending else 0


def _too_long(cell: _Cell, lengths: Sequence[TokenLengths], shots: int) -> str:
    worst = max(lengths, key=lambda of: of.max - (of.limit or of.max))
    return (
        f"{cell.task}/{cell.language}: a test prompt with {shots} worked examples has {worst.max:,} tokens, and "
        f"{worst.model} has room for {worst.limit:,} beside the answer; lower evaluation.shots"
    )


def _script(rows: Sequence[Row], code: str) -> ScriptCheck | None:
    if not rows:
        return None
    written = [writing(row.prompt, code) + writing(row.completion, code) for row in rows]
    total = sum(written, Writing(0, 0))
    suspicious = sum(of.share < FLAGGED_ROW_SHARE for of in written)
    return ScriptCheck(
        language_of(code).script, total.share, suspicious, flagged=suspicious > FLAGGED_CELL_SHARE * len(rows)
    )


def _examples(
    run: RunSpec, split: str, rows: Sequence[Row], shots: Sequence[Row], tokenizers: Sequence[_Tokenizer]
) -> Iterator[Example]:
    for each in tokenizers:
        for row in rows:
            if split == "test":
                ids = encode_prompt(row, each.tokenizer, None if shots else run.training.max_length, shots=shots)
                yield Example(each.model, each.tokenizer.decode(ids), row.completion)
            else:
                encoded = encode(row, each.tokenizer, run.training.max_length)
                start = next(index for index, label in enumerate(encoded.labels) if label >= 0)
                prompt, completion = encoded.input_ids[:start], encoded.input_ids[start:]
                yield Example(each.model, each.tokenizer.decode(prompt), each.tokenizer.decode(completion))
