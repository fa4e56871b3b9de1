"""`clt-ray validate`: every error of a sweep file at once, before anything else is done with it."""

from dataclasses import asdict, dataclass
from typing import Annotated, Any

from clt_ray.opened import OpenSweep, open_sweep
from clt_ray.sweep.spec import json_schema
from clt_ray.verbs.options import Json, Overrides, argument, flag
from clt_ray.verbs.terminal import argument_error, print_json, print_result

OptionalSweepFile = Annotated[str | None, argument("SWEEP", "Sweep file, such as sweeps/smoke.yaml.")]
Schema = Annotated[bool, flag("--schema", "Print the JSON schema of sweep files, for editors; takes no SWEEP.")]


@dataclass(frozen=True)
class Validation:
    """A sweep file without errors."""

    sweep: str
    valid: bool
    """True: a file with errors raises `ConfigurationError` instead."""
    runs: int

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def validate(sweep: OpenSweep) -> Validation:
    """Expands a sweep, whose file was checked when it was opened, into its runs."""
    return Validation(sweep.name, True, len(sweep.runs))


def command(
    sweep: OptionalSweepFile = None, overrides: Overrides = None, schema: Schema = False, as_json: Json = False
) -> int:
    if schema:
        if sweep or overrides or as_json:
            message = "takes neither a SWEEP nor other options"
            raise argument_error("validate", "--schema", None, message, "clt-ray validate --schema")
        print_json(json_schema())
        return 0
    if sweep is None:
        raise argument_error("validate", "SWEEP", None, "is missing", "clt-ray validate sweeps/smoke.yaml")
    validation = validate(open_sweep(sweep, overrides=overrides or ()))
    print_result(validation, as_json, lambda result: print(f"{sweep}: valid, {result.runs} runs"))
    return 0
