"""The rows of a sweep for people: one table per task, what was left out and why, prompts as the model sees them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape

from clt_ray.display.tables import console, table

if TYPE_CHECKING:
    from clt_ray.api.data import DataReport, Example, SplitReport

SHOWN_CHARACTERS = 500
"""Longest example text in the terminal; `--json` has all of it."""


def print_data(report: DataReport, sweep: str, *, all_examples: bool = False) -> None:
    """Tables, reasons, examples, problems, and the next command.

    Args:
        report: What was measured.
        sweep: Sweep file, for the next command.
        all_examples: Show the three examples of every language and split, not three of every task.
    """
    out = console()
    for task in dict.fromkeys(split.task for split in report.splits):
        splits = [split for split in report.splits if split.task == task]
        _print_task(out, task, splits)
        _print_dropped(out, splits)
        _print_scripts(out, splits)
        _print_examples(out, splits, all_examples)
    for origin in report.origins:
        out.print(f"read {escape(origin)}", highlight=False, soft_wrap=True)
    for problem in report.problems:
        out.print(f"[red]problem: {escape(problem)}[/red]", highlight=False, soft_wrap=True)
    verb = "plan" if not report.problems else "data"
    note = "" if not report.problems else "   (after mending the above)"
    out.print(f"next: clt-ray {verb} {sweep}{note}", highlight=False, soft_wrap=True)


def _print_task(out: Console, task: str, splits: Sequence[SplitReport]) -> None:
    models: list[str | None] = list(dict.fromkeys(tokens.model for split in splits for tokens in split.tokens))
    out.print(f"\n[bold]{task}[/bold]  {escape(splits[0].source)}", highlight=False, soft_wrap=True)
    for model in models or [None]:
        if model is not None:
            limits = dict.fromkeys(_limit(split, model) for split in splits)
            out.print(f"lengths in tokens of {model}; over: longer than {', '.join(limits)}", highlight=False)
        grid = table(
            ("lang", "left"), ("split", "left"), ("rows", "right"), ("usable", "right"), ("used", "right"),
            ("dropped", "right"), ("script", "right"), ("p50", "right"), ("p90", "right"), ("p99", "right"),
            ("max", "right"), ("over", "right"),
        )  # fmt: skip
        before = ""
        for split in splits:
            language = split.language if split.language != before else f"[dim]{split.language}[/dim]"
            before = split.language
            grid.add_row(language, *_counts(split), *_tokens(split, model))
        out.print(grid)


def _limit(split: SplitReport, model: str) -> str:
    limit = next((tokens.limit for tokens in split.tokens if tokens.model == model), None)
    shown = "no limit" if limit is None else f"{limit:,}"
    return f"{shown} with {split.shots} worked examples" if split.shots else shown


def _counts(split: SplitReport) -> list[str]:
    held_out = split.split == "validation" and not split.available
    dropped = sum(count for reason, count in split.dropped.items() if not _set_aside(reason))
    return [
        split.split,
        "[dim]of train[/dim]" if held_out else f"{split.available:,}",
        f"{split.usable:,}",
        f"{split.used:,}",
        f"{dropped:,}" if dropped else "",
        _script(split),
    ]


def _set_aside(reason: str) -> bool:
    """Whether rows left out for this reason are sound: they serve another purpose."""
    return reason == "held out for validation"


def _script(split: SplitReport) -> str:
    if split.script is None:
        return ""
    text = f"{split.script.share:.1%}"
    return f"[red]{text} ![/red]" if split.script.flagged else text


def _tokens(split: SplitReport, model: str | None) -> list[str]:
    for tokens in split.tokens:
        if tokens.model == model:
            lengths = [f"{value:,}" for value in (tokens.p50, tokens.p90, tokens.p99, tokens.max)]
            return [*lengths, f"{tokens.over_limit:,}" if tokens.over_limit else ""]
    return [""] * 5


def _print_dropped(out: Console, splits: Sequence[SplitReport]) -> None:
    lines = [
        f"  {split.split}/{split.language}: " + ", ".join(f"{n:,} {reason}" for reason, n in split.dropped.items())
        for split in splits
        if any(not _set_aside(reason) for reason in split.dropped)
    ]
    if lines:
        out.print("dropped", *map(escape, lines), sep="\n", highlight=False, soft_wrap=True)


def _print_scripts(out: Console, splits: Sequence[SplitReport]) -> None:
    for split in splits:
        if split.script is not None and split.script.suspicious:
            flag = "[red]flagged[/red]" if split.script.flagged else "noted"
            out.print(
                f"{flag} {split.split}/{split.language}: {split.script.suspicious:,} of {split.used:,} rows have less "
                f"than half of their letters in {split.script.script} script",
                highlight=False,
                soft_wrap=True,
            )


def _print_examples(out: Console, splits: Sequence[SplitReport], all_examples: bool) -> None:
    for split, example in _every(splits) if all_examples else _three(splits):
        shots = f", {split.shots} worked examples" if split.shots else ""
        bar = "what it learns" if split.split != "test" else "reference"
        out.print(
            f"\n[bold]{split.split}/{split.language}[/bold] as {example.model} sees it{shots}; then {bar}",
            highlight=False,
        )
        prompt = escape(_shortened(example.prompt))
        # Colour is not enough to tell the two apart where there is none.
        out.print(f"{prompt}[bold]‖[/bold][dim]{escape(_shortened(example.completion))}[/dim]", highlight=False)
    out.print(highlight=False)


def _every(splits: Sequence[SplitReport]) -> list[tuple[SplitReport, Example]]:
    return [(split, example) for split in splits for example in split.examples]


def _three(splits: Sequence[SplitReport]) -> list[tuple[SplitReport, Example]]:
    """A training row in English, one in another language, and a test row in a language that is not trained."""
    shown = [split for split in splits if split.examples]
    trained = [split for split in shown if split.split == "train"]
    unseen = {split.language for split in shown} - {split.language for split in trained}
    tests = [split for split in shown if split.split == "test"]
    tests.sort(key=lambda split: split.language not in unseen)
    return [(split, split.examples[0]) for split in [*trained[:2], *tests[:1]]]


def _shortened(text: str) -> str:
    """The start and the end of a long text."""
    if len(text) <= SHOWN_CHARACTERS:
        return text
    half = SHOWN_CHARACTERS // 2
    return f"{text[:half]} [... {len(text) - 2 * half:,} characters ...] {text[-half:]}"
