"""Speed of the optimizer steps between two logs: tokens per second, seconds per step, share of padding.

    step  step  validation  checkpoint  step  step  log
    [---------]                         [---------]        the seconds that count

Validation, answer scoring, checkpoints and measured gradients are left out, so the figures of two runs compare
however often the runs validate.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

TOKENS_PER_SECOND = "perf/tokens_per_second"
PADDING_FRACTION = "perf/padding_fraction"
STEP_SECONDS = "perf/step_seconds"


class Throughput:
    """Counts the tokens and the seconds of the steps since the last call of `metrics`; `clock` gives seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.restart()

    def restart(self) -> None:
        """Forgets everything counted, as training does when its first step is about to begin."""
        self._tokens: list[Tensor] = []
        self._slots = 0
        self._excluded_seconds = 0.0
        self._started = self._clock()

    def add_step(self, attention_mask: Tensor) -> None:
        """Counts one optimizer step by the mask (rows, tokens) of its batch in this process: 0 is padding."""
        # Summed on the device and read only when logging, so that an accelerator does not have to wait.
        self._tokens.append(attention_mask.sum())
        self._slots += attention_mask.numel()

    @contextmanager
    def excluded(self) -> Iterator[None]:
        """Leaves the time of the block out. Blocks must not be nested."""
        began = self._clock()
        try:
            yield
        finally:
            self._excluded_seconds += self._clock() - began

    def metrics(self) -> dict[str, float]:
        """Returns the metrics of the steps since the last call, and starts counting anew."""
        steps = len(self._tokens)
        tokens = int(torch.stack(self._tokens).sum()) if steps else 0
        seconds = self._clock() - self._started - self._excluded_seconds
        metrics = {
            TOKENS_PER_SECOND: tokens / seconds if seconds > 0 else 0.0,
            PADDING_FRACTION: 1 - tokens / self._slots if self._slots else 0.0,
            STEP_SECONDS: seconds / steps if steps else 0.0,
        }
        self.restart()
        return metrics
