"""Options that verbs share, and how a verb's function becomes a command line.

    @dataclass(frozen=True)
    class ExportOptions:                                    # one documented object in Python ...
        overwrite: Annotated[bool, typer.Option("--overwrite", help="...")] = False

    def command(run_id: RunId, options: ExportOptions) -> int: ...      # ... and separate options on the command line

`flattened` replaces every parameter whose type is a dataclass by that class's fields.
"""

import inspect
import shlex
from collections.abc import Callable
from dataclasses import MISSING, fields, is_dataclass
from functools import partial
from importlib import import_module
from typing import Annotated, Any, get_type_hints

import typer

from clt_ray.opened import OpenSweep


def argument(metavar: str, help: str) -> Any:
    """Returns a positional argument for Typer, without the default value in the help."""
    return typer.Argument(metavar=metavar, help=help, show_default=False)


def value_option(name: str, metavar: str, help: str, **limits: Any) -> Any:
    """Returns an option that takes a value for Typer, without the default in the help."""
    return typer.Option(name, metavar=metavar, help=help, show_default=False, **limits)


def flag(name: str, help: str) -> Any:
    """Returns an option that takes no value for Typer."""
    return typer.Option(name, help=help)


SweepFile = Annotated[str, argument("SWEEP", "Sweep file, such as sweeps/smoke.yaml.")]
STORAGE_HELP = "Path or URI of the runs (default: $CLT_RAY_STORAGE, else ./clt-runs)."
Storage = Annotated[str | None, value_option("--storage", "URI", STORAGE_HELP)]
TRACKING_HELP = "MLflow (default: $MLFLOW_TRACKING_URI, else an SQLite file in the storage)."
TrackingUri = Annotated[str | None, value_option("--tracking-uri", "URI", TRACKING_HELP)]
SET_HELP = "Override a key of the sweep file, such as training.epochs=2; may be repeated."
Overrides = Annotated[list[str] | None, value_option("--set", "KEY=VALUE", SET_HELP)]
PILOT_HELP = "The sweep's pilot: the smallest and the largest run of every model and task, for two validations."
Pilot = Annotated[bool, flag("--pilot", PILOT_HELP)]
Json = Annotated[bool, flag("--json", "Print JSON for programs.")]
Verbose = Annotated[bool, flag("--verbose", "Show what libraries print.")]

REPEATED = {"--set": "overrides", "--storage": "storage", "--tracking-uri": "tracking_uri", "--pilot": "pilot"}
"""Options that open a sweep, and the parameter by which a verb's command accepts each."""


def flattened(command: Callable[..., int]) -> tuple[list[inspect.Parameter], Callable[[dict[str, Any]], int]]:
    """Returns a command's parameters with dataclasses replaced by their fields, and a caller that puts them together.

    The parameters are annotated with types that Typer knows, or with dataclasses whose fields are.
    """
    hints = get_type_hints(command, include_extras=True)
    keyword_only = partial(inspect.Parameter, kind=inspect.Parameter.KEYWORD_ONLY)
    parameters: list[inspect.Parameter] = []
    groups: dict[str, Any] = {}
    for name, parameter in inspect.signature(command).parameters.items():
        kind = hints[name]
        if is_dataclass(kind):
            field_hints = get_type_hints(kind, include_extras=True)
            groups[name] = kind
            for field in fields(kind):
                default = inspect.Parameter.empty if field.default is MISSING else field.default
                parameters.append(keyword_only(field.name, annotation=field_hints[field.name], default=default))
        else:
            parameters.append(keyword_only(name, annotation=kind, default=parameter.default))

    def call(values: dict[str, Any]) -> int:
        arguments = {name: value for name, value in values.items() if name in hints}
        for name, kind in groups.items():
            arguments[name] = kind(**{field.name: values[field.name] for field in fields(kind)})
        return command(**arguments)

    return parameters, call


def next_command(sweep: OpenSweep, verb: str, *arguments: str) -> str:
    """Returns another verb's command line with the options that both accept, redacted; `arguments` follow the file."""
    accepted = inspect.signature(import_module(f"clt_ray.verbs.{verb}").command).parameters
    words = ["clt-ray", verb, sweep.file, *arguments]
    for option, value in sweep.options:
        if REPEATED[option] in accepted:
            words += [option, value] if value else [option]
    return shlex.join(words)
