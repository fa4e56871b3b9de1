"""Counts the graphs that a run compiles.

A value that becomes part of a graph makes every step compile another one. On a TPU that costs minutes, and it goes
unnoticed, since the loss stays right. So every execution names the graph that it expects, and compiling one more than
expected is an error.
"""

from dataclasses import dataclass, field

import torch_xla
import torch_xla.debug.metrics as metrics

from clt_ray.errors import CltRayError


class RecompilationError(CltRayError):
    """A shape was compiled twice: a value that changes from step to step has become part of the graph."""


def compiled() -> int:
    """Returns the number of graphs that this process has compiled or fetched from the persistent cache so far."""
    return int(metrics.counter_value("UncachedCompile") or 0)


@dataclass
class GraphBook:
    """The graphs of a run by kind and shape."""

    seen: dict[str, int] = field(default_factory=dict)
    """The step that compiled each graph, by the graph's kind and shape."""

    def run(self, name: str, step: int) -> None:
        """Executes the recorded operations as the graph `name`, its kind and shape such as `train (64, 1024)`.

        Raises:
            RecompilationError: The graph was compiled before and is compiled again, or several graphs are compiled.
        """
        before = compiled()
        torch_xla.sync()
        new = compiled() - before
        if new > (name not in self.seen):
            known = ", ".join(self.seen) or "none"
            raise RecompilationError(
                f"{new} graph(s) compiled for {name} at step {step}, where "
                f"{'none was' if name in self.seen else 'one was'} expected; known graphs: {known}"
            )
        self.seen.setdefault(name, step)
