"""The command line: assembles the verbs of `clt_ray.verbs`, and turns their errors into messages and exit codes.

Exit codes: 0 done, 1 failed, 2 wrong usage or configuration, 3 incomplete.
"""

from __future__ import annotations

import inspect
import logging
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

import typer

from clt_ray.errors import CltRayError, ConfigurationError
from clt_ray.verbs.options import Verbose, flattened

FAILED, WRONG, INCOMPLETE = 1, 2, 3

VERBS = {
    "Look before you spend": ("validate", "data", "plan"),
    "Run a sweep": ("run", "status"),
    "Use the results": ("best", "export", "judge", "report", "advise", "ui"),
    "Housekeeping": ("clean",),
}
"""Verbs by the group that the help shows them in."""

NOISY_LOGGERS = ("ray", "mlflow", "alembic", "matplotlib", "fontTools", "transformers", "datasets")

app = typer.Typer(
    name="clt-ray",
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


def _add(verb: str, group: str) -> None:
    """Adds a verb's command to the application."""
    command = import_module(f"clt_ray.verbs.{verb}").command
    parameters, call = flattened(command)
    if "verbose" not in {parameter.name for parameter in parameters}:
        keyword = inspect.Parameter.KEYWORD_ONLY
        parameters.append(inspect.Parameter("verbose", keyword, default=False, annotation=Verbose))

    def run_verb(**values: Any) -> None:
        _set_verbosity(values["verbose"])
        raise typer.Exit(_exit_code(call, values))

    run_verb.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run_verb.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    app.command(verb, help=command.__doc__, rich_help_panel=group)(run_verb)


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


for _group, _verbs in VERBS.items():
    for _verb in _verbs:
        _add(_verb, _group)

if __name__ == "__main__":
    sys.exit(main())
