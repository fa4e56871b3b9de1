"""The backend for TPU slices."""

import gc
import logging
import os
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

from clt_ray.errors import ConfigurationError, DisagreementError, Problem
from clt_ray.sweep.run import RunSpec
from clt_ray.training.backends.base import Backend
from clt_ray.training.backends.generation import end_of_turn_ids, in_batches
from clt_ray.training.backends.xla import environment
from clt_ray.training.backends.xla.plan import mesh_of, misfits
from clt_ray.training.model import recomputes
from clt_ray.training.schedule import Schedule

log = logging.getLogger(__name__)

BARRIER_TIMEOUT = timedelta(hours=1)
"""Longest time that a host waits for the others, for example while one of them compiles or writes a checkpoint."""


class XlaBackend(Backend):
    """Trains with one process per host of a slice; all of them run the same program."""

    name = "xla"
    every_process_evaluates = True  # Generation is one program over all chips.
    resume_files = (".metadata", "trainer_state.json")
    rank_variable, world_size_variable = environment.PROCESS_INDEX, environment.PROCESS_COUNT

    runs_joined: ClassVar[int] = 0
    """Number of runs of several hosts that this process has joined."""
    sharded: Any
    """The loaded `ShardedModel`; None before the first is loaded."""
    write_group: Any
    """Process group of the hosts that only the thread which writes checkpoints uses; None for a single host."""

    def start(self, run: RunSpec) -> None:
        """Joins the slice.

        Raises:
            ConfigurationError: The environment, the devices, the batch or the mesh do not fit the run.
        """
        for name, value in (("PJRT_DEVICE", "TPU"), ("XLA_NO_SPECIAL_SCALARS", "1")):
            os.environ.setdefault(name, value)
        remedy = "start the process as clt-ray run does, which sets its environment"
        problems = misfits(run) + [Problem("environment", "", None, clause, remedy) for clause in environment.wrong()]
        if problems:
            raise ConfigurationError(problems)
        import torch.distributed as dist
        import torch_xla.runtime as runtime
        from transformers import set_seed

        from clt_ray.training.backends.xla.private import require_known_version

        require_known_version()
        environment.wait_for_chips(environment.CHIPS if os.environ["PJRT_DEVICE"] == "TPU" else ())
        if not runtime.is_spmd():
            runtime.use_spmd()
        if dist.is_initialized():  # By an earlier run in this process; the hosts may be others now.
            dist.destroy_process_group()
        if self.world_size > 1:
            dist.init_process_group("gloo", rank=self.rank, world_size=self.world_size, timeout=BARRIER_TIMEOUT)
            self._require_equal_histories()
        devices = runtime.global_runtime_device_count()
        if devices != run.hardware.chips:
            message = f"the slice has {run.hardware.chips} chips, and torch_xla finds {devices}"
            remedy = "run one process on every host of the slice; to simulate one, set CPU_NUM_DEVICES to its chips"
            raise ConfigurationError([Problem("hardware", "topology", run.hardware.topology, message, remedy)])
        # Collectives match by call order, so the thread that writes checkpoints needs its own process group.
        self.write_group = dist.new_group(backend="gloo", timeout=BARRIER_TIMEOUT) if self.world_size > 1 else None
        from clt_ray.training.backends.xla import attention
        from clt_ray.training.backends.xla.slice import Slice

        self._chips = Slice(mesh_of(run))
        attention.register(self._chips, kernel=os.environ["PJRT_DEVICE"] == "TPU")
        self._rematerialise = recomputes(run.model)
        self.sharded = None
        set_seed(run.seed)

    def _require_equal_histories(self) -> None:
        """Checks before the chips are touched that the processes of all hosts have executed the same number of runs.

        Raises:
            DisagreementError: One has been started again. It could not join the others, which have their chips already.
        """
        XlaBackend.runs_joined += 1
        histories = self.gather(XlaBackend.runs_joined)
        if len(set(histories)) > 1:
            raise DisagreementError(f"the processes of the hosts are at runs {histories}; all of them start again now")

    def load_model(self, location: str, revision: str | None, precision: str, empty: bool = False) -> Any:
        """Returns a model whose parameters are bf16 in bf16 runs; the optimizer holds their fp32 masters."""
        from clt_ray.training.backends.xla.model import load
        from clt_ray.training.backends.xla.slice import computation_type

        # Frees the memory of an earlier model and its optimizer on the chips before this model needs it.
        self.sharded = None
        gc.collect()
        dtype = computation_type(precision)
        self.sharded = load(location, revision, dtype, self._chips, rematerialise=self._rematerialise, empty=empty)
        return self.sharded.module

    def trainer_arguments(self, run: RunSpec, schedule: Schedule, staging: Path) -> dict[str, Any]:
        # `use_cpu` keeps transformers and accelerate from the device; accelerate's bf16 would store masters in bf16.
        return {
            "use_cpu": True,
            "bf16": False,
            "optim": "adamw_torch",
            "gradient_checkpointing": False,
            "per_device_train_batch_size": run.training.batch_size,
        }

    def trainer_class(self) -> type[Any]:
        from clt_ray.training.backends.xla.trainer import XlaTrainer

        return XlaTrainer

    def generate(
        self, model: Any, tokenizer: Any, prompts: Sequence[Sequence[int]], max_new_tokens: int, batch_size: int
    ) -> list[list[int]]:
        from clt_ray.training.backends.xla.decode import Decoder

        rows = self.rounded_rows(batch_size)
        stops = end_of_turn_ids(model, tokenizer)
        longest = max(map(len, prompts), default=1)
        model.eval()
        decoder = Decoder(self.sharded, stops, tokenizer.pad_token_id, rows, max_new_tokens, longest)
        continuations = in_batches(decoder, prompts, rows, self.after_batch)
        log.info("%d tokens in %.1f s, graphs: %s", decoder.tokens, decoder.seconds, ", ".join(decoder.graphs.programs))
        return continuations

    def rounded_rows(self, rows: int) -> int:
        fsdp = self._chips.shape.fsdp
        return -(-rows // fsdp) * fsdp
