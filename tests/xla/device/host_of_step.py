"""Run an exported training step as one host of a slice: a process that has its own chips only.

Usage: host_of_step.py FOLDER HOST HOSTS PORT EXPORTED STEPS, where EXPORTED is what `exported_step.py` has printed

The program is compiled for the chips of all hosts, as on a slice, and the hosts exchange data with Gloo. Each gives the
program the parts of the arguments that its own chips hold, as the sharding in the program says. Prints as JSON the
gauges after each step, and the share of the state that is on this host.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import jax
import numpy as np
from jax._src import xla_bridge
from jax._src.sharding_impls import GSPMDSharding
from jaxlib import xla_client

from clt_ray.training.backends.xla.proof.compile import module_of, partitioning

FIRST_READ = 10_000


def main(folder: Path, host: int, hosts: int, port: str, exported: str, steps: int) -> None:
    places, gauges = (json.loads(exported)[name] for name in ("places", "gauges"))
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    jax.distributed.initialize(f"127.0.0.1:{port}", hosts, host)
    jax.config.update("jax_enable_x64", True)
    devices = tuple(jax.devices())
    assert len(devices) == hosts * len(jax.local_devices())
    index_of = {place: index for index, place in enumerate(places)}
    module, _ = module_of((folder / "step.hlo").read_bytes(), [index_of[place] for place in range(gauges + 1)])
    client, options = xla_bridge.get_backend("cpu"), partitioning([device.id for device in devices])
    program = client.compile_and_load(module, xla_client.DeviceList(devices), options)
    shardings = [GSPMDSharding(devices, sharding) for sharding in program.get_parameter_shardings()]
    values = np.load(folder / "values.npz")

    def placed(value: np.ndarray, sharding: GSPMDSharding) -> jax.Array:
        return jax.make_array_from_callback(value.shape, sharding, lambda index: value[index])

    state = {
        place: placed(values[str(index)], shardings[index])
        for index, place in enumerate(places)
        if place < FIRST_READ and place >= 0
    }
    held = sum(shard.data.nbytes for array in state.values() for shard in array.addressable_shards)
    share = held / sum(array.nbytes for array in state.values())
    measured = []
    for step in range(1, steps + 1):
        arguments = []
        for index, (place, sharding) in enumerate(zip(places, shardings, strict=True)):
            if place >= FIRST_READ:
                arguments.append(placed(values[f"{step}.{place}"], sharding))
            else:
                arguments.append(state[place] if place >= 0 else placed(values[str(index)], sharding))
        results = program.execute_sharded(arguments).disassemble_into_single_device_arrays()
        for place, parts in enumerate(results):
            if place in state:
                old = state[place]
                state[place] = jax.make_array_from_single_device_arrays(old.shape, old.sharding, parts)
        measured.append(np.asarray(results[gauges][0]).tolist())
    print(json.dumps({"measured": measured, "share": share}))


main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4], sys.argv[5], int(sys.argv[6]))
