"""What a judge did, for people: a line per run as it is done, then totals, what is wrong, and the next command."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from rich.markup import escape

from clt_ray.display.tables import console

if TYPE_CHECKING:
    from clt_ray.api.judge import JudgeOutcome
    from clt_ray.judge.spending import Tokens
    from clt_ray.judge.work import JudgedRun


def print_judged_run(run: JudgedRun, dry_run: bool = False) -> None:
    """One line per run, when it is done."""
    if dry_run:
        print(f"{run.name}: {run.items:,} items, {run.requests:,} requests to send", flush=True)
        return
    parts = [f"{run.items:,} items", f"{run.requests:,} requests sent", f"{run.rated:,} rated"]
    if run.unparsable_items:
        parts.append(f"{run.unparsable_items:,} unparsable")
    if run.unanswered:
        parts.append(f"{sum(run.unanswered.values()):,} unanswered, so no scores yet")
    print(f"{run.name}: {', '.join(parts)}", flush=True)


def print_judged(outcome: JudgeOutcome, sweep: str) -> None:
    """Totals, what could not be rated and why, and the next command."""
    out = console()
    requests = sum(run.requests for run in outcome.runs)
    whose = f"judge {outcome.judge} at {outcome.host}"
    if outcome.dry_run:
        lines = [f"{whose}: {requests:,} requests, roughly {_tokens(outcome.tokens)}; nothing was sent"]
    else:
        again = f" ({outcome.sent:,} with repetitions)" if outcome.sent > requests else ""
        lines = [f"{whose}: {requests:,} requests{again}, {_tokens(outcome.tokens)}"]
    for run in outcome.runs:
        lines += [f"unparsable: {run.name}: {language}: {_counts(why)}" for language, why in run.unparsable.items()]
        lines += [f"[red]unanswered[/red]: {run.name}: {_counts(run.unanswered)}"] if run.unanswered else []
    if outcome.unfinished:
        lines.append(f"{outcome.unfinished} runs are not finished, and so not judged")
    if outcome.untracked:
        lines.append(f"MLflow is not up to date ({escape(outcome.untracked)}); the next command brings it up to date")
    lines.append(f"next: clt-ray {_next(outcome)} {sweep}")
    for line in lines:
        out.print(line, highlight=False, soft_wrap=True)


def _next(outcome: JudgeOutcome) -> str:
    if outcome.dry_run or any(not run.complete for run in outcome.runs):
        return "judge"
    return "run" if outcome.unfinished else "report"


def _tokens(tokens: Tokens) -> str:
    uncounted = f" and {tokens.uncounted:,} replies that the server did not count" if tokens.uncounted else ""
    return f"{tokens.prompt:,} tokens sent and {tokens.completion:,} received{uncounted}"


def _counts(reasons: Mapping[str, int]) -> str:
    return escape(", ".join(f"{count:,} {reason}" for reason, count in reasons.items()))
