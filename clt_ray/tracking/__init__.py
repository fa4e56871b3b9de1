"""Records a sweep in MLflow. The store is the source; MLflow is written from it. Only this package imports mlflow."""

from clt_ray.tracking.client import TrackerUnavailable
from clt_ray.tracking.read import read_items, read_scores, read_validation
from clt_ray.tracking.sweep_tracker import BestEffortTracker, SweepTracker, TerminalStatus
from clt_ray.tracking.ui import experiment_url, ui_command

__all__ = [
    "BestEffortTracker", "SweepTracker", "TerminalStatus", "TrackerUnavailable", "experiment_url", "read_items",
    "read_scores", "read_validation", "ui_command",
]  # fmt: skip
