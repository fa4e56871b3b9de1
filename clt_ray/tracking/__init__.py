"""MLflow as a picture of the store: written from it, never trusted over it. The only folder that knows MLflow."""

from clt_ray.tracking.client import TrackerUnavailable
from clt_ray.tracking.mirror import Mirror
from clt_ray.tracking.read import read_items, read_scores, read_validation
from clt_ray.tracking.ui import experiment_url, ui_command

__all__ = [
    "Mirror",
    "TrackerUnavailable",
    "experiment_url",
    "read_items",
    "read_scores",
    "read_validation",
    "ui_command",
]
