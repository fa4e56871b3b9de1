"""Advice for people: the answer as a sentence, its odds, the other options, and the rows it rests on."""

from __future__ import annotations

import json
from math import isfinite, isnan
from typing import TYPE_CHECKING, Any

from clt_ray.display.tables import console, table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clt_ray.analysis.advice import Advice, ThinEvidence
    from clt_ray.analysis.needed_runs import NeededRun
    from clt_ray.analysis.options import Option, Quantity
    from clt_ray.analysis.saturation import Plateau
    from clt_ray.tasks import Metric


def print_advice(advice: Advice) -> None:
    """The recommendation first, then all options, then the evidence of the recommended one."""
    out = console()
    best, about = advice.options[0], advice.metric
    out.print(f"[bold]{headline(advice)}[/bold]", highlight=False, soft_wrap=True)
    for line in details(advice):
        out.print(line, highlight=False, soft_wrap=True)
    out.print()
    grid = table(
        ("option", "left"), ("group", "left"), ("n each", "right"), ("rows", "right"), (about.label, "left"),
        ("in tol.", "right"), *([("target", "right")] if advice.target is not None else []), ("+1,000 rows", "right"),
        ("plateau", "right"),
    )  # fmt: skip
    for option in advice.options:
        grid.add_row(
            "alone" if option.setting == "single" else "mixed", option.language_group,
            f"{option.samples_per_language:,}{'' if option.settled else '?'}", f"{option.total_samples:,}",
            _quantity(about, option.score), _odds(option.within_tolerance),
            *([_odds(option.reaches_target)] if advice.target is not None else []),
            _signed(about, option.next_thousand), _samples(option.plateau.samples),
        )  # fmt: skip
    out.print(grid)
    unsettled = [option for option in advice.options if not option.settled]
    for option in unsettled:
        out.print(f"? {_called(option)}: {option.why}", highlight=False, soft_wrap=True)
    _print_runs("runs that would tell more:", advice.settling_runs)
    out.print(f"\nevidence for {_called(best)}:", highlight=False)
    rows = table(("n each", "right"), (about.label, "right"), ("± stderr", "right"), ("runs", "left"))
    for row in best.evidence:
        error = "" if isnan(row.stderr) else _number(about, row.stderr)
        rows.add_row(f"{row.samples_per_language:,}", _number(about, row.score), error, " ".join(row.run_ids))
    out.print(rows)


def headline(advice: Advice) -> str:
    """The recommendation in a sentence."""
    best, about = advice.options[0], advice.metric
    if not advice.reachable:
        return (
            f"No option reaches {_number(about, advice.target or 0.0)} {about.label} in {advice.task} with "
            f"{advice.model}; nearest is {_called(best)} at n = {best.samples_per_language:,} per language."
        )
    how = "alone" if best.setting == "single" else f"mixed as {best.mixture}"
    if best.samples_per_language == 0:
        return f"{advice.task} with {advice.model}: no non-English rows, {how}."
    more = "" if best.settled else "at least "
    return (
        f"{advice.task} with {advice.model}: {more}{best.samples_per_language:,} rows in each of "
        f"{' '.join(best.train_languages)} ({best.total_samples:,} in all), trained {how}."
    )


def details(advice: Advice) -> list[str]:
    """What the recommendation promises, one statement a line."""
    best, about = advice.options[0], advice.metric
    lines = [
        f"expected {_quantity(about, best.score)} {about.label}, mean over {' '.join(advice.languages)} (95% interval)",
        f"odds of being within {_number(about, advice.tolerance)} of the ceiling "
        f"({_quantity(about, best.ceiling)}): {_odds(best.within_tolerance)}",
    ]
    if advice.target is not None:
        lines.append(f"odds of reaching {_number(about, advice.target)}: {_odds(best.reaches_target)}")
    lines.append(f"the next 1,000 rows would add {_signed(about, best.next_thousand, interval=True)}")
    lines.append(f"{best.why}; plateau {_plateau(best.plateau)}, by the best run {_plateau(best.model_free_plateau)}")
    return lines


def print_refusal(refusal: ThinEvidence) -> None:
    """Why there is no advice, and the runs that would settle it."""
    out = console()
    out.print(
        f"[bold]no advice on {refusal.task} for {refusal.model}: the evidence is too thin[/bold]", highlight=False
    )
    for reason in refusal.reasons:
        out.print(f"  {reason}", highlight=False, soft_wrap=True)
    _print_runs("runs that would settle it:", refusal.runs)


def advice_json(advice: Advice) -> dict[str, Any]:
    """The advice as plain JSON values; what is not known is null, and so is a plateau beyond the largest n."""
    from dataclasses import asdict

    values = asdict(advice) | {"metric": advice.metric.name}
    plain: dict[str, Any] = json.loads(json.dumps(values), parse_constant=lambda _: None)
    return plain


def _print_runs(title: str, runs: Sequence[NeededRun]) -> None:
    if not runs:
        return
    out = console()
    out.print(f"\n{title}", highlight=False)
    grid = table(("model", "left"), ("task", "left"), ("group", "left"), ("n", "right"), ("seed", "right"))
    for run in runs:
        grid.add_row(run.model, run.task, run.language_group, f"{run.samples_per_language:,}", str(run.seed))
    out.print(grid)


def _called(option: Option) -> str:
    how = "alone" if option.setting == "single" else "mixed"
    return f"{how}, {option.language_group} ({' '.join(option.train_languages)})"


def _number(about: Metric, value: float) -> str:
    """A score in its stored unit, with the digits that are worth showing."""
    return f"{value:.{_digits(about)}f}"


def _digits(about: Metric) -> int:
    return about.digits + (2 if about.shown_factor == 100 else 0)


def _quantity(about: Metric, found: Quantity | None) -> str:
    if found is None:
        return "not known"
    return f"{_number(about, found.estimate)} ({_number(about, found.low)} to {_number(about, found.high)})"


def _signed(about: Metric, found: Quantity | None, interval: bool = False) -> str:
    if found is None:
        return ""
    ends = f" ({_number(about, found.low)} to {_number(about, found.high)})" if interval else ""
    return f"{found.estimate:+.{_digits(about)}f}{ends}"


def _odds(probability: float) -> str:
    return "" if isnan(probability) else f"{min(max(probability, 0.01), 0.99):.0%}"


def _samples(found: float) -> str:
    return "" if isnan(found) else f"{found:,.0f}" if isfinite(found) else "beyond"


def _plateau(found: Plateau) -> str:
    if isnan(found.samples):
        return "not known"
    ends = "" if isnan(found.high) else f" ({_samples(found.low)} to {_samples(found.high)})"
    return f"{_samples(found.samples)}{ends}"
