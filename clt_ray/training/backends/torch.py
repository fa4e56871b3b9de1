"""The backend for CPU and CUDA: plain PyTorch, with accelerate's data parallelism for runs of several processes."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch.nn.utils.rnn import pad_sequence
from transformers import AutoModelForCausalLM, GenerationConfig, set_seed

from clt_ray.sweep.run import RunSpec
from clt_ray.training.backends.base import Backend
from clt_ray.training.backends.generation import end_of_turn_ids, in_batches, until_stop
from clt_ray.training.model import recomputes
from clt_ray.training.schedule import Schedule


class TorchBackend(Backend):
    """Trains with one process per Ray worker; a run with one worker needs no process group."""

    name = "torch"
    every_process_evaluates = False  # Each process has the whole model.

    def __init__(self, accelerator: str) -> None:
        self._cpu = accelerator == "CPU"
        self.device = torch.device("cpu") if self._cpu else torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))

    def start(self, run: RunSpec) -> None:
        if self._cpu:
            torch.set_num_threads(run.hardware.cpus_per_worker)
        else:
            torch.cuda.set_device(self.device)
            torch.backends.cuda.matmul.allow_tf32 = run.training.precision == "bf16"
        set_seed(run.seed)

    def load_model(self, location: str, revision: str | None, precision: str, empty: bool = False) -> Any:
        """Returns a model with fp32 parameters for every precision; bf16 runs compute under autocast."""
        options: dict[str, Any] = {"dtype": torch.float32, "use_safetensors": True}
        model: Any = AutoModelForCausalLM.from_pretrained(location, revision=revision, **options)
        return model.to(self.device)

    def trainer_arguments(self, run: RunSpec, schedule: Schedule, staging: Path) -> dict[str, Any]:
        distributed = {"ddp_backend": "gloo" if self._cpu else "nccl"} if self.world_size > 1 else {}
        return distributed | {
            "use_cpu": self._cpu,
            "bf16": run.training.precision == "bf16",
            "optim": "adamw_torch" if self._cpu else "adamw_torch_fused",
            "gradient_checkpointing": recomputes(run.model),
            "per_device_train_batch_size": run.training.batch_size // self.world_size,
        }

    def trainer_class(self) -> type:
        from clt_ray.training.trainer import RunTrainer

        return RunTrainer

    @torch.no_grad()
    def generate(
        self, model: Any, tokenizer: Any, prompts: Sequence[Sequence[int]], max_new_tokens: int, batch_size: int
    ) -> list[list[int]]:
        model.eval()
        pad_id, stops = tokenizer.pad_token_id, end_of_turn_ids(model, tokenizer)
        limits = {"max_new_tokens": max_new_tokens, "eos_token_id": stops, "pad_token_id": pad_id}
        config = GenerationConfig(do_sample=False, **limits)

        def generate(batch: list[Sequence[int]]) -> list[list[int]]:
            # All rows of a batch continue at the same position, so prompts are padded on the left.
            prompts = [torch.tensor(prompt) for prompt in batch]
            ids = pad_sequence(prompts, batch_first=True, padding_value=pad_id, padding_side="left")
            mask = pad_sequence([torch.ones_like(prompt) for prompt in prompts], batch_first=True, padding_side="left")
            generated = model.generate(
                input_ids=ids.to(self.device), attention_mask=mask.to(self.device), generation_config=config
            )[:, ids.shape[1] :]
            return [until_stop(tokens, {*stops, pad_id}) for tokens in generated.tolist()]

        return in_batches(generate, prompts, batch_size, self.after_batch)

    def rounded_rows(self, rows: int) -> int:
        return rows

    def peak_device_bytes(self) -> int | None:
        return None if self._cpu else torch.cuda.max_memory_allocated(self.device)
