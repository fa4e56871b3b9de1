"""The command line: one verb per thing a user does. Parses, calls one function of `clt_ray.api`, prints.

Exit codes: 0 done, 1 failed, 2 wrong usage or configuration, 3 incomplete.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import shlex
import sys
import warnings
from collections.abc import Sequence
from typing import Any

from clt_ray.errors import CltRayError, ConfigurationError

FAILED, WRONG, INCOMPLETE = 1, 2, 3


def parser() -> argparse.ArgumentParser:
    """All verbs and their options."""
    root = argparse.ArgumentParser(prog="clt-ray", description="Sweeps of full fine-tunings on Ray, measured.")
    verbs = root.add_subparsers(dest="verb", required=True, metavar="VERB")

    def verb(name: str, help: str, *, sweep: bool = True, reads: bool = False) -> argparse.ArgumentParser:
        sub = verbs.add_parser(name, help=help, description=help)
        if sweep:
            sub.add_argument("sweep", metavar="SWEEP", help="sweep file, such as sweeps/smoke.yaml")
        sub.add_argument("--storage", help="where runs are kept (default: $CLT_RAY_STORAGE or ./clt-runs)")
        sub.add_argument("--tracking-uri", help="MLflow (default: $MLFLOW_TRACKING_URI or SQLite in the storage)")
        sub.add_argument("--set", dest="overrides", action="append", default=[], metavar="KEY=VALUE",
                         help="override a key of the sweep file, such as training.epochs=2")  # fmt: skip
        sub.add_argument("--verbose", action="store_true", help="show what libraries print")
        if reads:
            sub.add_argument("--json", action="store_true", help="print JSON")
        return sub

    check = verb("validate", "report every error of a sweep file at once", sweep=False, reads=True)
    check.add_argument("sweep", metavar="SWEEP", nargs="?")
    check.add_argument("--schema", action="store_true", help="print the JSON schema of sweep files, for editors")
    plan = verb("plan", "what a run would do with each cell, and why", sweep=False, reads=True)
    plan.add_argument("sweeps", metavar="SWEEP", nargs="+", help="sweep files, planned in this order")
    plan.add_argument("--compile", action="store_true",
                      help="prove that the steps fit their TPU chips; takes minutes and no TPU")  # fmt: skip
    rows = verb("data", "the rows of every task, language and split, and prompts as the model sees them", reads=True)
    rows.add_argument("--examples", action="store_true", help="three prompts of every language and split")
    run = verb("run", "execute what is missing; again, to resume")
    run.add_argument("--address", help="a running Ray cluster (default: $RAY_ADDRESS, else a local one)")
    run.add_argument("--max-concurrent", type=int, metavar="N", help="at most N runs at a time")
    run.add_argument("--pilot", action="store_true", help="only the extremes of the grid, a few steps each")
    run.add_argument("--order", choices=("grid", "informative"), default="grid",
                     help="informative: first the runs that are expected to tell most per chip-hour")  # fmt: skip
    run.add_argument("--stop-at-plateau", action="store_true",
                     help="leave out larger sizes of a series whose plateau is established")  # fmt: skip
    verb("status", "done, running, waiting, failed and why, time left", reads=True)
    verb("best", "the chosen checkpoint of each run", reads=True)
    export = verb("export", "a run's chosen checkpoint as a Hugging Face directory", sweep=False)
    export.add_argument("run_id", metavar="RUN_ID")
    export.add_argument("folder", metavar="DIR")
    judge = verb("judge", "rate the answers of finished runs by a judge model", reads=True)
    judge.add_argument("--dry-run", action="store_true", help="send nothing; count requests and tokens")
    judge.add_argument("--concurrency", type=int, default=8, metavar="N", help="requests at a time (default: 8)")
    judge.add_argument("--requests-per-minute", type=float, metavar="N", help="most requests in a minute")
    judge.add_argument("--temperature", type=float, default=0.0, help="of the judge (default: 0)")
    report = verb("report", "one HTML page with figures and tables", sweep=False)
    report.add_argument("sweeps", metavar="SWEEP", nargs="*")
    report.add_argument("--scores", metavar="FILE.csv", help="report on a scores file instead")
    report.add_argument(
        "--reference", action="store_true", help="report on the reference study; with sweeps or scores, lay it beside"
    )
    report.add_argument("--out", metavar="DIR", help="folder of the report")
    advise = verb("advise", "samples per language to buy, with the odds and the evidence", sweep=False, reads=True)
    advise.add_argument("sweeps", metavar="SWEEP", nargs="*", help="finished runs to go by (default: reference study)")
    advise.add_argument("--task", required=True, metavar="T", help="summarization, instruction, math")
    advise.add_argument("--model", required=True, metavar="M", help="name of the model in the scores")
    advise.add_argument("--setting", choices=("single", "multi"), help="only alone, or only mixed with other tasks")
    advise.add_argument("--target", type=float, metavar="SCORE", help="score to reach, as in the scores (0.35, not 35)")
    advise.add_argument("--budget", type=int, metavar="SAMPLES", help="non-English rows that can be had")
    advise.add_argument("--tolerance", type=float, metavar="SCORE", help="what counts as no difference")
    advise.add_argument("--scores", metavar="FILE.csv", help="go by a scores file")
    clean = verb("clean", "what could be deleted, and its size", reads=True)
    clean.add_argument("--apply", action="store_true", help="delete it")
    ui = verb("ui", "the MLflow UI on this sweep")
    ui.add_argument("--port", type=int, default=5000)
    return root


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb; the process exit status."""
    arguments = parser().parse_args(argv)
    _quiet(arguments.verbose)
    try:
        return VERBS[arguments.verb](arguments)
    except ConfigurationError as error:
        from clt_ray.display.text import problems

        print(problems(error), file=sys.stderr)
        return WRONG
    except CltRayError as error:
        print(f"error: {error}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        print("interrupted; the same command continues", file=sys.stderr)
        return INCOMPLETE


def _quiet(verbose: bool) -> None:
    """Keep third-party noise from the user unless asked for."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    logging.basicConfig(level=logging.INFO if verbose else logging.WARNING, format="%(levelname)s: %(message)s")
    if not verbose:
        warnings.simplefilter("ignore")
        for name in ("ray", "mlflow", "alembic", "matplotlib", "fontTools", "transformers", "datasets"):
            logging.getLogger(name).setLevel(logging.CRITICAL)


def _locations(arguments: argparse.Namespace) -> Any:
    from clt_ray.api import locate

    return locate(arguments.storage, arguments.tracking_uri)


def _print_json(document: object) -> None:
    # `dumps`, because `dump` encodes in Python, which takes as long as planning.
    print(json.dumps(document, ensure_ascii=False))


def _validate(arguments: argparse.Namespace) -> int:
    from clt_ray.sweep.spec import json_schema

    if arguments.schema:
        _print_json(json_schema())
        return 0
    if arguments.sweep is None:
        parser().error("validate: SWEEP is missing")
    from clt_ray.api import validate
    from clt_ray.sweep.grid import expand

    spec = validate(arguments.sweep, arguments.overrides)
    runs = expand(spec)
    if arguments.json:
        _print_json({"sweep": spec.name, "valid": True, "runs": len(runs)})
    else:
        print(f"{arguments.sweep}: valid, {len(runs)} runs")
    return 0


def _plan(arguments: argparse.Namespace) -> int:
    from clt_ray.api import plan
    from clt_ray.display.tables import print_plan

    planned = plan(arguments.sweeps, _locations(arguments), arguments.overrides)
    if not arguments.json:
        print_plan(planned, arguments.sweeps)
    elif not arguments.compile:
        _print_json(planned.to_json())
    return _compile(planned, arguments.json) if arguments.compile else 0


def _compile(planned: Any, as_json: bool) -> int:
    from clt_ray.api.compile import prove
    from clt_ray.display.compile import print_compiling, print_proofs

    proofs = prove(planned, announce=print_compiling)
    if as_json:
        _print_json(planned.to_json() | {"compiled": [proof.to_json() for proof in proofs]})
    else:
        print_proofs(proofs)
    return 0 if all(proof.fits for proof in proofs) else FAILED


def _data(arguments: argparse.Namespace) -> int:
    from clt_ray.api.data import data

    told = data(arguments.sweep, arguments.overrides)
    if arguments.json:
        _print_json(told.to_json())
    else:
        from clt_ray.display.data import print_data

        print_data(told, arguments.sweep, all_examples=arguments.examples)
    return FAILED if told.problems else 0


def _run(arguments: argparse.Namespace) -> int:
    from clt_ray.api import run
    from clt_ray.display.progress import progress
    from clt_ray.display.tables import print_announcement, print_outcome

    locations = _locations(arguments)
    with progress() as show:
        outcome = run(
            arguments.sweep,
            locations,
            overrides=arguments.overrides,
            address=arguments.address,
            limit=arguments.max_concurrent,
            pilot=arguments.pilot,
            verbose=arguments.verbose,
            order=arguments.order,
            stop_at_plateau=arguments.stop_at_plateau,
            announce=lambda planned: print_announcement(planned, locations),
            show=show,
        )
    print_outcome(outcome, arguments.sweep, locations)
    return outcome.exit_code


def _status(arguments: argparse.Namespace) -> int:
    from clt_ray.api import status

    told = status(arguments.sweep, _locations(arguments), arguments.overrides)
    if arguments.json:
        _print_json(told.to_json())
    else:
        from clt_ray.display.tables import print_status

        print_status(told, arguments.sweep)
    return FAILED if told.count("failed") else 0 if told.complete else INCOMPLETE


def _best(arguments: argparse.Namespace) -> int:
    from clt_ray.api import best

    chosen = best(arguments.sweep, _locations(arguments), arguments.overrides)
    if arguments.json:
        _print_json(chosen)
    else:
        from clt_ray.display.tables import print_best

        print_best(chosen)
    return 0


def _export(arguments: argparse.Namespace) -> int:
    from clt_ray.api import export

    print(export(arguments.run_id, arguments.folder, _locations(arguments)))
    return 0


def _judge(arguments: argparse.Namespace) -> int:
    from clt_ray.api.judge import JudgeOptions, judge
    from clt_ray.display.judge import print_judged, print_judged_run

    dry_run = arguments.dry_run
    outcome = judge(
        arguments.sweep,
        _locations(arguments),
        JudgeOptions(arguments.temperature, arguments.concurrency, arguments.requests_per_minute, dry_run),
        overrides=arguments.overrides,
        show=lambda run: None if arguments.json else print_judged_run(run, dry_run),
    )
    if arguments.json:
        _print_json(outcome.to_json())
    else:
        print_judged(outcome, arguments.sweep)
    return 0 if outcome.complete or dry_run else INCOMPLETE


def _report(arguments: argparse.Namespace) -> int:
    from clt_ray.api import report

    page = report(
        arguments.sweeps,
        _locations(arguments),
        scores=arguments.scores,
        reference=arguments.reference,
        out=arguments.out,
        command=shlex.join(["clt-ray", *sys.argv[1:]]),
        overrides=arguments.overrides,
    )
    print(f"report: {page}")
    return 0


def _advise(arguments: argparse.Namespace) -> int:
    from clt_ray.analysis.advice import ThinEvidence
    from clt_ray.api.advise import advise
    from clt_ray.display.advise import advice_json, print_advice, print_refusal

    try:
        advice = advise(
            arguments.task,
            arguments.model,
            _locations(arguments),
            sweeps=arguments.sweeps,
            scores=arguments.scores,
            setting=arguments.setting,
            target=arguments.target,
            budget=arguments.budget,
            tolerance=arguments.tolerance,
            overrides=arguments.overrides,
        )
    except ThinEvidence as refusal:
        if arguments.json:
            _print_json(refusal.to_json())
        else:
            print_refusal(refusal)
        return INCOMPLETE
    if arguments.json:
        _print_json(advice_json(advice))
    else:
        print_advice(advice)
    return 0


def _clean(arguments: argparse.Namespace) -> int:
    from clt_ray.api import clean

    found = clean(arguments.sweep, _locations(arguments), apply=arguments.apply, overrides=arguments.overrides)
    if arguments.json:
        _print_json([vars(item) for item in found])
    else:
        from clt_ray.display.tables import print_clean

        print_clean(found, arguments.sweep, arguments.apply)
    return 0


def _ui(arguments: argparse.Namespace) -> int:
    from clt_ray.api import ui

    return ui(arguments.sweep, _locations(arguments), arguments.port)


VERBS = {
    "validate": _validate,
    "plan": _plan,
    "data": _data,
    "run": _run,
    "status": _status,
    "best": _best,
    "export": _export,
    "judge": _judge,
    "report": _report,
    "advise": _advise,
    "clean": _clean,
    "ui": _ui,
}

if __name__ == "__main__":
    sys.exit(main())
