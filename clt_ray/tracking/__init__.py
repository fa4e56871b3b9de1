"""Records a sweep in MLflow. The store is the source; MLflow is written from it. Only this package imports mlflow."""

from clt_ray.tracking.client import TrackerUnavailable
from clt_ray.tracking.experiment import experiment_url, ui_command
from clt_ray.tracking.read import read_items, read_scores
from clt_ray.tracking.sweep_tracker import BestEffortTracker, SweepTracker, TerminalStatus

__all__ = [
    "BestEffortTracker", "SweepTracker", "TerminalStatus", "TrackerUnavailable", "experiment_url", "read_items",
    "read_scores", "ui_command",
]  # fmt: skip
