"""Runs computations on the chips, each recorded twice and then repeated without being recorded again.

torch_xla records the operations of a step one by one, and only then knows whether it has compiled the same graph
before. For a model of 32 layers this takes 0.4 s of the host's time per step. So a computation is recorded twice for
every kind and shape, and later calls give its compiled program their tensors, which takes 0.03 s
(`benchmarks/xla_host_time.py`):

    call 1    record  ->  compile  ->  execute (parameters, moments, batch)
    call 2    record  ->  compare with call 1  ->  execute
    call 3              execute (parameters, moments, batch)

A value that changes between calls must be one of those tensors. Any other becomes part of the program: torch_xla would
compile again at every step, which costs minutes on a TPU, and a repeated program would go on with the old value. So the
second call compares, and a difference is an error.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
import torch_xla
import torch_xla.debug.metrics as metrics
from torch import Tensor

from clt_ray.errors import CltRayError
from clt_ray.training.backends.xla import private


class RecompilationError(CltRayError):
    """A computation is another one at its second call: a value that changes has become part of its graph."""


def compiled() -> int:
    """Returns the number of graphs that this process has compiled so far."""
    return int(metrics.counter_value("UncachedCompile") or 0)


@dataclass(frozen=True)
class Program:
    """A compiled computation."""

    key: bytes
    """torch_xla's hash of the graph."""
    arguments: tuple[int | Tensor, ...]
    """Arguments of the program: the place of a tensor among those that the caller gives, or a constant."""


@dataclass(frozen=True)
class Computation:
    """What the chips are to compute, and from what."""

    name: str
    """Kind and shape, such as `train (64, 1024)`."""
    step: int
    """Training step that it belongs to, for messages."""
    compute: Callable[[], Sequence[Tensor]]
    """Records the operations and returns the results; called at the first two times with a name only."""
    reads: Sequence[Tensor] = ()
    """All tensors on the chips that the operations read, in the same order every time."""
    changes: Sequence[Tensor] = ()
    """All tensors that they change in place, likewise. Their old values are overwritten on the chips."""

    @property
    def changed(self) -> list[Tensor]:
        """The tensors of `changes`, each once."""
        return list(dict.fromkeys(self.changes))

    @property
    def tensors(self) -> list[Tensor]:
        """The tensors of `changes` and then those of `reads`, each once."""
        return list(dict.fromkeys([*self.changes, *self.reads]))

    def record(self) -> tuple[list[Tensor], tuple[int | Tensor, ...], list[Tensor]]:
        """Records the operations without running them.

        Returns:
            The results, which are the changed tensors first; the arguments of the program in its order, as in
            `Program`; and their values on the chips.
        """
        places = {number: place for place, tensor in enumerate(self.tensors) for number in _numbers(tensor)}
        results = [*self.changed, *self.compute()]
        # torch_xla leaves out what is no new value, and the others would be taken for it.
        assert all(private.are_computed(results)), "every result is computed, and every changed tensor changes"
        numbers, values = private.inputs_of(results)
        return results, tuple(places.get(number, value) for number, value in zip(numbers, values, strict=True)), values


@dataclass
class GraphBook:
    """The computations of a run by kind and shape, such as `train (64, 1024)`."""

    programs: dict[str, Program] = field(default_factory=dict)
    _same: set[str] = field(default_factory=set)

    def run(self, computation: Computation) -> list[Tensor]:
        """Starts a computation and returns its results while the chips compute them.

        Raises:
            RecompilationError: The second recording with this name is another computation than the first, or a tensor
                that the operations read is not given.
        """
        name, changed, tensors = computation.name, computation.changed, computation.tensors
        known = self.programs.get(name)
        if known is not None and name in self._same:
            arguments = [tensors[place] if isinstance(place, int) else place for place in known.arguments]
            return self._execute(known, arguments, changed)
        # What was recorded before is no part of this computation.
        torch_xla.sync()
        for place, tensor in enumerate(tensors):
            private.donate(tensor, place < len(changed))
        results, places, values = computation.record()
        program = Program(private.compiled_key(results), places)
        if known is not None:
            self._require_same(computation, known, program)
        self.programs[name] = program
        computed = self._execute(program, values, changed)
        # What else was recorded, such as gradients, must not be computed from the values that are overwritten now.
        private.forget_recorded()
        return computed

    @staticmethod
    def _execute(program: Program, arguments: Sequence[Tensor], changed: Sequence[Tensor]) -> list[Tensor]:
        results: list[Tensor] = private.run_compiled(program.key, arguments)
        for tensor, value in zip(changed, results, strict=False):
            private.replace_value(tensor, value)
        return results[len(changed) :]

    def _require_same(self, computation: Computation, first: Program, second: Program) -> None:
        why = "its operations differ from those before" if first.key != second.key else ""
        for one, two in zip(first.arguments, second.arguments, strict=False):
            if isinstance(two, Tensor) and two.dim() > 0:
                why = why or f"it reads a tensor of shape {tuple(two.shape)} that is not given"
            elif isinstance(two, Tensor) and not (isinstance(one, Tensor) and torch.equal(one.cpu(), two.cpu())):
                why = why or f"a number in it was {one} before and is {two.item()}"
        if why:
            known = ", ".join(self.programs)
            raise RecompilationError(f"{computation.name} at step {computation.step}: {why}; known graphs: {known}")
        self._same.add(computation.name)


def _numbers(tensor: Tensor) -> tuple[int, int]:
    """Returns the numbers under which torch_xla will report that a graph reads the value of this tensor.

    It reports the tensor that asked for the value last. That is this one, or the copy made here by asking for it.
    """
    _, (copy,) = private.inputs_of([tensor])
    return private.number_of(tensor), private.number_of(copy)
