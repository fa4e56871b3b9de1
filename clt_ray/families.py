"""Model families: everything that clt-ray knows about an architecture, one declaration each.

A checkpoint names its architecture in `config.json` (`model_type`), and a family covers one or more of these names.
On CPU and GPU any causal language model of transformers trains; on a TPU a family is required, since it says how the
parameters are split over the chips. A package of a user declares further families and names them in the group of
entry points `clt_ray.families`; docs/extend.md does so for Qwen 3 and Gemma 3.

A partition names, for each dimension of a tensor, the axis of the mesh that splits it (`training.backends.xla.plan`):

    q_proj.weight     (heads x head size, hidden)   COLUMN        heads over `tensor`, gathered over `fsdp` for use
    o_proj.weight     (hidden, heads x head size)   ROW           contracts the dimension that q_proj has split
    lm_head.weight    (vocabulary, hidden)          VOCABULARY    every chip has its part of the vocabulary
    norm.weight       (hidden,)                     REPLICATED    a few kilobytes
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from clt_ray.errors import ConfigurationError, Problem
from clt_ray.plugins import Registry, UnknownNameError

FSDP, TENSOR = "fsdp", "tensor"
"""The axes of a mesh: `fsdp` splits the batch and the stored parameters, `tensor` splits the work inside a layer."""

Axis = str | tuple[str, ...] | None
"""Entry of a partition: a mesh axis, several of them, or None where a dimension is whole."""
Partition = tuple[Axis, ...]
"""One entry per dimension of a tensor; missing entries at the end are None."""

COLUMN: Partition = (TENSOR, FSDP)
ROW: Partition = (FSDP, TENSOR)
VOCABULARY: Partition = ((FSDP, TENSOR), None)
REPLICATED: Partition = ()

DECODER_RULES: tuple[tuple[str, Partition], ...] = (
    (r"embed_tokens\.weight", ROW),
    (r"lm_head\.weight", VOCABULARY),
    (r"self_attn\.[qkv]_proj\.weight", COLUMN),
    (r"mlp\.(gate|up)_proj\.weight", COLUMN),
    (r"self_attn\.o_proj\.weight", ROW),
    (r"mlp\.down_proj\.weight", ROW),
    (r"(?:.*norm\d*\.weight|.*_proj\.bias)", REPLICATED),
)
"""Sharding rules that fit decoders with Llama's parameter names, norms in any places."""


@dataclass(frozen=True)
class Heads:
    """Numbers of attention heads; the tensor axis of a mesh has to divide both."""

    query: int
    key_value: int


def attention_heads(config: Any) -> Heads:
    """Returns the numbers of heads that a transformers configuration states under its usual names."""
    return Heads(config.num_attention_heads, config.num_key_value_heads or config.num_attention_heads)


def unscaled(config: Any) -> float:
    """Returns 1, the scale of families that do not scale."""
    return 1.0


@dataclass(frozen=True)
class Family:
    """One architecture.

    The transformers class of the family must be a causal language model with the parts `model`, `model.layers` and
    `lm_head`. Sliding windows of attention need no declaration: the layers pass theirs to the attention function.
    """

    name: str
    """Name in sweep files (`models.*.architecture`) and in messages."""
    model_types: tuple[str, ...]
    """Names of the architecture in `config.json` of its checkpoints (`model_type`)."""
    module: str
    """Python module that defines the model's classes, imported ahead by the process that starts training runs."""
    sharding_rules: tuple[tuple[str, Partition], ...] = DECODER_RULES
    """Pairs of a regular expression for the end of a parameter's name and the partition of the parameter. The first
    match counts, and a dimension that an axis does not divide stays whole."""
    heads: Callable[[Any], Heads] = attention_heads
    """Function of the transformers configuration that returns the numbers of attention heads."""
    embedding_scale: Callable[[Any], float] = unscaled
    """Function of the transformers configuration that returns the factor of the embeddings."""
    logit_scale: Callable[[Any], float] = unscaled
    """Function of the transformers configuration that returns the factor of the logits."""
    padding_token: str | None = None
    """Token that the family reserves for padding, for tokenizers that declare none."""
    chat_arguments: Mapping[str, bool | str] = field(default_factory=dict)
    """Variables to set in the chat format, such as `{"enable_thinking": False}`, for models whose sweep file names the
    family. The end of a turn needs no declaration: it is read from the chat format."""

    def content(self) -> dict[str, object]:
        """Returns what of this declaration changes the rows of a run; it enters the run ids of families of others."""
        return {"chat_arguments": dict(self.chat_arguments)} if self.chat_arguments else {}


LLAMA = Family(
    name="llama",
    model_types=("llama",),
    module="transformers.models.llama.modeling_llama",
    padding_token="<|finetune_right_pad_id|>",
)

COHERE = Family(
    name="cohere",
    model_types=("cohere",),
    module="transformers.models.cohere.modeling_cohere",
    logit_scale=lambda config: float(config.logit_scale),
)

FAMILIES: Registry[Family] = Registry(
    "clt_ray.families", Family, (LLAMA, COHERE), aliases=lambda family: family.model_types
)
"""All families by name: those of clt-ray, then those of other packages."""

find_family = FAMILIES.find
"""Returns the family of an architecture, by its own name or a model type, or None; see `Registry.find`."""


def unknown_family(architecture: str, model: str) -> Problem:
    """Returns the problem to report for a model whose architecture no family covers."""
    message = "no model family covers this architecture, and a TPU needs its sharding rules"
    remedy = f"{FAMILIES.remedy(architecture)}; docs/extend.md shows how to declare one"
    return Problem("models", f"{model}.architecture", architecture, message, remedy)


def require_family(architecture: str, model: str) -> Family:
    """Returns the family of an architecture.

    Raises:
        ConfigurationError: No family covers it, or a package declares a family that cannot be loaded.
    """
    try:
        return FAMILIES.require(architecture)
    except UnknownNameError:
        raise ConfigurationError([unknown_family(architecture, model)]) from None
