"""Measures the peak host memory of loading a checkpoint onto a slice's chips and of exporting it as safetensors.

A random Llama (220 million parameters, bf16, in files of 100 MB) is loaded onto four virtual devices, split over
all of them, and written back. One side uses this project's `model.load` and `checkpoint.take`. The baseline is the
stock way: `from_pretrained`, move, `mark_sharding`, and `save_pretrained` of the parameters on the host. Each side
runs in a separate process.

All figures are multiples of the model's bytes. The memory of virtual devices is host memory, so it is subtracted:
the figure of a phase is its highest resident size (VmHWM, reset before the phase), minus the size before anything
was loaded, minus what the devices hold. Pages of mapped files count as resident, although the operating system
reclaims them when it needs them. Freed memory that the C library keeps for later does not count: both sides run
with MALLOC_MMAP_THRESHOLD_=1048576, with which it returns the memory of freed tensors.

* load_peak: during loading. A value of 1 is a whole copy of the model on the host, in addition to that of the
  devices.
* loaded: after loading, at rest.
* export_peak: during exporting. The parameters are copied to the host and written from there, so that training can
  continue. This is one copy on the one host that writes, released file by file.
* streamed_export_peak: during exporting on a host without memory for that copy, where each file is written as soon
  as it is gathered.
* load_seconds, export_seconds: duration of both.

    PJRT_DEVICE=CPU CPU_NUM_DEVICES=4 python benchmarks/xla_memory.py
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from _result import emit, run_in_subprocess

CHIPS = 4
FILE_BYTES = 100_000_000


def make_model(folder: Path) -> None:
    """Saves a Llama with random weights in several files."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=32000, hidden_size=1024, intermediate_size=2816, num_hidden_layers=12, num_attention_heads=16,
        num_key_value_heads=16, max_position_embeddings=512, bos_token_id=0, eos_token_id=1, pad_token_id=2,
    )  # fmt: skip
    model: Any = LlamaForCausalLM(config)
    model.to(torch.bfloat16).save_pretrained(folder, max_shard_size=FILE_BYTES)


@dataclass
class Watch:
    """Measures the additional resident memory of this process and the time, by phase."""

    base: int = field(default_factory=lambda: resident("VmRSS"))
    """Resident bytes before anything was loaded."""
    peaks: dict[str, int] = field(default_factory=dict)
    """Highest resident bytes above the base, by phase."""
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def phase(self, name: str) -> Any:
        Path("/proc/self/clear_refs").write_text("5")
        began = time.monotonic()
        yield
        self.seconds[name] = time.monotonic() - began
        self.peaks[name] = resident("VmHWM") - self.base


def resident(key: str) -> int:
    """Returns the resident bytes of this process, now (VmRSS) or at most (VmHWM)."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(key))
    return int(line.split()[1]) * 1024


def warm() -> Any:
    """Returns the chips after a first small computation, so that the runtime's own memory is part of the base."""
    import torch
    import torch_xla.runtime as runtime
    import transformers.models.llama.modeling_llama  # noqa: F401 - code is not part of a model's memory

    from clt_ray.training.backends.xla import attention, checkpoint, model  # noqa: F401
    from clt_ray.training.backends.xla.plan import MeshShape
    from clt_ray.training.backends.xla.slice import Slice

    runtime.use_spmd()
    chips = Slice(MeshShape(CHIPS, 1))
    attention.register(chips, kernel=False)
    (chips.put(torch.ones(CHIPS, 8), ("fsdp", None)) * 2).cpu()
    return chips


def ours(source: Path, target: Path, *, room: bool = True) -> dict[str, float]:
    """Load and export as the trainer does on a host with or without room for a copy."""
    import torch

    from clt_ray.training.backends.xla import checkpoint
    from clt_ray.training.backends.xla.model import load
    from clt_ray.training.backends.xla.optimizer import AdamW, AdamWSettings
    from clt_ray.training.backends.xla.weights import write

    chips, watch = warm(), Watch()
    with watch.phase("load"):
        model = load(str(source), None, torch.bfloat16, chips, rematerialise=False)
        wait()
    settings = AdamWSettings(beta1=0.9, beta2=0.999, weight_decay=0.0, max_norm=1.0)
    stateless = AdamW(model.parameters(), model.plan, [], settings, chips)

    def export() -> None:
        if room:
            checkpoint.take(model, stateless, target).write_weights(target)
        else:
            # This is what `take` does on such a host. The files are as small for this model as 4 GiB for a large one.
            write(target, checkpoint.gathered(model), FILE_BYTES)

    return figures(watch, model.parameters().values(), export)


def streamed(source: Path, target: Path) -> dict[str, float]:
    """Measures this project on a host without memory for a copy."""
    return ours(source, target, room=False)


def stock(source: Path, target: Path) -> dict[str, float]:
    """Measures the stock way: load the whole model, move and split it, and export a copy on the host."""
    import torch
    import torch_xla.distributed.spmd as spmd
    from transformers import AutoModelForCausalLM

    chips, watch = warm(), Watch()
    with watch.phase("load"):
        model: Any = AutoModelForCausalLM.from_pretrained(source, dtype=torch.bfloat16)
        model.to("xla")
        for parameter in model.parameters():
            split = ("fsdp", *[None] * (parameter.dim() - 1)) if parameter.dim() > 1 else (None,)
            spmd.mark_sharding(parameter, chips.mesh, split)
        wait()
    return figures(
        watch,
        model.parameters(),
        lambda: model.save_pretrained(
            target, state_dict={key: value.cpu() for key, value in model.state_dict().items()}
        ),
    )


def wait() -> None:
    """Waits until the devices have received everything."""
    import torch_xla
    import torch_xla.core.xla_model as xm

    torch_xla.sync()
    xm.wait_device_ops()
    gc.collect()


def figures(watch: Watch, parameters: Any, export: Callable[[], None]) -> dict[str, float]:
    """Exports the model and returns, for each phase, how many copies of it were on the host."""
    tensors = list(parameters)
    model_bytes = sum(parameter.nbytes for parameter in tensors)
    # Every chip has a copy of each vector, and a part of each matrix.
    device_bytes = sum(parameter.nbytes * (1 if parameter.dim() > 1 else CHIPS) for parameter in tensors)
    loaded = resident("VmRSS") - watch.base
    with watch.phase("export"):
        export()
    return {
        "model_gib": model_bytes / 2**30,
        "load_peak": (watch.peaks["load"] - device_bytes) / model_bytes,
        "loaded": (loaded - device_bytes) / model_bytes,
        "export_peak": (watch.peaks["export"] - device_bytes) / model_bytes,
        "load_seconds": watch.seconds["load"],
        "export_seconds": watch.seconds["export"],
    }


def in_process(side: str, source: Path) -> dict[str, float]:
    """Measures one side in a separate process."""
    with tempfile.TemporaryDirectory() as target:
        folders = "--source", str(source), "--target", target
        return run_in_subprocess(side, "--side", side, *folders, MALLOC_MMAP_THRESHOLD_=str(2**20))


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", choices=("make", *SIDES))
    parser.add_argument("--source", type=Path)
    parser.add_argument("--target", type=Path)
    options = parser.parse_args(arguments)
    os.environ.update(
        PJRT_DEVICE="CPU", CPU_NUM_DEVICES=str(CHIPS), OMP_NUM_THREADS="1", HF_HUB_OFFLINE="1",
    )  # fmt: skip
    if options.side == "make":
        make_model(options.source)
        print("{}")
    elif options.side:
        print(json.dumps(SIDES[options.side](options.source, options.target)))
    else:
        with tempfile.TemporaryDirectory() as folder:
            in_process("make", Path(folder))
            measured = {side: in_process(side, Path(folder)) for side in SIDES}
        streamed_figures = {
            f"streamed_{name}": measured["streamed"][name] for name in ("export_peak", "export_seconds")
        }
        emit("xla_memory", measured["ours"] | streamed_figures, measured["stock"])


SIDES = {"ours": ours, "streamed": streamed, "stock": stock}

if __name__ == "__main__":
    main()
