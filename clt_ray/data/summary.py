"""Summary of the rows of a sweep as its models will see them, computed before anything is trained.

For every source, task, language and split: how many rows there are, how many are usable and used, what was dropped
and why, how long the rows are in tokens, whether they are in the script of their language, and examples.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from clt_ray.data.fewshot import exemplars
from clt_ray.data.formatting import encode, encode_prompt
from clt_ray.data.mixture import DataNeed, Pools, load_pools
from clt_ray.data.rows import Row
from clt_ray.data.sampling import nested_sample
from clt_ray.data.scripts import Writing, writing
from clt_ray.data.sources import describe
from clt_ray.errors import DataError
from clt_ray.languages import LANGUAGES
from clt_ray.sweep.run import RunSpec

EXAMPLES = 3
SPLITS = ("train", "validation", "test")
SUSPICIOUS_ROW_SHARE = 0.5
"""A row with a smaller share of its letters in the language's script is counted as suspicious."""
FLAGGED_SPLIT_SHARE = 0.02
"""A split is flagged when a larger share of its rows is suspicious."""
_NO_LIMIT = 1 << 30


@dataclass(frozen=True)
class TokenLengths:
    """Percentiles of the lengths of used rows in tokens: prompt and completion, and of test rows the prompt alone."""

    model: str
    """Name of the model whose tokenizer counted."""
    p50: int
    p90: int
    p99: int
    max: int
    limit: int | None
    """Length of the longest row that is not cut: `training.max_length`; for a test prompt with exemplars, what the
    model's context leaves beside the answer, and None when that has no limit."""
    over_limit: int
    """Rows that are longer than the limit."""


@dataclass(frozen=True)
class ScriptCheck:
    """How much of the used rows is written in the script of their language."""

    script: str
    share: float
    """Share of all letters that are in that script."""
    suspicious: int
    """Rows with less than half of their letters in that script."""
    flagged: bool
    """Whether more than 2% of the rows are suspicious."""


@dataclass(frozen=True)
class Example:
    """One row as a model sees it, with special tokens written out."""

    model: str
    """Name of the model whose tokenizer encoded the row."""
    prompt: str
    completion: str
    """Completion that the model learns to write; of a test row the reference, which the model does not see."""


@dataclass(frozen=True)
class SplitSummary:
    """The rows of one task, language and split."""

    task: str
    language: str
    split: str
    """train, validation or test."""
    source: str
    available: int
    """Raw rows of the source; 0 for validation rows that are held out of the training split."""
    usable: int
    """Rows that are left after the dropped ones and those set aside for another split."""
    used: int
    """Rows that the largest run takes; of the validation and test rows, those that are scored."""
    dropped: dict[str, int]
    """Reason -> number of raw rows that were left out."""
    shots: int
    script: ScriptCheck | None
    """None when there are no rows."""
    tokens: tuple[TokenLengths, ...]
    """One entry per model whose tokenizer can be loaded; empty when there are no rows."""
    examples: tuple[Example, ...]


@dataclass(frozen=True)
class ModelTokenizer:
    """A model's tokenizer and the number of tokens that the model can attend to."""

    model: str
    tokenizer: Any
    context: int | None
    """Tokens of the model's context; None when its configuration names no limit."""


@dataclass
class DataSummaries:
    """Collects the summaries of a sweep's splits, and every problem that would stop a run."""

    tokenizers: Sequence[ModelTokenizer]
    splits: list[SplitSummary]
    origins: dict[str, None]
    """What was read, with the commits of hub data sets, in the order of reading."""
    problems: list[str]

    def add(self, need: DataNeed) -> None:
        """Reads the rows that are needed of one source, task and language and summarises their splits."""
        place = f"{need.task}/{need.language}"
        try:
            with_train = need.train_rows > 0
            pools = load_pools(need.source, need.task, need.language, need.validation_rows, with_train=with_train)
        except (DataError, OSError) as error:
            self.problems.append(f"{place}: {error}")
            return
        self.origins.update(dict.fromkeys(pools.origins))
        if len(pools.train) < need.train_rows:
            shortage = f"the sweep needs {need.train_rows:,} training rows, and {len(pools.train):,} are usable"
            self.problems.append(f"{place}: {shortage}")
        self.splits += self._splits(need, pools)

    def _splits(self, need: DataNeed, pools: Pools) -> Iterator[SplitSummary]:
        used: dict[str, Sequence[Row]] = {
            "train": nested_sample(pools.train, need.train_rows, need.task, need.language, need.run.seed),
            "validation": pools.validation if need.evaluated else (),
            "test": pools.test[: need.run.evaluation.samples_per_language] if need.evaluated else (),
        }
        test_shots = self._test_shots(need) if used["test"] else ()
        for split in SPLITS:
            rows = used[split]
            if not rows and not (split == "train" and need.train_rows):
                continue
            shots = test_shots if split == "test" else ()
            lengths = [_lengths(need, split, rows, shots, tokenizer) for tokenizer in self.tokenizers]
            if shots and any(length.over_limit for length in lengths):
                self.problems.append(_too_long(need, lengths, len(shots)))
            yield SplitSummary(
                task=need.task,
                language=need.language,
                split=split,
                source=describe(need.source),
                available=pools.available.get(split, 0),
                usable=len(getattr(pools, split)),
                used=len(rows),
                dropped=dict(pools.dropped.get(split, {})),
                shots=len(shots),
                script=_script(rows, need.language),
                tokens=tuple(lengths) if rows else (),
                examples=tuple(_examples(need.run, split, rows[:EXAMPLES], shots, self.tokenizers)),
            )

    def _test_shots(self, need: DataNeed) -> tuple[Row, ...]:
        try:
            count = need.run.evaluation.shots_for(need.task, need.source)
            return exemplars(need.source, need.task, need.language, count)
        except (DataError, OSError) as error:
            self.problems.append(f"{need.task}/{need.language}: {error}")
            return ()


def _lengths(
    need: DataNeed, split: str, rows: Sequence[Row], shots: Sequence[Row], model: ModelTokenizer
) -> TokenLengths:
    limit: int | None = need.run.training.max_length
    if split == "test":
        lengths = [len(encode_prompt(row, model.tokenizer, shots=shots)) for row in rows]
        if shots:
            limit = None if model.context is None else model.context - need.run.evaluation.tokens_for(need.task)
    else:
        lengths = [len(encode(row, model.tokenizer, _NO_LIMIT).input_ids) for row in rows]
    over = sum(length > limit for length in lengths) if limit is not None else 0
    # A percentile is the smallest length that this share of all rows does not exceed.
    percentiles = np.quantile(lengths or [0], (0.5, 0.9, 0.99, 1.0), method="inverted_cdf")
    p50, p90, p99, longest = map(int, percentiles)
    return TokenLengths(model.model, p50, p90, p99, longest, limit, over)


def _too_long(need: DataNeed, lengths: Sequence[TokenLengths], shots: int) -> str:
    worst = max(lengths, key=lambda length: length.max - (length.limit or length.max))
    return (
        f"{need.task}/{need.language}: a test prompt with {shots} worked examples has {worst.max:,} tokens, and "
        f"{worst.model} has room for {worst.limit:,} beside the answer; lower evaluation.shots"
    )


def _script(rows: Sequence[Row], code: str) -> ScriptCheck | None:
    if not rows:
        return None
    counts = [writing(row.prompt, code) + writing(row.completion, code) for row in rows]
    total = sum(counts, Writing(0, 0))
    suspicious = sum(count.share < SUSPICIOUS_ROW_SHARE for count in counts)
    script = LANGUAGES.require(code).script
    return ScriptCheck(script, total.share, suspicious, suspicious > FLAGGED_SPLIT_SHARE * len(rows))


def _examples(
    run: RunSpec, split: str, rows: Sequence[Row], shots: Sequence[Row], tokenizers: Sequence[ModelTokenizer]
) -> Iterator[Example]:
    for model in tokenizers:
        for row in rows:
            if split == "test":
                ids = encode_prompt(row, model.tokenizer, None if shots else run.training.max_length, shots=shots)
                yield Example(model.model, model.tokenizer.decode(ids), row.completion)
            else:
                encoded = encode(row, model.tokenizer, run.training.max_length)
                start = next(index for index, label in enumerate(encoded.labels) if label >= 0)
                prompt, completion = encoded.input_ids[:start], encoded.input_ids[start:]
                yield Example(model.model, model.tokenizer.decode(prompt), model.tokenizer.decode(completion))
