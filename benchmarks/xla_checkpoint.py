"""How long training stands still for a checkpoint on a simulated slice: written in the background, or waited for.

Both sides run the project's trainer on the same rows of a random Llama (35 million parameters, fp32) on four virtual
devices, saving every `--every` steps; a checkpoint is 12 bytes of state and 4 bytes of weights per parameter. They
differ in one thing: the baseline waits for each write before the next step, as a trainer that saves in place does.
Each side is a process of its own.

* stall_seconds_per_save: the training thread stands still. In the background that is copying to the host, and
  whatever is left of the write before.
* write_seconds: from the copy to the marker: files, hashes, fsync, the store.
* seconds_per_step: steps between saves, checkpoints' writing included where it overlaps.
* total_seconds: from the first save to the end of the last write.

Virtual devices compute on the cores that also write and hash, so what is saved of the stall partly returns in
`seconds_per_step`. A TPU's host is idle while its chips compute.

    PJRT_DEVICE=CPU CPU_NUM_DEVICES=4 python benchmarks/xla_checkpoint.py [--steps 30] [--every 10]
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

from _result import apart, emit
from xla_trainer import make_rows, tokenizer

ROWS, LENGTH = 4, 128
"""Of a batch. Rows that fill the smallest width, as few as the mesh allows: steps take long enough on a CPU."""


def make_model(folder: Path) -> None:
    """A Llama with random weights, large enough that its checkpoint takes seconds to write."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=5120, hidden_size=512, intermediate_size=1536, num_hidden_layers=9, num_attention_heads=8,
        num_key_value_heads=8, max_position_embeddings=LENGTH, bos_token_id=0, eos_token_id=1, pad_token_id=2,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer().save_pretrained(folder)


def make_run(folder: Path, steps: int, every: int) -> Any:
    """The benchmark's run, on the devices of this process."""
    import yaml

    from clt_ray.sweep.grid import expand
    from clt_ray.sweep.load import load_sweep

    sweep = {
        "name": "bench",
        "models": {"bench": {"source": str(folder / "model")}},
        "grid": {"model": ["bench"], "task": ["math"], "language_group": ["all"], "samples_per_language": [0]},
        "english_samples": steps * ROWS,
        "eval_languages": ["en"],
        "data": {"math": {"bundled": True}},
        "training": {
            "batch_size": ROWS, "learning_rate": 1e-5, "max_length": LENGTH, "eval_every": every,
            "max_steps": steps, "precision": "fp32",
        },
        "hardware": {"accelerator": "TPU-V5LITEPOD", "topology": "2x2", "mesh": "4x1"},
    }  # fmt: skip
    (folder / "sweep.yaml").write_text(yaml.safe_dump(sweep))
    return expand(load_sweep(str(folder / "sweep.yaml")))[-1]


def measure(side: str, folder: Path, steps: int, every: int) -> dict[str, float]:
    """Train, with a watch on saving."""
    make_model(folder / "model")
    run = make_run(folder, steps, every)

    from clt_ray.store import Store
    from clt_ray.training.backends import select_backend
    from clt_ray.training.backends.xla.trainer import XlaTrainer
    from clt_ray.training.train import train

    stalls: list[tuple[float, float]] = []
    writes: list[tuple[float, float]] = []

    class Watched(XlaTrainer):
        def _save_checkpoint(self, model: Any, trial: Any) -> None:
            began = time.monotonic()
            super()._save_checkpoint(model, trial)
            if side == "waiting":
                self._writes.wait()
            stalls.append((began, time.monotonic()))

        def _write(self, *arguments: Any) -> None:
            began = time.monotonic()
            super()._write(*arguments)
            writes.append((began, time.monotonic()))

    backend: Any = select_backend(run)
    backend.start(run)
    made_by = backend.trainer_class
    backend.trainer_class = lambda: partial(Watched, **made_by().keywords)
    rows = make_rows("equal", steps * ROWS)
    directory = Store(str(folder / "store")).run_dir(run.run_id)
    train(
        run, rows, {("math", "en"): rows[:ROWS]}, tokenizer(), backend, directory, lambda **_: None,
        folder / "staging",
    )  # fmt: skip
    stored = sum(file.stat().st_size for file in (folder / "model").glob("*.safetensors")) * 4
    between = [later[0] - earlier[1] for earlier, later in pairwise(stalls)]
    return {
        "checkpoint_gib": stored / 2**30,
        "stall_seconds_per_save": sum(end - began for began, end in stalls) / len(stalls),
        "write_seconds": sum(end - began for began, end in writes) / len(writes),
        "seconds_per_step": sum(between) / len(between) / every,
        "total_seconds": writes[-1][1] - stalls[0][0],
    }


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--every", type=int, default=10)
    parser.add_argument("--side", choices=("background", "waiting"))
    options = parser.parse_args(arguments)
    os.environ.setdefault("PJRT_DEVICE", "CPU")
    os.environ.setdefault("CPU_NUM_DEVICES", "4")
    os.environ.update(OMP_NUM_THREADS="1", HF_HUB_OFFLINE="1", TOKENIZERS_PARALLELISM="false")
    if options.side:
        with tempfile.TemporaryDirectory() as folder:
            print(json.dumps(measure(options.side, Path(folder), options.steps, options.every)))
        return
    given = f"--steps={options.steps}", f"--every={options.every}"
    found = {side: apart(side, "--side", side, *given) for side in ("background", "waiting")}
    emit("xla_checkpoint", found["background"], found["waiting"])


if __name__ == "__main__":
    main()
