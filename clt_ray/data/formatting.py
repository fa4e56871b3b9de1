"""Encodes rows as tokens: in the model's chat format when it has one, as plain text otherwise.

    plain   <s>Question: 3 + 5?\\nAnswer:| The answer is 8.</s>
    chat    <s>[user] Solve this math problem ...\\n\\nQuestion: 3 + 5?\\nAnswer:[end][assistant]|The answer is 8.[end]

The model learns the tokens after the bar, where generation also starts. A chat model gets an instruction in the row's
language first (`templates.chat_instruction`). The prompt and the completion are tokenised separately and joined as
ids: a tokenizer that sees both at once may merge characters across the border, and training and generation would
continue different prompts. When a row is too long, the completion keeps at least half of the length, and tokens in the
middle of the prompt are left out: its end has the words that ask for an answer.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from clt_ray.data.rows import Row
from clt_ray.data.templates import chat_instruction

IGNORED = -100
"""Label of a token that does not enter the loss."""
KEPT_TAIL = 32
"""Number of tokens at the end of a cut prompt that are kept: the template's last words and the markers of turns."""
CHAT_DATE = "26 Jul 2024"
"""Date for chat formats that contain today's date, the default of Llama 3.1's format. The real date would change the
rows of a run every day."""
SHOT_SEPARATOR = "\n\n"
"""Text between exemplars of a prompt without a chat format."""


@dataclass(frozen=True)
class Encoded:
    """A row as token ids."""

    input_ids: list[int]
    """Ids of the prompt, followed by those of the completion."""
    labels: list[int]
    """The same ids, with -100 in place of the prompt."""


def encode(row: Row, tokenizer: Any, max_length: int) -> Encoded:
    """Returns at most `max_length` token ids of a row, with labels for the completion only.

    Raises:
        ValueError: `max_length` leaves no room for both a prompt and a completion.
    """
    if max_length < 2:
        raise ValueError(f"max_length is {max_length}; a prompt and a completion need at least 2 tokens")
    prompt, completion = _parts(row, tokenizer)
    if len(prompt) + len(completion) > max_length:
        prompt = _without_middle(prompt, max(max_length - len(completion), max_length // 2))
        completion = completion[: max_length - len(prompt)]
    return Encoded(prompt + completion, [IGNORED] * len(prompt) + completion)


def encode_prompt(row: Row, tokenizer: Any, max_length: int | None = None, *, shots: Sequence[Row] = ()) -> list[int]:
    """Returns the tokens from which generation starts: those before the completion in `encode`.

    `shots` are worked examples before it: earlier turns of a chat, or paragraphs. Without `max_length` all is kept.
    """
    prompt = _prompt(row, tokenizer, shots)[0]
    return prompt if max_length is None else _without_middle(prompt, max_length)


def end_of_turn_id(tokenizer: Any) -> int:
    """Returns the id of the token that ends a reply: the chat format's (Llama 3: `<|eot_id|>`), or the end of text."""
    if has_chat_format(tokenizer):
        turns = [{"role": "user", "content": "?"}, {"role": "assistant", "content": "!"}]
        reply = _chat(tokenizer, turns).rpartition("!")[2]
        special = _special_ids(tokenizer)
        for token in _tokens(reply, tokenizer):
            if token in special:
                return int(token)
    return int(tokenizer.eos_token_id)


def has_chat_format(tokenizer: Any) -> bool:
    """Returns whether the tokenizer has a chat template."""
    return bool(getattr(tokenizer, "chat_template", None))


def context_length(location: str, revision: str | None = None) -> int | None:
    """Returns the number of positions in a model's configuration; None when it has no limit."""
    from transformers import AutoConfig

    positions = getattr(AutoConfig.from_pretrained(location, revision=revision), "max_position_embeddings", None)
    return int(positions) if positions else None


def _parts(row: Row, tokenizer: Any) -> tuple[list[int], list[int]]:
    prompt, shown = _prompt(row, tokenizer)
    if shown is None:
        return prompt, [*_tokens(_separator(row) + row.completion, tokenizer), tokenizer.eos_token_id]
    whole = _chat(tokenizer, _turns(row))
    # Where a format rewrites earlier turns, the two texts have no common prefix, and the completion is used as it is.
    rest = whole[len(shown) :] if whole.startswith(shown) else row.completion
    completion = _tokens(rest, tokenizer)
    # Most formats close the turn themselves, some with a line end after the marker.
    if not _special_ids(tokenizer) & set(completion[-2:]):
        completion.append(tokenizer.eos_token_id)
    return prompt, completion


def _prompt(row: Row, tokenizer: Any, shots: Sequence[Row] = ()) -> tuple[list[int], str | None]:
    """Returns the ids of the prompt, and its text in the chat format when there is one."""
    if has_chat_format(tokenizer):
        *turns, _reply = [turn for each in (*shots, row) for turn in _turns(each)]
        text = _chat(tokenizer, turns, add_generation_prompt=True)
        return _tokens(text, tokenizer), text
    shown = [f"{shot.prompt}{_separator(shot)}{shot.completion}" for shot in shots]
    ids = _tokens(SHOT_SEPARATOR.join([*shown, row.prompt]), tokenizer, add_special_tokens=True)
    return (ids[:-1] if len(ids) > 1 and ids[-1] == tokenizer.eos_token_id else ids), None


def _turns(row: Row) -> list[dict[str, str]]:
    user = f"{chat_instruction(row.task, row.language)}\n\n{row.prompt}".strip()
    return [{"role": "user", "content": user}, {"role": "assistant", "content": row.completion}]


def _chat(tokenizer: Any, turns: Sequence[dict[str, str]], add_generation_prompt: bool = False) -> str:
    options = {"add_generation_prompt": add_generation_prompt, "date_string": CHAT_DATE}
    return str(tokenizer.apply_chat_template(turns, tokenize=False, **options))


def _separator(row: Row) -> str:
    return "" if row.prompt[-1:].isspace() else " "


@lru_cache(maxsize=8)
def _special_ids(tokenizer: Any) -> frozenset[int]:
    added = {token for token, entry in tokenizer.added_tokens_decoder.items() if entry.special}
    return frozenset(added | set(tokenizer.all_special_ids))


def _tokens(text: str, tokenizer: Any, add_special_tokens: bool = False) -> list[int]:
    # The tokenizer's own warning about long texts is switched off, since long rows are cut or refused here.
    return list(tokenizer(text, add_special_tokens=add_special_tokens, verbose=False)["input_ids"])


def _without_middle(ids: list[int], length: int) -> list[int]:
    if len(ids) <= length:
        return ids
    tail = min(KEPT_TAIL, length // 2)
    return ids[: length - tail] + ids[len(ids) - tail :]
