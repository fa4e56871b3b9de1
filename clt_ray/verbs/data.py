"""`clt-ray data`: the rows of a sweep, what was dropped and why, and prompts as the models see them."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Annotated, Any

from rich.console import Console

from clt_ray.data.formatting import context_length
from clt_ray.data.mixture import data_needs
from clt_ray.data.summary import DataSummaries, Example, ModelTokenizer, SplitSummary
from clt_ray.opened import OpenSweep, open_sweep
from clt_ray.sweep.sections import ModelSpec
from clt_ray.training.model import load_tokenizer, location
from clt_ray.verbs.options import Json, Overrides, SweepFile, flag, next_command
from clt_ray.verbs.terminal import RepeatedCells, console, escaped, print_lines, print_result, table

FAILED = 1
SHOWN_CHARACTERS = 500
"""Characters of an example that the terminal shows; `--json` has all of it."""
HELD_OUT = "held out for validation"
"""Reason of rows that are left out of the training split because they serve as validation rows."""

EXAMPLES_HELP = "Show three prompts of every language and split, not three of every task."
AllExamples = Annotated[bool, flag("--examples", EXAMPLES_HELP)]


@dataclass(frozen=True)
class DataSummary:
    """The rows of every task, language and split of a sweep."""

    sweep: str
    splits: tuple[SplitSummary, ...]
    """In the order of tasks, languages and splits."""
    origins: tuple[str, ...]
    """What was read, with the commits of hub data sets."""
    problems: tuple[str, ...]
    """What would stop a run, and what could not be examined."""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def summarize_data(sweep: OpenSweep) -> DataSummary:
    """Reads and measures all rows of a sweep, and downloads missing hub data sets. Problems are part of the result."""
    problems: list[str] = []
    summaries = DataSummaries(list(_tokenizers((run.model for run in sweep.runs), problems)), [], {}, problems)
    for need in data_needs(sweep.runs):
        summaries.add(need)
    splits = summaries.splits
    tested = {split.task for split in splits if split.split == "test" and split.used}
    untested = [task for task in dict.fromkeys(split.task for split in splits) if task not in tested]
    problems += [f"{task}: no test rows in any evaluation language" for task in untested]
    return DataSummary(sweep.name, tuple(splits), tuple(summaries.origins), tuple(dict.fromkeys(problems)))


def _tokenizers(models: Iterable[ModelSpec], problems: list[str]) -> Iterator[ModelTokenizer]:
    for model in {model.name: model for model in models}.values():
        try:
            context = context_length(location(model), model.revision)
            yield ModelTokenizer(model.name, load_tokenizer(model), context)
        except (OSError, ValueError) as error:
            reason = str(error).strip().partition("\n")[0]
            problems.append(f"model {model.name}: no token lengths, its tokenizer cannot be loaded: {reason}")


def command(sweep: SweepFile, overrides: Overrides = None, examples: AllExamples = False, as_json: Json = False) -> int:
    opened = open_sweep(sweep, overrides=overrides or ())
    summary = summarize_data(opened)
    print_result(summary, as_json, _print, opened, examples)
    return FAILED if summary.problems else 0


def _print(summary: DataSummary, sweep: OpenSweep, all_examples: bool) -> None:
    output = console()
    for task in dict.fromkeys(split.task for split in summary.splits):
        splits = [split for split in summary.splits if split.task == task]
        _print_task(output, task, splits)
        _print_dropped(output, splits)
        _print_scripts(splits)
        _print_examples(output, splits, all_examples)
    print_lines(*(f"read {escaped(origin)}" for origin in summary.origins))
    print_lines(*(f"[red]problem: {escaped(problem)}[/red]" for problem in summary.problems))
    following = next_command(sweep, "data" if summary.problems else "plan")
    print(f"next: {following}{'   (after correcting the problems above)' if summary.problems else ''}")


def _print_task(output: Console, task: str, splits: Sequence[SplitSummary]) -> None:
    models: list[str | None] = list(dict.fromkeys(tokens.model for split in splits for tokens in split.tokens))
    output.print(f"\n[bold]{task}[/bold]  {escaped(splits[0].source)}", highlight=False, soft_wrap=True)
    for model in models or [None]:
        if model is not None:
            limits = dict.fromkeys(_limit(split, model) for split in splits)
            output.print(f"lengths in tokens of {model}; over: longer than {', '.join(limits)}", highlight=False)
        counts = ("lang", "split", ">rows", ">usable", ">used", ">dropped", ">script")
        grid = table(*counts, ">p50", ">p90", ">p99", ">max", ">over")
        languages = RepeatedCells()
        for split in splits:
            grid.add_row(*languages(split.language), *_counts(split), *_token_columns(split, model))
        output.print(grid)


def _limit(split: SplitSummary, model: str) -> str:
    limit = next((tokens.limit for tokens in split.tokens if tokens.model == model), None)
    shown = "no limit" if limit is None else f"{limit:,}"
    return f"{shown} with {split.shots} worked examples" if split.shots else shown


def _counts(split: SplitSummary) -> list[str]:
    held_out = split.split == "validation" and not split.available
    dropped = sum(count for reason, count in split.dropped.items() if reason != HELD_OUT)
    available = "[dim]of train[/dim]" if held_out else f"{split.available:,}"
    counts = [f"{split.usable:,}", f"{split.used:,}", f"{dropped:,}" if dropped else ""]
    share = f"{split.script.share:.1%}" if split.script else ""
    script = f"[red]{share} ![/red]" if split.script and split.script.flagged else share
    return [split.split, available, *counts, script]


def _token_columns(split: SplitSummary, model: str | None) -> list[str]:
    for tokens in split.tokens:
        if tokens.model == model:
            lengths = [f"{value:,}" for value in (tokens.p50, tokens.p90, tokens.p99, tokens.max)]
            return [*lengths, f"{tokens.over_limit:,}" if tokens.over_limit else ""]
    return [""] * 5


def _print_dropped(output: Console, splits: Sequence[SplitSummary]) -> None:
    lines = [
        f"  {split.split}/{split.language}: " + ", ".join(f"{n:,} {reason}" for reason, n in split.dropped.items())
        for split in splits
        if any(reason != HELD_OUT for reason in split.dropped)
    ]
    if lines:
        output.print("dropped", *map(escaped, lines), sep="\n", highlight=False, soft_wrap=True)


def _print_scripts(splits: Sequence[SplitSummary]) -> None:
    for split in splits:
        if split.script is not None and split.script.suspicious:
            flag = "[red]flagged[/red]" if split.script.flagged else "noted"
            rows = f"{split.script.suspicious:,} of {split.used:,} rows have less than half of their letters"
            print_lines(f"{flag} {split.split}/{split.language}: {rows} in {split.script.script} script")


def _print_examples(output: Console, splits: Sequence[SplitSummary], all_examples: bool) -> None:
    every_example = [(split, example) for split in splits for example in split.examples]
    for split, example in every_example if all_examples else _three_examples(splits):
        shots = f", {split.shots} worked examples" if split.shots else ""
        completion = "what it learns" if split.split != "test" else "reference"
        title = f"[bold]{split.split}/{split.language}[/bold]"
        output.print(f"\n{title} as {example.model} sees it{shots}; then {completion}", highlight=False)
        prompt = escaped(_shortened(example.prompt))
        # Colour is not enough to tell the two apart where there is none.
        output.print(f"{prompt}[bold]‖[/bold][dim]{escaped(_shortened(example.completion))}[/dim]", highlight=False)
    output.print(highlight=False)


def _three_examples(splits: Sequence[SplitSummary]) -> list[tuple[SplitSummary, Example]]:
    """Returns a training row in English, one in another language, and a test row in a language without training."""
    shown = [split for split in splits if split.examples]
    trained = [split for split in shown if split.split == "train"]
    unseen = {split.language for split in shown} - {split.language for split in trained}
    tests = [split for split in shown if split.split == "test"]
    tests.sort(key=lambda split: split.language not in unseen)
    return [(split, split.examples[0]) for split in [*trained[:2], *tests[:1]]]


def _shortened(text: str) -> str:
    if len(text) <= SHOWN_CHARACTERS:
        return text
    half = SHOWN_CHARACTERS // 2
    return f"{text[:half]} [... {len(text) - 2 * half:,} characters ...] {text[-half:]}"
