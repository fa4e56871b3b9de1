"""Metric logs: one JSON object per line, which survive a crash in the middle of a line.

    {"step": 50, "metrics": {"val/loss": 1.25}, "time": 1767225600.0}

A line counts when its newline is there. Numbers that JSON does not have are written as the texts "nan", "inf"
and "-inf", so that every line is JSON to other programs too.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass

from clt_ray.store.errors import StoreError


@dataclass(frozen=True)
class MetricPoint:
    """Metrics recorded at one optimizer step."""

    step: int
    """Optimizer steps taken."""
    metrics: Mapping[str, float]
    """Value by name; may be infinite or not a number."""
    time: float
    """When it was recorded, in unix seconds."""

    def encode(self) -> bytes:
        """The point as a line."""
        metrics = {name: _to_json(float(value)) for name, value in self.metrics.items()}
        document = {"step": int(self.step), "metrics": metrics, "time": self.time}
        return json.dumps(document, ensure_ascii=False, allow_nan=False).encode() + b"\n"

    @classmethod
    def decode(cls, line: bytes) -> MetricPoint:
        """The point that `encode` wrote.

        Raises:
            ValueError, TypeError, KeyError: The line is none.
        """
        document = json.loads(line)
        metrics = {str(name): float(value) for name, value in document["metrics"].items()}
        return cls(int(document["step"]), metrics, float(document["time"]))


def decode_log(data: bytes, uri: str) -> list[MetricPoint]:
    """All points of a log in the order they were appended, without a torn last line.

    Raises:
        StoreError: A whole line is not a point.
    """
    points = []
    for number, line in enumerate(data[: data.rfind(b"\n") + 1].splitlines(), start=1):
        try:
            points.append(MetricPoint.decode(line))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise StoreError(f"{uri}: line {number} is not a metric point: {line[:80]!r}") from error
    return points


def _to_json(value: float) -> float | str:
    return value if math.isfinite(value) else str(value)
