"""Executes attempts of a run in new processes that have the libraries and rows already, which saves seconds each."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import resource
import signal
from collections.abc import Callable
from math import nan
from pathlib import Path
from typing import Any

from clt_ray.pipeline import execute
from clt_ray.store import Store
from clt_ray.sweep.run import RunSpec
from tests.support.mortal import mortal_store

server = multiprocessing.get_context("forkserver")
server.set_forkserver_preload(
    [
        "clt_ray.training.backends.torch",
        "clt_ray.training.trainer",
        "clt_ray.evaluation.evaluate",
        __name__,
        "tests.support.prepared",
    ]
)

ROOM_BYTES = 256 * 1024 * 1024


def in_child(function: Callable[..., Any], *arguments: Any) -> int:
    """Calls a function in a new process and returns the exit status of that process."""
    child: Any = server.Process(target=function, args=arguments)  # type: ignore[attr-defined]
    child.start()
    child.join()
    status: int = child.exitcode
    return status


def attempt(run: RunSpec, uri: str) -> None:
    """Executes a run to its end."""
    assert execute(run, Store(uri)) == "finished"


def attempt_killed_at(run: RunSpec, uri: str, write: int, halfway: bool) -> None:
    """Executes a run until its n-th write; see `mortal_store`."""
    assert execute(run, mortal_store(uri, write, halfway=halfway)) == "finished"


def attempt_killed_in(run: RunSpec, uri: str, step: int) -> None:
    """Executes a run until it is in the middle of an optimizer step."""
    _at_step(step, lambda _: os.kill(os.getpid(), signal.SIGKILL))
    execute(run, Store(uri))


def attempt_with_nan(run: RunSpec, uri: str, step: int) -> None:
    """Executes a run whose model computes NaN in one optimizer step."""
    _at_step(step, lambda output: setattr(output, "logits", output.logits * nan))
    assert execute(run, Store(uri)) == "failed"


def attempt_without_memory(run: RunSpec, uri: str, step: int) -> None:
    """Executes a run that has no memory left in one optimizer step."""
    import torch

    def exhaust(output: Any) -> None:
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + ROOM_BYTES, resource.RLIM_INFINITY))
        torch.zeros(4 * ROOM_BYTES, dtype=torch.uint8)

    _at_step(step, exhaust)
    execute(run, Store(uri))


def _at_step(step: int, plant: Callable[[Any], Any]) -> None:
    """Calls a function with the output of the model in the forward pass of one optimizer step."""
    import torch

    steps = itertools.count(1)

    def hook(module: Any, inputs: Any, output: Any) -> None:
        if type(module).__name__ == "LlamaForCausalLM" and module.training and next(steps) == step:
            plant(output)

    torch.nn.modules.module.register_module_forward_hook(hook)
