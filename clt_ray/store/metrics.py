"""Metric logs with one JSON object per line, which survive a crash in the middle of a line.

    {"step": 50, "metrics": {"val/loss": 1.25}, "time": 1767225600.0}

A line counts once its newline is written. Numbers that JSON cannot express are written as the strings "nan", "inf"
and "-inf", so that other programs can parse every line.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from clt_ray.store.documents import StoreError


@dataclass(frozen=True)
class MetricPoint:
    """Metrics recorded at one optimizer step."""

    step: int
    """Optimizer steps taken before the measurement."""
    metrics: Mapping[str, float]
    """Value of each metric by its name; values may be infinite or not a number."""
    time: float
    """When the point was recorded, in Unix seconds."""

    def encode(self) -> bytes:
        """Returns the point as a line of a log."""
        values = {name: float(value) for name, value in self.metrics.items()}
        metrics = {name: value if math.isfinite(value) else str(value) for name, value in values.items()}
        document = {"step": int(self.step), "metrics": metrics, "time": self.time}
        return json.dumps(document, ensure_ascii=False, allow_nan=False).encode() + b"\n"

    @classmethod
    def decode(cls, line: bytes) -> Self:
        """Returns the point that `encode` wrote."""
        document = json.loads(line)
        metrics = {str(name): float(value) for name, value in document["metrics"].items()}
        return cls(int(document["step"]), metrics, float(document["time"]))


def sound_part(data: bytes) -> bytes:
    """Returns the lines of a log before the first one that is damaged or incomplete."""
    end = 0
    for line in data.splitlines(keepends=True):
        try:
            MetricPoint.decode(line)
        except (ValueError, TypeError, KeyError, AttributeError):
            break
        end += len(line) if line.endswith(b"\n") else 0
    return data[:end]


def decode_log(data: bytes, uri: str) -> list[MetricPoint]:
    """Returns a log's complete lines as points, in order; raises `StoreError` for a line that is no point."""
    points = []
    for number, line in enumerate(data[: data.rfind(b"\n") + 1].splitlines(), start=1):
        try:
            points.append(MetricPoint.decode(line))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise StoreError(f"{uri}: line {number} is not a metric point: {line[:80]!r}") from error
    return points


def stamped(data: bytes, epoch: int) -> bytes:
    """Returns the complete lines of a log, the last of which also has the key `epoch`.

    A log that a later holder of the lease has taken over thereby differs from the log that a former holder knows, even
    where the version of an object is a hash of its content.
    """
    lines = data[: data.rfind(b"\n") + 1].splitlines(keepends=True)
    try:
        last = json.loads(lines[-1]) | {"epoch": epoch}
    except (IndexError, ValueError, TypeError):
        return b"".join(lines)
    return b"".join(lines[:-1]) + json.dumps(last, ensure_ascii=False).encode() + b"\n"
