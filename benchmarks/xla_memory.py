"""Peak host memory of loading a checkpoint onto a slice's chips, and of exporting it again as safetensors.

A random Llama (220 million parameters, bf16, in files of 100 MB) is loaded onto four virtual devices, split over all of
them, and written back: by this project's `model.load` and `checkpoint.take`, and as stock does it, `from_pretrained`,
move, `mark_sharding`, and `save_pretrained` of the parameters on the host. Each side is a fresh process.

All figures are multiples of the model's bytes. The memory of virtual devices is the host's, so it is counted apart: a
phase's figure is its highest resident size (VmHWM, reset before the phase), less the size before anything was loaded,
less what the devices hold. Pages of mapped files count as resident, though the operating system takes them back when
it needs them. Freed memory that the C library keeps for later does not count: both sides run with
MALLOC_MMAP_THRESHOLD_=1048576, under which it gives back what tensors have used.

* load_peak: while loading. 1 means a whole copy of the model on the host beside the devices' own.
* loaded: after loading, at rest.
* export_peak: while exporting. The parameters are copied to the host and written from there, so that training can go
  on: one copy on the one host that writes, let go of file by file.
* streamed_export_peak: where the host has no room for that copy, each is written as soon as it is gathered.
* seconds of both.

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

from _result import apart, emit

CHIPS = 4
FILE_BYTES = 100_000_000


def make_model(folder: Path) -> None:
    """A Llama with random weights, in several files."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=32000, hidden_size=1024, intermediate_size=2816, num_hidden_layers=12, num_attention_heads=16,
        num_key_value_heads=16, max_position_embeddings=512, bos_token_id=0, eos_token_id=1, pad_token_id=2,
    )  # fmt: skip
    LlamaForCausalLM(config).to(torch.bfloat16).save_pretrained(folder, max_shard_size=FILE_BYTES)


@dataclass
class Watch:
    """Resident memory of this process above where it began, and time, by phase."""

    base: int = field(default_factory=lambda: resident("VmRSS"))
    """Bytes before anything was loaded."""
    peaks: dict[str, int] = field(default_factory=dict)
    """Bytes above the base."""
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def phase(self, name: str) -> Any:
        Path("/proc/self/clear_refs").write_text("5")
        began = time.monotonic()
        yield
        self.seconds[name] = time.monotonic() - began
        self.peaks[name] = resident("VmHWM") - self.base


def resident(key: str) -> int:
    """Bytes that the kernel counts for this process, now (VmRSS) or at most (VmHWM)."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(key))
    return int(line.split()[1]) * 1024


def warm() -> Any:
    """The chips, after a first small computation: what the runtime itself needs is in the base."""
    import torch
    import torch_xla.runtime as runtime
    import transformers.models.llama.modeling_llama  # noqa: F401 - code is no part of a model's memory

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
            # What `take` does there, in files that are as small to this model as 4 GiB are to a large one.
            write(target, checkpoint.gathered(model), FILE_BYTES)

    return figures(watch, model.parameters().values(), export)


def streamed(source: Path, target: Path) -> dict[str, float]:
    """As `ours`, on a host without room for a copy."""
    return ours(source, target, room=False)


def stock(source: Path, target: Path) -> dict[str, float]:
    """Load whole, move and split; export what `save_pretrained` is given on the host."""
    import torch
    import torch_xla.distributed.spmd as spmd
    from transformers import AutoModelForCausalLM

    chips, watch = warm(), Watch()
    with watch.phase("load"):
        model = AutoModelForCausalLM.from_pretrained(source, dtype=torch.bfloat16).to("xla")
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
    """Until the devices have what they were sent."""
    import torch_xla
    import torch_xla.core.xla_model as xm

    torch_xla.sync()
    xm.wait_device_ops()
    gc.collect()


def figures(watch: Watch, parameters: Any, export: Callable[[], None]) -> dict[str, float]:
    """Export, and say of each phase how many copies of the model were on the host."""
    kept = list(parameters)
    model_bytes = sum(parameter.nbytes for parameter in kept)
    # A vector is on every chip, a matrix once over all of them.
    device_bytes = sum(parameter.nbytes * (1 if parameter.dim() > 1 else CHIPS) for parameter in kept)
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
    """Figures of one side, in a fresh process."""
    with tempfile.TemporaryDirectory() as target:
        given = "--source", str(source), "--target", target
        return apart(side, "--side", side, *given, MALLOC_MMAP_THRESHOLD_=str(2**20))


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
            found = {side: in_process(side, Path(folder)) for side in SIDES}
        apart = {f"streamed_{name}": found["streamed"][name] for name in ("export_peak", "export_seconds")}
        emit("xla_memory", found["ours"] | apart, found["stock"])


SIDES = {"ours": ours, "streamed": streamed, "stock": stock}

if __name__ == "__main__":
    main()
