"""The command line: assembles the verbs of `clt_ray.verbs`, and turns their errors into messages and exit codes.

Exit codes: 0 done, 1 failed, 2 wrong usage or configuration, 3 incomplete.
"""

import inspect
import logging
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

import typer
import typer.core

from clt_ray.errors import CltRayError, ConfigurationError
from clt_ray.verbs.options import Verbose, flattened

FAILED, WRONG, INCOMPLETE = 1, 2, 3

VERBS = {
    "Look before you spend": {
        "validate": "Report every error of a sweep file at once.",
        "data": "Show rows per task and language, and prompts as models see them.",
        "plan": "Show what a run would do with each cell, why, and its cost.",
    },
    "Run a sweep": {
        "run": "Execute what is missing; run it again to resume.",
        "submit": "Run a sweep as a Ray job on a cluster, and follow it.",
        "status": "Show where each run is, why it failed, and the time left.",
    },
    "Use the results": {
        "best": "Show the chosen checkpoint of each run and the runner-up.",
        "export": "Write a run's chosen checkpoint as a Hugging Face directory.",
        "judge": "Rate the answers of finished runs by a judge model.",
        "report": "Write one HTML page with figures, tables and findings.",
        "advise": "Say how many samples per language to buy, and the probability.",
        "ui": "Open the MLflow UI on this sweep.",
    },
    "Housekeeping": {"clean": "List what could be deleted; delete it with --apply."},
}
"""Verbs and what each does, by the group that the help shows them in."""

NOISY_LOGGERS = ("ray", "mlflow", "alembic", "matplotlib", "fontTools", "transformers", "datasets")


class LazyVerbs(typer.core.TyperGroup):
    """Loads the module of a verb when that verb is called, so that no verb waits for the libraries of another."""

    def resolve_command(self, context: Any, arguments: list[str]) -> Any:
        """Replaces the verb that was called, until then a name and a line of help, by its command."""
        if arguments and arguments[0] in self.commands:
            self.commands[arguments[0]] = _command(arguments[0])
        return super().resolve_command(context, arguments)


app = typer.Typer(
    name="clt-ray",
    cls=LazyVerbs,
    help="Sweeps of full fine-tunings on Ray for the study of cross-lingual transfer.",
    epilog="Exit codes: 0 done, 1 failed, 2 wrong usage or configuration, 3 incomplete.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one verb and returns the exit status of the process.

    Args:
        argv: Command line without the program's name; by default that of this process.
    """
    try:
        app(args=None if argv is None else list(argv), prog_name="clt-ray")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0 if end.code is None else FAILED
    return 0


def _command(verb: str) -> Any:
    """Returns the command of a verb: its options as Typer parses them, and the function that it calls."""
    parameters, call = flattened(import_module(f"clt_ray.verbs.{verb}").command)
    if "verbose" not in {parameter.name for parameter in parameters}:
        keyword = inspect.Parameter.KEYWORD_ONLY
        parameters.append(inspect.Parameter("verbose", keyword, default=False, annotation=Verbose))

    def run_verb(**values: Any) -> None:
        _set_verbosity(values["verbose"])
        raise typer.Exit(_exit_code(call, values))

    run_verb.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run_verb.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    single = typer.Typer(add_completion=False)
    single.command(verb, help=_HELP[verb])(run_verb)
    return typer.main.get_command(single)


def _exit_code(call: Callable[[dict[str, Any]], int], values: dict[str, Any]) -> int:
    """Runs a verb's command; prints the errors that a user can act on, without a traceback."""
    try:
        return call(values)
    except ConfigurationError as error:
        from clt_ray.verbs.terminal import problems

        print(problems(error), file=sys.stderr)
        return WRONG
    except CltRayError as error:
        print(f"error: {error}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        print("interrupted; the same command continues", file=sys.stderr)
        return INCOMPLETE


def _set_verbosity(verbose: bool) -> None:
    """Keeps the output of libraries from the user unless it was asked for."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    logging.basicConfig(level=logging.INFO if verbose else logging.WARNING, format="%(levelname)s: %(message)s")
    if not verbose:
        warnings.simplefilter("ignore")
        for name in NOISY_LOGGERS:
            logging.getLogger(name).setLevel(logging.CRITICAL)


_HELP = {verb: line for verbs in VERBS.values() for verb, line in verbs.items()}

for _group, _verbs in VERBS.items():
    for _verb, _line in _verbs.items():
        app.command(_verb, help=_line, rich_help_panel=_group)(lambda: None)

if __name__ == "__main__":
    sys.exit(main())
