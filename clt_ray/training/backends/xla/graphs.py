"""Runs computations on the chips, each recorded once and then repeated without being recorded again.

torch_xla records the operations of a step one by one, and only then knows whether it has compiled the same graph
before. For a model of 32 layers this takes the host one to two seconds per step, longer than the chips need. So a
computation is recorded once for every kind and shape, and later calls give its compiled program their tensors:

    call 1    record  ->  compile  ->  execute (parameters, moments, batch)
    call 2    record  ->  compare with call 1  ->  execute
    call 3              execute (parameters, moments, batch)

A value that changes between calls must be one of those tensors. Any other becomes part of the program: torch_xla would
compile again at every step, which costs minutes on a TPU, and a repeated program would go on with the old value. So the
second call compares, and a difference is an error.
"""

from collections.abc import Callable, Iterable, Sequence
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


@dataclass
class GraphBook:
    """The computations of a run by kind and shape, such as `train (64, 1024)`."""

    programs: dict[str, Program] = field(default_factory=dict)
    _same: set[str] = field(default_factory=set)

    def run(
        self,
        name: str,
        step: int,
        compute: Callable[[], Sequence[Tensor]],
        reads: Iterable[Tensor] = (),
        changes: Iterable[Tensor] = (),
    ) -> list[Tensor]:
        """Starts a computation and returns its results while the chips compute them.

        Args:
            name: Kind and shape of the computation.
            compute: Records the operations and returns the results; called at the first two calls with a name only.
            reads: All tensors on the chips that the operations read, in the same order at every call.
            changes: All tensors that they change in place, likewise. Their old values are overwritten on the chips.

        Raises:
            RecompilationError: The second recording with this name is another computation than the first, or a tensor
                that the operations read is not given.
        """
        changed = _distinct(changes)
        tensors = _distinct([*changed, *reads])
        program = self.programs.get(name)
        if program is not None and name in self._same:
            arguments = [tensors[place] if isinstance(place, int) else place for place in program.arguments]
            return self._execute(program, arguments, changed)
        recorded, arguments = self._record(compute, tensors, len(changed))
        if program is not None:
            self._require_same(name, step, program, recorded)
        self.programs[name] = recorded
        results = self._execute(recorded, arguments, changed)
        # What else was recorded, such as gradients, must not be computed from the values that are overwritten now.
        private.forget_recorded()
        return results

    @staticmethod
    def _execute(program: Program, arguments: Sequence[Tensor], changed: Sequence[Tensor]) -> list[Tensor]:
        results: list[Tensor] = private.run_compiled(program.key, arguments)
        for tensor, value in zip(changed, results, strict=False):
            private.replace_value(tensor, value)
        return results[len(changed) :]

    @staticmethod
    def _record(
        compute: Callable[[], Sequence[Tensor]], tensors: Sequence[Tensor], changed: int
    ) -> tuple[Program, list[Tensor]]:
        # What was recorded before is no part of this computation.
        torch_xla.sync()
        for place, tensor in enumerate(tensors):
            private.donate(tensor, place < changed)
        results, arguments, values = record(compute, tensors, changed)
        return Program(private.compiled_key(results), arguments), values

    def _require_same(self, name: str, step: int, first: Program, second: Program) -> None:
        why = "its operations differ from those before" if first.key != second.key else ""
        for one, two in zip(first.arguments, second.arguments, strict=False):
            if isinstance(two, Tensor) and two.dim() > 0:
                why = why or f"it reads a tensor of shape {tuple(two.shape)} that is not given"
            elif isinstance(two, Tensor) and not (isinstance(one, Tensor) and torch.equal(one.cpu(), two.cpu())):
                why = why or f"a number in it was {one} before and is {two.item()}"
        if why:
            raise RecompilationError(f"{name} at step {step}: {why}; known graphs: {', '.join(self.programs)}")
        self._same.add(name)


def record(
    compute: Callable[[], Sequence[Tensor]], tensors: Sequence[Tensor], changed: int
) -> tuple[list[Tensor], tuple[int | Tensor, ...], list[Tensor]]:
    """Records a computation without running it.

    Args:
        compute: As in `GraphBook.run`.
        tensors: What it changes, `changed` tensors, and what it reads.

    Returns:
        The results, which are the changed tensors first; the arguments of the program in its order, as in `Program`;
        and their values on the chips.
    """
    places = {number: place for place, tensor in enumerate(tensors) for number in _numbers(tensor)}
    results = [*tensors[:changed], *compute()]
    numbers, values = private.inputs_of(results)
    return results, tuple(places.get(number, value) for number, value in zip(numbers, values, strict=True)), values


def _distinct(tensors: Iterable[Tensor]) -> list[Tensor]:
    return list({id(tensor): tensor for tensor in tensors}.values())


def _numbers(tensor: Tensor) -> tuple[int, int]:
    """Returns the numbers under which torch_xla will report that a graph reads the value of this tensor.

    It reports the tensor that asked for the value last. That is this one, or the copy made here by asking for it.
    """
    _, (copy,) = private.inputs_of([tensor])
    return private.number_of(tensor), private.number_of(copy)
