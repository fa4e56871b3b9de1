"""What the command line does, as functions: each verb parses, calls one of these, and prints."""

from clt_ray.api.files import clean, export
from clt_ray.api.inspect import best, plan, status, validate
from clt_ray.api.locations import Locations, locate
from clt_ray.api.report import report
from clt_ray.api.run import RunOutcome, run
from clt_ray.api.ui import ui

__all__ = [
    "Locations",
    "RunOutcome",
    "best",
    "clean",
    "export",
    "locate",
    "plan",
    "report",
    "run",
    "status",
    "ui",
    "validate",
]
