"""Trace the step of a model in a process of its own: `python -m clt_ray.aot.trace CONFIG.json OUT`.

CONFIG.json holds a transformers configuration under `model`, under `shape` the fields of `StepShape` with the mesh as
`[fsdp, tensor]`, and optionally under `precision` that of parameters and activations (`bf16`). The number of devices
is fixed when torch_xla starts, so the process has to be started with
`training.backends.xla.environment.tracing_environment(chips)`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path


def main(arguments: Sequence[str]) -> None:
    from transformers import CONFIG_MAPPING

    from clt_ray.training.backends.xla.optimizer import AdamWSettings
    from clt_ray.training.backends.xla.plan import MeshShape
    from clt_ray.training.backends.xla.slice import computation_type
    from clt_ray.training.backends.xla.trace import StepShape, trace

    source, target = map(Path, arguments)
    document = json.loads(source.read_text())
    model, shape = document["model"], document["shape"]
    config = CONFIG_MAPPING[model["model_type"]](**model)
    settings = AdamWSettings(beta1=0.9, beta2=0.999, weight_decay=0.0, max_norm=1.0)
    dtype = computation_type(document.get("precision", "bf16"))
    target.write_bytes(trace(config, StepShape(**shape | {"mesh": MeshShape(*shape["mesh"])}), settings, dtype))


if __name__ == "__main__":
    main(sys.argv[1:])
