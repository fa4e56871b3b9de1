"""Measures how long training pauses for a checkpoint on a simulated slice, written in the background or waited for.

Both sides run the project's trainer on the same rows with a random Llama (35 million parameters, fp32) on four
virtual devices, and save every `--every` steps. A checkpoint is 12 bytes of state and 4 bytes of weights per
parameter. The sides differ in one point only: the baseline waits for each write before the next step, as a trainer
does that saves in place. Each side runs in a separate process.

* stall_seconds_per_save: how long the training thread pauses. In the background, this is the time for copying to
  the host and for the rest of the previous write.
* write_seconds: from the copy to the marker, which includes files, hashes, fsync and the store.
* seconds_per_step: duration of a step between saves, slowed down by the writing that overlaps with it.
* total_seconds: from the first save to the end of the last write.

Virtual devices compute on the same cores that write and hash, so part of the saved pause returns in
`seconds_per_step`. On a TPU, the host is idle while the chips compute.

    PJRT_DEVICE=CPU CPU_NUM_DEVICES=4 python benchmarks/xla_checkpoint.py [--steps 30] [--every 10]
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from _result import emit, run_in_subprocess
from xla_trainer import make_rows, tokenizer

ROWS, LENGTH = 4, 128
"""Rows and tokens per row of a batch, as few as the mesh and the smallest width allow: steps are long on a CPU."""


def make_model(folder: Path) -> None:
    """Saves a Llama with random weights that is large enough for its checkpoint to take seconds to write."""
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
    """Returns the run of the benchmark, for the devices of this process."""
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
    """Trains while timing the saves, and returns the figures of one side."""
    make_model(folder / "model")
    run = make_run(folder, steps, every)

    from clt_ray.store import Store
    from clt_ray.tasks import TaskLanguage
    from clt_ray.training.backends import select_backend
    from clt_ray.training.backends.xla.trainer import XlaTrainer
    from clt_ray.training.job import TrainingJob
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
    backend.trainer_class = lambda: Watched
    rows = make_rows("equal", steps * ROWS)
    directory = Store(str(folder / "store")).run_dir(run.run_id)
    job = TrainingJob(run, rows, {TaskLanguage("math", "en"): rows[:ROWS]}, tokenizer())
    train(job, backend, directory, lambda **_: None, folder / "staging")
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
    settings = f"--steps={options.steps}", f"--every={options.every}"
    figures = {side: run_in_subprocess(side, "--side", side, *settings) for side in ("background", "waiting")}
    emit("xla_checkpoint", figures["background"], figures["waiting"])


if __name__ == "__main__":
    main()
