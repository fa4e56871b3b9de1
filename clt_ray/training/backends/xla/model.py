"""A transformers model whose parameters are spread over a slice."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from types import MethodType
from typing import Any

import torch
from accelerate import init_empty_weights
from torch import Tensor
from torch_xla.distributed.fsdp import checkpoint_module
from transformers import AutoConfig, AutoModelForCausalLM, GenerationConfig

from clt_ray.errors import ConfigurationError, Problem, RunError
from clt_ray.families import Family, Partition, require_family
from clt_ray.training.backends.xla.attention import ATTENTION
from clt_ray.training.backends.xla.plan import HIDDEN, head_misfits, sharding_plan
from clt_ray.training.backends.xla.slice import Slice
from clt_ray.training.backends.xla.vocabulary import look_up
from clt_ray.training.backends.xla.weights import stream
from clt_ray.training.model import safetensors_files

SOFT_CAPS = ("final_logit_softcapping", "attn_logit_softcapping")
"""Names in a configuration of limits on logits and attention scores (Gemma 2), which this backend does not compute."""


class ShardedModel:
    """A causal language model on a slice, with what the training step reads from it.

    `module` is the transformers model itself, with its class and parameter names; `family` is its declaration.
    """

    def __init__(
        self, module: Any, family: Family, chips: Slice, plan: dict[str, Partition], files: Sequence[str]
    ) -> None:
        self.module, self.family, self.chips, self.plan, self.files = module, family, chips, plan, files

    @property
    def head(self) -> torch.nn.Parameter:
        """Weight of the language-model head, (words, hidden); the embedding itself where both are tied."""
        head: torch.nn.Parameter = self.module.lm_head.weight
        return head

    @property
    def logit_scale(self) -> float:
        """Factor of the logits."""
        return float(self.family.logit_scale(self.module.config))

    def parameters(self) -> dict[str, torch.nn.Parameter]:
        """Returns the parameters by name, a tied one once."""
        return dict(self.module.named_parameters())

    def tensors(self) -> list[Tensor]:
        """Returns all parameters and buffers, in an order that does not change."""
        return [*self.parameters().values(), *self.module.buffers()]

    def masters(self) -> dict[str, Tensor]:
        """Returns fp32 values of the parameters that are not fp32, read from the model's files and split like them."""
        narrow = {name for name, parameter in self.parameters().items() if parameter.dtype != torch.float32}
        tensors = ((name, value) for name, value in stream(self.files) if name in narrow)
        return {name: self.chips.put(value.float(), self.plan[name]) for name, value in tensors}

    def hidden_states(self, input_ids: Tensor) -> Tensor:
        """Returns the output of the last layer, (rows, tokens, hidden), for right-padded rows."""
        outputs = self.module.model(inputs_embeds=self.embedded(input_ids), use_cache=False)
        return self.chips.constrain(outputs.last_hidden_state, HIDDEN)

    def embedded(self, input_ids: Tensor) -> Tensor:
        """Returns the vectors of tokens, (rows, tokens, hidden), as the first layer reads them."""
        vectors = look_up(self.chips, self.module.get_input_embeddings().weight, input_ids)
        scale = float(self.family.embedding_scale(self.module.config))
        if scale != 1:
            # transformers rounds the factor to the number format of the embeddings before it multiplies.
            vectors = vectors * torch.tensor(scale, dtype=vectors.dtype).item()
        return self.chips.constrain(vectors, () if is_single(vectors) else HIDDEN)


def load(
    location: str, revision: str | None, dtype: torch.dtype, chips: Slice, *, rematerialise: bool, empty: bool = False
) -> ShardedModel:
    """Loads a pretrained model, reading parameters one by one and sending each chip its parts.

    Args:
        rematerialise: Recompute each layer's activations in the backward pass.
        empty: Make zeros on the chips instead of reading parameters.

    Raises:
        ConfigurationError, RunError: As `without_values` and `fill`.
    """
    module, family = without_values(AutoConfig.from_pretrained(location, revision=revision), chips, location)
    # A checkpoint without generation_config.json keeps the one that transformers makes from its config.json.
    with suppress(OSError):
        module.generation_config = GenerationConfig.from_pretrained(location, revision=revision or "main")
    shapes = {name: parameter.shape for name, parameter in module.named_parameters()}
    plan = sharding_plan(family, shapes, chips.shape)
    files = [] if empty else safetensors_files(location, revision)
    zeros = ((name, chips.zeros(shape, dtype, plan[name])) for name, shape in shapes.items())
    fill(module, zeros if empty else stream(files), plan, dtype, chips)
    prepare(module, chips, rematerialise=rematerialise)
    return ShardedModel(module, family, chips, plan, files)


def without_values(config: Any, chips: Slice, name: str) -> tuple[Any, Family]:
    """Returns the module of a configuration, without memory for its parameters, and its family.

    Raises:
        ConfigurationError: No model family covers the architecture, the tensor axis does not divide the heads, or the
            model caps its logits.
    """
    family = require_family(config.model_type, name)
    problems = head_misfits(family.heads(config), chips.shape, name)
    problems += [
        Problem("models", f"{name}.{key}", value, "caps on logits are not supported on a TPU", "train on CPU or GPU")
        for key in SOFT_CAPS
        if (value := getattr(config, key, None)) is not None
    ]
    if problems:
        raise ConfigurationError(problems)
    with init_empty_weights(include_buffers=False):
        module = AutoModelForCausalLM.from_config(config, attn_implementation=ATTENTION, dtype=torch.float32)
    keep_rows_apart(module, chips)
    module.tie_weights()
    return module, family


def fill(
    module: Any, tensors: Iterable[tuple[str, Tensor]], plan: dict[str, Partition], dtype: torch.dtype, chips: Slice
) -> None:
    """Puts whole parameters one by one, split by the plan, and buffers, replicated, into an empty module.

    Tensors that are on the chips already are taken as they are.

    Raises:
        RunError: The tensors lack a parameter or hold one of another shape.
    """
    missing = {name: tuple(parameter.shape) for name, parameter in module.named_parameters()}
    for name, value in tensors:
        shape = missing.pop(name, None)
        if shape is None:
            continue  # A copy of a tied parameter, or a buffer that is computed.
        if tuple(value.shape) != shape:
            raise RunError(f"{name} has shape {tuple(value.shape)} in the files and {shape} in config.json")
        owner, _, key = name.rpartition(".")
        placed = value if value.device == chips.device else chips.put(value.to(dtype), plan[name])
        module.get_submodule(owner)._parameters[key] = torch.nn.Parameter(placed)
    if missing:
        raise RunError(f"the files lack {len(missing)} parameters, such as {min(missing)}")
    module.tie_weights()
    for submodule in module.modules():
        present = {key: buffer for key, buffer in submodule._buffers.items() if buffer is not None}
        submodule._buffers.update({key: chips.put(buffer) for key, buffer in present.items()})


def prepare(module: Any, chips: Slice, *, rematerialise: bool) -> None:
    """Fixes how activations are split between layers, and which of them are kept for the backward pass."""

    def split_by_rows(_module: Any, _inputs: Any, output: Any) -> Any:
        first, *others = output if isinstance(output, tuple) else (output,)
        split = chips.constrain(first, () if is_single(first) else HIDDEN)
        return (split, *others) if isinstance(output, tuple) else split

    for layer in module.model.layers:
        if rematerialise:
            # Also keeps gathered weights from staying around until the backward pass.
            checkpoint_module(layer)
        layer.register_forward_hook(split_by_rows)


def is_single(hidden: Tensor) -> bool:
    """Returns whether activations (rows, tokens, hidden) are of single tokens, as in decoding, and not split by rows.

    They are small, so all chips have all of them, exchange them and keep their parts of the weights. If each chip had
    some of the rows, it would gather all weights for every token.
    """
    return hidden.shape[1] == 1


def keep_rows_apart(module: Any, chips: Slice) -> None:
    """Makes all linear layers of a model multiply without flattening rows and tokens into one dimension.

    After flattening, XLA no longer knows which chip holds which rows. An einsum keeps the dimensions, but only inside
    an autograd function, since automatic differentiation would flatten them again. torch_xla's patch with this effect
    (`apply_xla_patch_to_nn_linear`) takes ten times as long per layer.
    """

    def forward(layer: torch.nn.Linear, value: Tensor) -> Tensor:
        product: Tensor = _Linear.apply(value, layer.weight)
        if is_single(product):
            product = chips.annotate(product, ())
        return product if layer.bias is None else product + layer.bias

    for layer in module.modules():
        if isinstance(layer, torch.nn.Linear):
            setattr(layer, "forward", MethodType(forward, layer))  # noqa: B010 - mypy refuses an assignment to a method


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, value: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(value, weight)
        return torch.einsum("...n,mn->...m", value, weight)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor]:
        (gradient,), (value, weight) = gradients, ctx.saved_tensors
        return torch.einsum("...m,mn->...n", gradient, weight), torch.einsum("...m,...n->mn", gradient, value)
