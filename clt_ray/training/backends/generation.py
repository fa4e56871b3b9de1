"""What generation has in common on all hardware: which tokens end a reply, and which prompts share a batch."""

from collections.abc import Callable, Sequence
from typing import Any

from clt_ray.data.formatting import end_of_turn_id

Tokens = list[int]


def end_of_turn_ids(model: Any, tokenizer: Any) -> list[int]:
    """Returns every token that ends a reply: the end of text, the end of a turn in the chat format, and the tokens
    that the checkpoint declares."""
    declared = model.generation_config.eos_token_id
    declared = declared if isinstance(declared, list) else [declared]
    candidates = (*declared, tokenizer.eos_token_id, end_of_turn_id(tokenizer))
    return sorted({token for token in candidates if token is not None})


def in_batches(
    generate: Callable[[list[Sequence[int]]], Sequence[Tokens]],
    prompts: Sequence[Sequence[int]],
    batch_size: int,
    after_batch: Callable[[], None],
) -> list[Tokens]:
    """Returns the continuations of prompts in their order, from a function that continues a batch of prompts.

    Prompts of similar length share a batch, which keeps the padding small. `after_batch` is called after each.
    """
    order = sorted(range(len(prompts)), key=lambda index: -len(prompts[index]))
    outputs: dict[int, Tokens] = {}
    for start in range(0, len(order), batch_size):
        batch = order[start : start + batch_size]
        outputs.update(zip(batch, generate([prompts[index] for index in batch]), strict=True))
        after_batch()
    return [outputs[index] for index in range(len(prompts))]


def until_stop(tokens: Tokens, stops: set[int]) -> Tokens:
    """Returns the tokens before the first one that ends a reply."""
    return tokens[: next((place for place, token in enumerate(tokens) if token in stops), len(tokens))]
