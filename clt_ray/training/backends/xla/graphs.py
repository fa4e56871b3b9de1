"""How many graphs a run has compiled, and how often it has read from the device.

A step that needs another graph than the one made for its shape costs minutes on a TPU and hides: the loss is right,
only the time is not. So every execution says which graph it expects, and one more than those is an error.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch_xla
import torch_xla.debug.metrics as metrics

from clt_ray.errors import CltRayError


class RecompilationError(CltRayError):
    """A shape was compiled twice: something that should be a value has become part of a graph."""


def compiled() -> int:
    """Graphs that this process has compiled or fetched from the persistent cache so far."""
    return int(metrics.counter_value("UncachedCompile") or 0)


def device_reads() -> int:
    """Transfers from the device to the host so far; each waits for the device."""
    transfers = metrics.metric_data("TransferFromDeviceTime")
    return int(transfers[0]) if transfers else 0


@dataclass
class GraphBook:
    """The graphs of a run, by what they are for."""

    seen: dict[str, int] = field(default_factory=dict)
    """Kind and shape of each graph -> the step that compiled it."""

    def run(self, name: str, step: int) -> None:
        """Execute what has been recorded as graph `name`.

        Args:
            name: Kind and shape, such as `train (64, 1024)`.
            step: For the message.

        Raises:
            RecompilationError: It has been compiled before and was compiled again, or more than one graph was made.
        """
        before = compiled()
        torch_xla.sync()
        made = compiled() - before
        if made > (name not in self.seen):
            known = ", ".join(self.seen) or "none"
            raise RecompilationError(
                f"{made} graph(s) compiled for {name} at step {step}, where "
                f"{'none was' if name in self.seen else 'one was'} expected; known graphs: {known}"
            )
        self.seen.setdefault(name, step)
