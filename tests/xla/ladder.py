"""Traces, or compiles, attention with the kernel and its gradients for rows of several widths.

    python -m tests.xla.ladder trace FOLDER WIDTH...      # with `tracing_environment(CHIPS)`
    python -m tests.xla.ladder compile FOLDER WIDTH...    # prints the number of kernels by width as JSON

torch_xla and libtpu each need a process of their own, and one process serves all widths.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from clt_ray.training.backends.xla.proof.compile import compile_step

CHIPS, TOPOLOGY, HEADS, HEAD_SIZE = 4, "v5e:2x2", 1, 128


def trace(width: int) -> bytes:
    """Returns the gradients of queries, keys and values as a serialised HLO module."""
    import torch
    import torch_xla
    import torch_xla.runtime as runtime

    from clt_ray.training.backends.xla import attention
    from clt_ray.training.backends.xla.plan import MeshShape
    from clt_ray.training.backends.xla.proof.trace import PlaceholderSlice

    runtime.use_spmd()
    attention.lower_kernels_for_tpu()
    chips = PlaceholderSlice(MeshShape(CHIPS))
    zeros = torch.zeros(1, dtype=torch.bfloat16).expand(CHIPS, HEADS, width, HEAD_SIZE)
    query, key, value = (chips.put(zeros, attention.HEADS).requires_grad_() for _ in range(3))
    attention.flash(chips, query, key, value, HEAD_SIZE**-0.5).sum().backward()
    program: bytes = torch_xla._XLAC._get_xla_tensors_hlo_proto([query.grad, key.grad, value.grad])
    return program


def main() -> None:
    what, folder, *widths = sys.argv[1:]
    programs = {width: Path(folder, f"{width}.hlo") for width in widths}
    if what == "compile":
        kernels = {
            width: compile_step(path.read_bytes(), [None] * 3, TOPOLOGY).kernels for width, path in programs.items()
        }
        print(json.dumps(kernels))
    for width, path in programs.items():
        if what == "trace":
            path.write_bytes(trace(int(width)))


if __name__ == "__main__":
    main()
