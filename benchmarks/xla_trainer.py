"""Compares this project's trainer with TRL's own trainer on a simulated slice, on the same rows.

Both sides train the same tiny Llama (4 layers of width 64, 512 words, fp32) on the same devices with the same mesh
and the same rows, each in a separate process. The baseline is `trl.SFTTrainer` with parameters split by
`mark_sharding` and its input split over the mesh. This is as close to stock as torch_xla runs: its own
`fsdp_config={"xla_fsdp_v2": True}` fails before the first step.

* equal: batches of 8 rows of 128 tokens, in the same order. This measures the trainers and not padding. The more
  arithmetic a step has, which takes CPU devices long, the smaller is the difference: with 16 rows, the ratio is
  0.33.
* natural: batches of 16 rows with log-normal lengths (median 150 tokens, sigma 0.5), like those of real
  grade-school problems with worked solutions. The baseline pads to multiples of 64, because it would otherwise
  compile a graph for nearly every batch. This project's trainer puts rows of similar length into a batch, as it
  does by default. With 8 rows, where the baseline happens to compile no graph in the last steps, the ratio is 0.57.

The figures of each kind of rows are the seconds per step in steady state (the last `--timed` steps, with the device
finished), the same in processor time of all threads, the seconds of all steps including compilation, the number of
compiled graphs, the transfers from the device per step in steady state, and the final training loss. The model is
small so that arithmetic, which is the same on both sides and takes a TPU no time, does not hide the cost of the
trainers.

    PJRT_DEVICE=CPU CPU_NUM_DEVICES=4 python benchmarks/xla_trainer.py [--steps 80] [--timed 40]
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from _result import emit, run_in_subprocess

BATCH = {"equal": 8, "natural": 16}
MAX_LENGTH, PROMPT, WORDS = 512, 16, 512
RATE = 1e-3


def lengths(kind: str, count: int) -> list[int]:
    """Returns the number of tokens of each row."""
    if kind == "equal":
        return [128] * count
    draw = random.Random(0)
    return [min(MAX_LENGTH, max(PROMPT + 2, round(draw.lognormvariate(5.01, 0.5)))) for _ in range(count)]


def make_rows(kind: str, count: int) -> list[Any]:
    """Returns encoded rows. Each continues its first tokens by a rule, so that there is something to learn."""
    from clt_ray.data.formatting import IGNORED, Encoded

    draw = random.Random(1)
    rows = []
    for length in lengths(kind, count):
        start, stride = draw.randrange(3, WORDS), draw.randrange(1, 7)
        ids = [3 + (start + stride * place) % (WORDS - 3) for place in range(length)]
        rows.append(Encoded(ids, [IGNORED] * PROMPT + ids[PROMPT:]))
    return rows


def make_model(folder: Path) -> Any:
    """Saves and returns a tiny Llama with random weights."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=WORDS, hidden_size=64, intermediate_size=128, num_hidden_layers=4, num_attention_heads=4,
        num_key_value_heads=4, max_position_embeddings=MAX_LENGTH, bos_token_id=0, eos_token_id=1, pad_token_id=2,
    )  # fmt: skip
    model = LlamaForCausalLM(config)
    model.save_pretrained(folder)
    return model


def tokenizer() -> Any:
    """Returns a tokenizer whose padding token is below `WORDS`; the rows are tokens already."""
    from clt_ray.sweep.sections import ModelSpec
    from clt_ray.training.model import load_tokenizer

    return load_tokenizer(ModelSpec(name="tiny", source="bundled"))


class Clock:
    """Records times and counts at steps at which the device has finished."""

    def __init__(self, steps: int, timed: int) -> None:
        self.first, self.last = steps - timed, steps
        self.began = time.monotonic()
        self.marks: dict[int, tuple[float, float, int]] = {}

    def mark(self, step: int) -> None:
        import torch_xla.core.xla_model as xm

        sys.path.insert(0, str(Path(__file__).parents[1]))
        from tests.support.transfers import device_reads

        if step in (self.first, self.last):
            xm.wait_device_ops()
            self.marks[step] = (time.monotonic(), time.process_time(), device_reads())

    def figures(self, loss: float) -> dict[str, float]:
        from clt_ray.training.backends.xla.graphs import compiled

        (start, cpu_start, reads), (end, cpu_end, all_reads) = self.marks[self.first], self.marks[self.last]
        steps = self.last - self.first
        return {
            "seconds_per_step": (end - start) / steps,
            "cpu_seconds_per_step": (cpu_end - cpu_start) / steps,
            "total_seconds": end - self.began,
            "graphs": compiled(),
            "reads_per_step": (all_reads - reads) / steps,
            "final_loss": loss,
        }


def ours(kind: str, folder: Path, steps: int, timed: int) -> dict[str, float]:
    """Measures the project's trainer through the function that workers call; it logs every 10 steps."""
    import yaml

    from clt_ray.store import Store
    from clt_ray.sweep.grid import expand
    from clt_ray.sweep.load import load_sweep
    from clt_ray.tasks import TaskLanguage
    from clt_ray.training.backends import select_backend
    from clt_ray.training.job import TrainingJob
    from clt_ray.training.train import train

    chips = int(os.environ["CPU_NUM_DEVICES"])
    sweep = {
        "name": "bench",
        "models": {"bench": {"source": str(folder / "model")}},
        "grid": {"model": ["bench"], "task": ["math"], "language_group": ["all"], "samples_per_language": [0]},
        "english_samples": steps * BATCH[kind],
        "eval_languages": ["en"],
        "data": {"math": {"bundled": True}},
        "training": {
            "batch_size": BATCH[kind], "learning_rate": RATE, "max_length": MAX_LENGTH, "eval_every": steps,
            "max_steps": steps, "precision": "fp32", "length_window": 1 if kind == "equal" else 4,
        },
        "hardware": {
            "accelerator": "TPU-V5LITEPOD", "topology": {1: "1x1", 4: "2x2", 8: "2x4"}[chips], "mesh": f"{chips}x1",
        },
    }  # fmt: skip
    (folder / "sweep.yaml").write_text(yaml.safe_dump(sweep))
    rows, model_tokenizer = make_rows(kind, steps * BATCH[kind]), tokenizer()
    make_model(folder / "model")
    model_tokenizer.save_pretrained(folder / "model")
    run = expand(load_sweep(str(folder / "sweep.yaml")))[-1]
    backend = select_backend(run)
    backend.start(run)
    clock = Clock(steps, timed)
    losses: list[float] = []

    def progress(*, step: int, loss: float | None, **_: Any) -> None:
        clock.mark(step)
        if loss is not None:
            losses.append(loss)

    validation = {TaskLanguage("math", "en"): make_rows("equal", 16)}
    directory = Store(str(folder / "store")).run_dir(run.run_id)
    job = TrainingJob(run, rows, validation, model_tokenizer)
    train(job, backend, directory, progress, folder / "staging")
    return clock.figures(losses[-1])


def stock(kind: str, folder: Path, steps: int, timed: int) -> dict[str, float]:
    """Measures TRL's trainer on a model that is split explicitly."""
    import numpy as np
    import torch_xla.distributed.spmd as xs
    import torch_xla.runtime as runtime
    from datasets import Dataset
    from transformers import TrainerCallback
    from trl import SFTConfig, SFTTrainer

    from clt_ray.training.batches import epoch_order

    runtime.use_spmd()
    chips = runtime.global_runtime_device_count()
    mesh = xs.Mesh(np.arange(chips), (chips, 1), ("fsdp", "tensor"))
    xs.set_global_mesh(mesh)
    model = make_model(folder / "model").to("xla")
    for parameter in model.parameters():
        if parameter.shape[0] % chips == 0:
            xs.mark_sharding(parameter, mesh, ("fsdp", *[None] * (parameter.dim() - 1)))
    rows = make_rows(kind, steps * BATCH[kind])
    ordered = [rows[index] for index in epoch_order(len(rows), 0, 0)]
    dataset = Dataset.from_list([{"input_ids": row.input_ids, "labels": row.labels} for row in ordered])
    clock = Clock(steps, timed)

    class Marks(TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            clock.mark(state.global_step)

    class InOrder(SFTTrainer):
        def _get_train_sampler(self, dataset: Any = None) -> Any:
            from torch.utils.data import SequentialSampler

            rows: Any = dataset if dataset is not None else self.train_dataset
            return SequentialSampler(rows)

        def get_train_dataloader(self) -> Any:
            loader: Any = super().get_train_dataloader()
            spec = xs.ShardingSpec(mesh, ("fsdp", None))
            loader._parallel_loader_kwargs["input_sharding"] = dict.fromkeys(
                ("input_ids", "labels", "attention_mask"), spec
            )
            return loader

    arguments = SFTConfig(
        output_dir=str(folder / "out"), per_device_train_batch_size=BATCH[kind], learning_rate=RATE, max_steps=steps,
        lr_scheduler_type="constant", logging_steps=10, report_to="none", save_strategy="no", max_length=None,
        pad_to_multiple_of=64, bf16=False, gradient_checkpointing=False, optim="adamw_torch", packing=False,
        disable_tqdm=True, dataset_kwargs={"skip_prepare_dataset": True},
    )  # fmt: skip
    trainer = InOrder(
        model=model, args=arguments, train_dataset=dataset, processing_class=tokenizer(), callbacks=[Marks()]
    )  # fmt: skip
    trainer.train()
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    return clock.figures(float(losses[-1]))


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=80)
    parser.add_argument("--timed", type=int, default=40)
    parser.add_argument("--side", choices=SIDES)
    parser.add_argument("--kind", choices=KINDS)
    options = parser.parse_args(arguments)
    os.environ.setdefault("PJRT_DEVICE", "CPU")
    os.environ.setdefault("CPU_NUM_DEVICES", "4")
    os.environ.update(OMP_NUM_THREADS="1", HF_HUB_OFFLINE="1", TOKENIZERS_PARALLELISM="false")
    if options.side:
        with tempfile.TemporaryDirectory() as folder:
            print(json.dumps(SIDES[options.side](options.kind, Path(folder), options.steps, options.timed)))
        return
    figures: dict[str, dict[str, float]] = {side: {} for side in SIDES}
    settings = f"--steps={options.steps}", f"--timed={options.timed}"
    for kind in KINDS:
        for side, side_figures in figures.items():
            # Graphs and devices belong to a process, so each measurement has its own.
            measured = run_in_subprocess(f"{side} on {kind} rows", "--side", side, "--kind", kind, *settings)
            side_figures |= {f"{kind}_{name}": value for name, value in measured.items()}
    emit("xla_trainer", figures["ours"], figures["stock"])


SIDES = {"ours": ours, "stock": stock}
KINDS = ("equal", "natural")

if __name__ == "__main__":
    main()
