"""`clt-ray advise`: how many samples per language to buy for a task, with the probability that they suffice."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite, isnan
from typing import Annotated, Literal

from clt_ray.analysis.advice import Advice, Option, Quantity, ThinEvidence
from clt_ray.analysis.advice import advise as advise_on
from clt_ray.analysis.loading import load_items, load_scores
from clt_ray.analysis.needed_runs import NeededRun
from clt_ray.analysis.reference import reference_scores
from clt_ray.analysis.saturation import Plateau
from clt_ray.analysis.study import Study
from clt_ray.evidence import item_rows, no_finished_run, score_rows
from clt_ray.opened import OpenSweep, open_sweeps
from clt_ray.tasks import Metric
from clt_ray.verbs.options import Json, Overrides, Storage, argument, value_option
from clt_ray.verbs.terminal import CELL_COLUMNS, argument_error, console, escaped, print_lines, print_result, table

INCOMPLETE = 3


@dataclass(frozen=True)
class Question:
    """What is asked of `advise`. Scores are in the unit of the scores file: accuracy 0.35, not 35."""

    task: Annotated[str, value_option("--task", "T", "Task, such as summarization, instruction or math.")]
    model: Annotated[str, value_option("--model", "M", "Name of the model in the scores.")]
    setting: Annotated[Literal["single", "multi"] | None, value_option("--setting", "S", "single or multi.")] = None
    """Consider only single-task runs (`single`) or only runs on mixed tasks (`multi`)."""
    target: Annotated[float | None, value_option("--target", "SCORE", "Score to reach: 0.35, not 35.")] = None
    budget: Annotated[int | None, value_option("--budget", "SAMPLES", "Non-English rows that can be had.")] = None
    tolerance: Annotated[float | None, value_option("--tolerance", "SCORE", "What counts as no difference.")] = None
    scores: Annotated[str | None, value_option("--scores", "FILE.csv", "Go by a scores file instead.")] = None


def advise(question: Question, sweeps: Sequence[OpenSweep] = ()) -> Advice:
    """Returns advice on a task and a model.

    The evidence is the finished runs of the sweeps, or the question's scores file, else the reference study's scores.

    Raises:
        ConfigurationError: A value of the question is wrong, the scores file is malformed, or no run is finished.
        ThinEvidence: The runs cannot answer; names those that would.
    """
    wishes = {name: getattr(question, name) for name in ("setting", "target", "budget", "tolerance")}
    return advise_on(_evidence(question, sweeps), question.task, question.model, **wishes)


def _evidence(question: Question, sweeps: Sequence[OpenSweep]) -> Study:
    items = None
    if sweeps and question.scores:
        raise argument_error("advise", "--scores", question.scores, "is given beside sweeps", "ask of one of the two")
    if question.scores:
        scores = load_scores(question.scores)
    elif sweeps:
        if not (rows := score_rows(sweeps)):
            raise no_finished_run(sweeps)
        scores, items = load_scores(rows), load_items(item_rows(sweeps))
    else:
        scores = reference_scores()
    # Runs of other tasks do not affect the answer, and may lack a common metric.
    of_task = scores[scores["run_id"].isin(scores.loc[scores["task"] == question.task, "run_id"])]
    return Study.of(of_task if len(of_task) else scores, items)


def command(
    question: Question,
    sweeps: Annotated[list[str] | None, argument("[SWEEP]", "Sweeps to go by (default: reference study).")] = None,
    storage: Storage = None,
    overrides: Overrides = None,
    as_json: Json = False,
) -> int:
    if not sweeps:
        for option, value in (("--set", overrides), ("--storage", storage)):
            if value:
                raise argument_error("advise", option, None, "has no effect without a SWEEP", f"leave {option} out")
    opened = open_sweeps(sweeps or (), overrides=overrides or (), storage=storage)
    try:
        advice = advise(question, opened)
    except ThinEvidence as refusal:
        print_result(refusal, as_json, _print_refusal)
        return INCOMPLETE
    print_result(advice, as_json, _print)
    return 0


def _print(advice: Advice) -> None:
    output = console()
    recommended, metric = advice.options[0], advice.metric
    print_lines(f"[bold]{escaped(headline(advice))}[/bold]", *map(escaped, details(advice)), "")
    target_column = [">target"] if advice.target is not None else []
    columns = ("option", "group", ">n each", ">rows", metric.label, ">in tol.")
    grid = table(*columns, *target_column, ">+1,000 rows", ">plateau")
    for option in advice.options:
        grid.add_row(
            escaped(_setting(option)), escaped(option.language_group),
            f"{option.samples_per_language:,}{'' if option.settled else '?'}", f"{option.total_samples:,}",
            _quantity(metric, option.score), _probability(option.within_tolerance),
            *([_probability(option.reaches_target)] if advice.target is not None else []),
            _signed(metric, option.next_thousand), _samples(option.plateau.samples),
        )  # fmt: skip
    output.print(grid)
    print_lines(*(escaped(f"? {_description(item)}: {item.why}") for item in advice.options if not item.settled))
    _print_runs("runs that would reduce the uncertainty most:", advice.settling_runs)
    output.print(f"\nevidence for {escaped(_description(recommended))}:", highlight=False)
    rows = table(">n each", f">{metric.label}", ">± stderr", "runs")
    for row in recommended.evidence:
        error = "" if isnan(row.stderr) else _number(metric, row.stderr)
        rows.add_row(f"{row.samples_per_language:,}", _number(metric, row.score), error, escaped(" ".join(row.run_ids)))
    output.print(rows)


def headline(advice: Advice) -> str:
    """Returns the recommendation in a sentence."""
    option, metric = advice.options[0], advice.metric
    if not advice.reachable:
        return (
            f"No option reaches {_number(metric, advice.target or 0.0)} {metric.label} in {advice.task} with "
            f"{advice.model}; nearest is {_description(option)} at n = {option.samples_per_language:,} per language."
        )
    how = "on this task only" if option.setting == "single" else f"on the mixture {option.mixture}"
    if option.samples_per_language == 0:
        return f"{advice.task} with {advice.model}: no non-English rows, trained {how}."
    more = "" if option.settled else "at least "
    return (
        f"{advice.task} with {advice.model}: {more}{option.samples_per_language:,} rows in each of "
        f"{' '.join(option.train_languages)} ({option.total_samples:,} in all), trained {how}."
    )


def details(advice: Advice) -> list[str]:
    """Returns what the recommendation promises, one statement a line."""
    option, metric = advice.options[0], advice.metric
    languages = " ".join(advice.languages)
    lines = [
        f"expected {_quantity(metric, option.score)} {metric.label}, mean over {languages} (95% interval)",
        f"probability of being within {_number(metric, advice.tolerance)} of the ceiling "
        f"({_quantity(metric, option.ceiling)}): {_probability(option.within_tolerance)}",
    ]
    if advice.target is not None:
        lines.append(f"probability of reaching {_number(metric, advice.target)}: {_probability(option.reaches_target)}")
    lines.append(f"the next 1,000 rows would add {_signed(metric, option.next_thousand, interval=True)}")
    lines.append(f"{option.why}; plateau {_plateau(option.plateau)}")
    return lines


def _print_refusal(refusal: ThinEvidence) -> None:
    title = f"[bold]no advice on {refusal.task} for {escaped(refusal.model)}: there are too few runs[/bold]"
    print_lines(title, *(escaped(f"  {reason}") for reason in refusal.reasons))
    _print_runs("runs that are needed:", refusal.runs)


def _print_runs(title: str, runs: Sequence[NeededRun]) -> None:
    if not runs:
        return
    output = console()
    output.print(f"\n{title}", highlight=False)
    grid = table(*CELL_COLUMNS)
    for run in runs:
        samples = f"{run.samples_per_language:,}"
        grid.add_row(escaped(run.model), run.task, escaped(run.language_group), samples, str(run.seed))
    output.print(grid)


def _description(option: Option) -> str:
    return f"{_setting(option)}, {option.language_group} ({' '.join(option.train_languages)})"


def _setting(option: Option) -> str:
    return "single task" if option.setting == "single" else "mixed tasks"


def _number(metric: Metric, value: float, sign: str = "") -> str:
    digits = metric.digits + (2 if metric.shown_factor == 100 else 0)
    return f"{value:{sign}.{digits}f}"


def _quantity(metric: Metric, quantity: Quantity | None) -> str:
    if quantity is None:
        return "not known"
    low, high = _number(metric, quantity.low), _number(metric, quantity.high)
    return f"{_number(metric, quantity.estimate)} ({low} to {high})"


def _signed(metric: Metric, quantity: Quantity | None, interval: bool = False) -> str:
    if quantity is None:
        return ""
    ends = f" ({_number(metric, quantity.low)} to {_number(metric, quantity.high)})" if interval else ""
    return f"{_number(metric, quantity.estimate, '+')}{ends}"


def _probability(probability: float) -> str:
    return "" if isnan(probability) else f"{min(max(probability, 0.01), 0.99):.0%}"


def _samples(count: float) -> str:
    return "" if isnan(count) else f"{count:,.0f}" if isfinite(count) else "beyond"


def _plateau(plateau: Plateau) -> str:
    if isnan(plateau.samples):
        return "not known"
    ends = "" if isnan(plateau.high) else f" ({_samples(plateau.low)} to {_samples(plateau.high)})"
    return f"{_samples(plateau.samples)}{ends}"
