"""Compile a traced training step for a TPU topology on a machine that has no TPU.

    python -m clt_ray.training.backends.xla.proof.compile PROGRAM.hlo v5e:8x8     # prints `CompiledStep` as JSON

libtpu's compiler runs on any machine. Its input is the program that `trace` wrote, which states how each argument is
split over the chips. Two facts that the program does not state are added here:

    parameters and optimizer state     are donated: the updated values take their memory
    results                            are split as the tensors that they replace

Without the first all state would be counted twice; without the second every result would be counted whole on every
chip.

Requires jax and libtpu in the versions of the `tpu` extra. Compiling takes gigabytes, so use a process of its own.
"""

import io
import json
import math
import os
import re
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from clt_ray.training.backends.fit import CompiledStep

LIBTPU_FLAGS = (
    "--xla_tpu_use_enhanced_launch_barrier=false",
    "--xla_latency_hiding_scheduler_rerun=1",
    "--xla_tpu_prefer_async_allgather_to_allreduce=true",
    "--xla_tpu_enable_flash_attention=false",
    "--xla_enable_async_all_gather=true",
    "--xla_enable_async_collective_permute=true",
)
"""Flags that torch_xla 2.9 gives libtpu on a v5 chip when it is imported; without them the compiler may produce another
program."""
COLLECTIVES = ("all-gather", "all-reduce", "reduce-scatter", "all-to-all", "collective-permute")
REPLICATED = "{replicated}"
GIB = 2**30


def compile_step(program: bytes, replaced: Sequence[int | None], topology: str) -> CompiledStep:
    """Compiles a program, a serialised HLO module with sharding annotations, for all chips of a topology.

    `replaced` are the arguments whose places the results take, as in `trace.TakenGraph`.

    Raises:
        jax.errors.JaxRuntimeError: The compiler refuses the program; where memory runs out, the message names the
            largest tensors.
    """
    # libtpu would ask the cloud's metadata server for the machine's type, and jax would start the first platform found.
    os.environ.update(TPU_SKIP_MDS_QUERY="1", JAX_PLATFORMS="cpu")
    os.environ.setdefault("LIBTPU_INIT_ARGS", " ".join(LIBTPU_FLAGS))
    # libtpu lets one process use the chips; this process uses none of them.
    os.environ.setdefault("ALLOW_MULTIPLE_LIBTPU_LOAD", "1")
    from jax.experimental import topologies
    from jaxlib import xla_client

    devices = topologies.get_topology_desc(platform="tpu", topology_name=topology).devices
    count = len(devices)
    module, kernels = module_of(program, replaced)
    options = partitioning([device.id for device in devices])
    began = time.monotonic()
    compiled = devices[0].client.compile(module, xla_client.DeviceList(tuple(devices)), options)
    seconds = time.monotonic() - began
    memory, cost = compiled.get_compiled_memory_stats(), compiled.cost_analysis()
    return CompiledStep(
        topology=topology,
        chips=count,
        arguments_gib=memory.argument_size_in_bytes / GIB,
        temporaries_gib=memory.temp_size_in_bytes / GIB,
        code_gib=memory.generated_code_size_in_bytes / GIB,
        kernels=kernels,
        flops=float(cost["flops"]),
        bytes_accessed=float(cost["bytes accessed"]),
        collectives=collectives(compiled.hlo_modules()[0].to_string()),
        compile_seconds=seconds,
    )


def collectives(text: str) -> dict[str, float]:
    """Returns the bytes of the results of the collectives in an optimised HLO program, by kind."""
    bytes_of: dict[str, float] = {}
    for results, kind in re.findall(rf"= (.*?) ({'|'.join(COLLECTIVES)})\(", text):
        sizes = [
            math.prod(map(int, filter(None, shape.split(",")))) * max(1, int(bits or 8) // 8)
            for bits, shape in re.findall(r"[a-z]+(\d*)\[([\d,]*)\]", results)
        ]
        bytes_of[kind] = bytes_of.get(kind, 0.0) + sum(sizes)
    return bytes_of


def partitioning(devices: Sequence[int]) -> Any:
    """Returns the compiler's options for one program that is split over the devices with these numbers."""
    import numpy as np
    from jaxlib import xla_client

    options = xla_client.CompileOptions()
    build, count = options.executable_build_options, len(devices)
    assignment = xla_client.DeviceAssignment.create(np.array(devices).reshape(1, count))
    options.num_replicas, options.num_partitions, options.device_assignment = 1, count, assignment
    build.use_spmd_partitioning, build.num_partitions, build.num_replicas = True, count, 1
    build.device_assignment = assignment
    return options


def module_of(program: bytes, replaced: Sequence[int | None]) -> tuple[bytes, int]:
    """Returns the program as MLIR bytecode, with arguments donated and results split, and its number of kernels."""
    from jax._src.interpreters import mlir
    from jaxlib import xla_client
    from jaxlib.mlir import ir

    text = xla_client._xla.mlir.xla_computation_to_mlir_module(xla_client.XlaComputation(program))
    with mlir.make_ir_context(), ir.Location.unknown():
        module = ir.Module.parse(text)
        main = next(function for function in module.body.operations if function.name.value == "main")
        block = main.regions[0].blocks[0]
        shardings = [_sharding(argument) for argument in block.arguments]
        arguments = [_attributes(ir, sharding, donate=index in replaced) for index, sharding in enumerate(shardings)]
        main.attributes["arg_attrs"] = ir.ArrayAttr.get(arguments)
        places = [None if index is None else shardings[index] for index in replaced]
        split = [_attributes(ir, sharding, donate=False) for sharding in places]
        main.attributes["res_attrs"] = ir.ArrayAttr.get(split)
        written = io.BytesIO()
        module.operation.write_bytecode(written)
    return written.getvalue(), text.count(b"tpu_custom_call" if isinstance(text, bytes) else "tpu_custom_call")


def _sharding(argument: Any) -> Any:
    """Returns how the program splits an argument, or None; an annotation is a custom call on the argument."""
    for use in argument.uses:
        operation = use.owner
        if operation.name == "stablehlo.custom_call" and "mhlo.sharding" in operation.attributes:
            return operation.attributes["mhlo.sharding"]
    return None


def _attributes(ir: Any, sharding: Any, *, donate: bool) -> Any:
    attributes = {"mhlo.sharding": sharding if sharding is not None else ir.StringAttr.get(REPLICATED)}
    if donate:
        attributes["jax.buffer_donor"] = ir.BoolAttr.get(True)
    return ir.DictAttr.get(attributes)


def main(arguments: Sequence[str]) -> None:
    path, topology = arguments
    replaced = json.loads(Path(path).with_suffix(".json").read_text())
    print(json.dumps(asdict(compile_step(Path(path).read_bytes(), replaced, topology))))


if __name__ == "__main__":
    main(sys.argv[1:])
