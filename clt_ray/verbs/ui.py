"""`clt-ray ui`: the MLflow web interface on a sweep's experiment."""

import subprocess
from typing import Annotated

import typer

from clt_ray.opened import OpenSweep, open_sweep
from clt_ray.tracking import experiment_url, ui_command
from clt_ray.verbs.options import Overrides, Storage, SweepFile, TrackingUri

DEFAULT_PORT = 5000

Port = Annotated[int, typer.Option("--port", help="Port on 127.0.0.1.", min=1, max=65535)]


def ui(sweep: OpenSweep, port: int = DEFAULT_PORT) -> int:
    """Serves the MLflow interface on 127.0.0.1 until it is interrupted; prints the address of the sweep's experiment.

    Returns the exit status of the server; an interrupt counts as success.

    Raises:
        ConfigurationError: The tracker is a server, which has an interface of its own.
        TrackerUnavailable: MLflow does not answer.
    """
    uri = sweep.locations.tracking_uri
    serve = ui_command(uri, port)
    print(f"MLflow UI of {sweep.name}: {experiment_url(uri, sweep.name, port)}  (Ctrl-C ends it)", flush=True)
    try:
        return subprocess.call(serve)
    except KeyboardInterrupt:
        return 0


def command(
    sweep: SweepFile,
    storage: Storage = None,
    tracking_uri: TrackingUri = None,
    overrides: Overrides = None,
    port: Port = DEFAULT_PORT,
) -> int:
    return ui(open_sweep(sweep, overrides=overrides or (), storage=storage, tracking_uri=tracking_uri), port)
