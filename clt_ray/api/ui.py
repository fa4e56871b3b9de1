"""The verb `ui`: MLflow's web interface on a sweep's store."""

from __future__ import annotations

import subprocess

from clt_ray.api.locations import Locations
from clt_ray.sweep.load import load_sweep


def ui(path: str, locations: Locations, port: int = 5000) -> int:
    """Serve the MLflow UI on 127.0.0.1 until interrupted.

    Returns:
        The exit status of the server; an interrupt is a normal end.
    """
    from clt_ray.tracking import experiment_url, ui_command

    name = load_sweep(path).name
    print(f"MLflow UI of {name}: {experiment_url(locations.tracking_uri, name, port)}  (Ctrl-C ends it)")
    try:
        return subprocess.call(ui_command(locations.tracking_uri, port))
    except KeyboardInterrupt:
        return 0
