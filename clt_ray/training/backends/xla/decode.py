"""Greedy decoding on a slice, with two kinds of graphs for all lengths.

Prompts are padded on the left to one of a few widths, so all rows of a batch continue at the same slot of the cache.
The cache has a fixed length, and every graph reads all of it through a mask:

    prompts of 300 tokens, 128 new ones     prefill (32, 384)  ->  decode (32, 512), 127 times
    prompts of 200 tokens, 128 new ones     prefill (32, 256)  ->  the same decode graph

Values that change from token to token (position, cache slot, mask, which rows have ended) stay on the device. Every
`LOOK_EVERY` tokens the host reads whether all rows have ended.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from clt_ray.families import FSDP, TENSOR
from clt_ray.training.backends.generation import until_stop
from clt_ray.training.backends.xla.attention import HIDDEN_SCORE
from clt_ray.training.backends.xla.buckets import width_for, widths
from clt_ray.training.backends.xla.graphs import Computation, GraphBook
from clt_ray.training.backends.xla.model import ShardedModel
from clt_ray.training.backends.xla.plan import BATCH
from clt_ray.training.backends.xla.vocabulary import BY_WORD

LOOK_EVERY = 16
"""Number of tokens between reads from the device, each of which waits for it."""
CACHE = (FSDP, TENSOR, None, None)
"""Partition of cached keys and values, (rows, key-value heads, slots, head size)."""


class SlotCache:
    """Keys and values of all layers in tensors of fixed size; the new ones of a layer are written to `slots`.

    It has the two methods of a cache that the decoder layers of transformers call.
    """

    def __init__(self, layers: Sequence[tuple[Tensor, Tensor]], slots: Tensor) -> None:
        self.layers, self.slots = layers, slots

    def update(self, key: Tensor, value: Tensor, layer: int, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
        keys, values = self.layers[layer]
        keys.index_copy_(2, self.slots, key)
        values.index_copy_(2, self.slots, value)
        return keys, values

    def get_seq_length(self, layer: int = 0) -> int:
        """Returns 0. Models use it to number positions, but decoding passes the positions itself."""
        return 0


@dataclass(frozen=True)
class Progress:
    """State of a batch on the device between tokens."""

    token: Tensor
    """Tokens to read next, (rows, tokens): the prompts, and from then on one token of each row."""
    position: Tensor
    """Positions of those tokens in the text, (rows, tokens)."""
    slot: Tensor
    """Cache slots of those tokens, (tokens,)."""
    visible: Tensor
    """Slots that hold a token of the row or will do so, (rows, slots)."""
    ended: Tensor
    """Rows whose reply has ended, (rows,)."""
    output: Tensor
    """Generated tokens, (rows, new tokens)."""


@dataclass
class Decoder:
    """Continues prompts with one model.

    Args:
        stops: Tokens that end a reply.
        rows: Number of prompts at a time, a multiple of the mesh's fsdp axis.
        new_tokens: Length limit of a reply in tokens.
        longest_prompt: Length of the longest prompt in tokens; with `new_tokens` it determines the length of the cache.
    """

    model: ShardedModel
    stops: Sequence[int]
    pad_id: int
    rows: int
    new_tokens: int
    longest_prompt: int
    graphs: GraphBook = field(default_factory=GraphBook)
    tokens: int = 0
    """Tokens generated so far, without those after the end of a reply."""
    seconds: float = 0.0
    """Wall-clock time of generation so far in seconds, including compilation."""

    def __post_init__(self) -> None:
        self._widths = widths(self.longest_prompt)
        self._slots = self._widths[-1] + self.new_tokens
        config, chips = self.model.module.config, self.model.chips
        size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        shape = (self.rows, config.num_key_value_heads, self._slots, size)
        dtype = self.model.head.dtype
        self._layers = [
            (chips.zeros(shape, dtype, CACHE), chips.zeros(shape, dtype, CACHE)) for _ in self.model.module.model.layers
        ]
        chips.make()

    def __call__(self, prompts: Sequence[Sequence[int]]) -> list[list[int]]:
        """Returns the greedy continuations of at most `rows` prompts, without the token that ended each."""
        began = time.monotonic()
        progress = self.read(self.start(prompts), 0)
        for count in range(1, self.new_tokens):
            if count % LOOK_EVERY == 0 and bool(self.model.chips.read(progress.ended).all()):
                break
            progress = self.read(progress, count)
        outputs = self.model.chips.read(progress.output).tolist()
        replies = [until_stop(tokens, {*self.stops, self.pad_id}) for tokens, _ in zip(outputs, prompts, strict=False)]
        self.tokens += sum(map(len, replies))
        self.seconds += time.monotonic() - began
        return replies

    def start(self, prompts: Sequence[Sequence[int]]) -> Progress:
        """Returns prompts on the device, none of which is read yet."""
        width = width_for(max(map(len, prompts)), self._widths)
        ids = torch.full((self.rows, width), self.pad_id, dtype=torch.long)
        visible = torch.ones(self.rows, self._slots, dtype=torch.bool)
        visible[:, :width] = False
        for row, prompt in enumerate(prompts):
            ids[row, width - len(prompt) :] = torch.as_tensor(prompt)
            visible[row, width - len(prompt) : width] = True
        # A row without a prompt sees its last token, so that its softmax has a term.
        visible[len(prompts) :, width - 1] = True
        positions = (visible[:, :width].long().cumsum(1) - 1).clamp(min=0)
        chips = self.model.chips
        values = chips.put_all(
            {
                "token": ids, "position": positions, "slot": torch.arange(width), "visible": visible,
                "ended": torch.arange(self.rows) >= len(prompts),
                "output": torch.full((self.rows, self.new_tokens), self.pad_id),
            },
            {"token": BATCH, "position": BATCH, "slot": (), "visible": BATCH, "ended": (), "output": ()},
        )  # fmt: skip
        return Progress(**values)

    @torch.no_grad()
    def read(self, progress: Progress, count: int) -> Progress:
        """Reads the tokens of `progress` and returns the state with the token after them, number `count` of a reply."""
        shape = tuple(progress.token.shape)
        name = f"{'decode' if shape[1] == 1 else 'prefill'} {shape} of {self._slots}"
        # The number is sent to the device as a value: as a Python number it would become part of the graph.
        place = self.model.chips.put(torch.tensor([count]))
        cache = [tensor for layer in self._layers for tensor in layer]
        reads = [place, *vars(progress).values(), *self.model.tensors()]
        following = Computation(name, 0, lambda: self._compute(progress, place), reads, cache)
        token, position, slot, ended, output = self.graphs.run(following)
        return Progress(token, position, slot, progress.visible, ended, output)

    def _compute(self, progress: Progress, place: Tensor) -> Sequence[Tensor]:
        chips = self.model.chips
        seen = torch.arange(self._slots, device=chips.device)[None] <= progress.slot[:, None]
        mask = _additive(progress.visible[:, None, None, :] & seen[None, None])
        token = self._next(progress.token, mask, progress.position, progress.slot)
        ended = torch.stack([progress.ended, *(token[:, 0] == stop for stop in self.stops)]).any(dim=0)
        output = progress.output.index_copy(1, place, token)
        for tensor in (tensor for layer in self._layers for tensor in layer):
            chips.annotate(tensor, CACHE)
        by_row = (chips.annotate(value, BATCH) for value in (token, progress.position[:, -1:] + 1))
        whole = (chips.annotate(value, ()) for value in (progress.slot[-1:] + 1, ended, output))
        return [*by_row, *whole]

    def _next(self, ids: Tensor, mask: Tensor, positions: Tensor, slots: Tensor) -> Tensor:
        module, vectors = self.model.module, self.model.embedded(ids)
        cache = SlotCache(self._layers, slots)
        hidden = module.model(
            inputs_embeds=vectors, attention_mask=mask, position_ids=positions, past_key_values=cache, use_cache=True
        ).last_hidden_state[:, -1:]
        # The factor of the logits is left out: it is positive and does not change which logit is largest.
        logits = torch.einsum("bth,wh->btw", hidden, self.model.head)
        token: Tensor = self.model.chips.annotate(logits, BY_WORD).argmax(dim=-1)
        return token


def _additive(visible: Tensor) -> Tensor:
    """Returns a mask to add to scores: 0 where a slot is visible, and `HIDDEN_SCORE` elsewhere."""
    return torch.where(visible, 0.0, HIDDEN_SCORE)
