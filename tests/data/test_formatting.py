"""Prompt ids are a prefix of the full ids, only the completion has labels, and cutting keeps a part of it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from clt_ray.data.formatting import IGNORED, encode, encode_prompt
from clt_ray.data.rows import Row

CHAT = (
    "{{ bos_token }}{% for m in messages %}<|{{ m.role }}|>{{ m.content | trim }}{{ eos_token }}\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
# Shows earlier turns in another way than the last, as formats with a hidden train of thought do.
REWRITING = "{% for m in messages %}{{ loop.length }}:{{ m.content }}\n{% endfor %}"
LINES = [
    "Question: how many?\nAnswer: The answer is 8.",
    "問題：いくつ？\n答え：答えは8です。",
    "السؤال: كم؟ الجواب: ٨",
]


def trained(chat_template: str | None, bos: bool) -> Any:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<pad>", "<s>", "</s>", "<|user|>", "<|assistant|>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=420, special_tokens=special, initial_alphabet=alphabet)
    tokenizer.train_from_iterator(LINES, trainer)
    if bos:
        tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    wrapped = PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", bos_token="<s>", eos_token="</s>")
    wrapped.chat_template = chat_template
    return wrapped


TOKENIZERS = {
    "plain": trained(None, bos=False),
    "plain with start token": trained(None, bos=True),
    "chat": trained(CHAT, bos=True),
    "chat that rewrites": trained(REWRITING, bos=False),
}
texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=80).filter(str.strip)
rows = st.builds(Row, st.just("0"), st.just("math"), st.just("en"), texts, texts.map(str.strip))


@pytest.mark.parametrize("name", TOKENIZERS)
@settings(deadline=None, max_examples=60)
@given(row=rows)
def test_the_prompt_is_a_prefix_and_only_the_completion_is_learned(name: str, row: Row) -> None:
    tokenizer = TOKENIZERS[name]
    encoded, prompt = encode(row, tokenizer, 10_000), encode_prompt(row, tokenizer)
    assert encoded.input_ids[: len(prompt)] == prompt
    assert encoded.labels == [IGNORED] * len(prompt) + encoded.input_ids[len(prompt) :]
    assert tokenizer.eos_token_id in encoded.labels
    learned = tokenizer.decode(encoded.input_ids[len(prompt) :], clean_up_tokenization_spaces=False)
    assert row.completion in learned


@pytest.mark.parametrize("name", TOKENIZERS)
@settings(deadline=None, max_examples=60)
@given(row=rows, length=st.integers(2, 40))
def test_a_cut_row_fits_and_keeps_completion(name: str, row: Row, length: int) -> None:
    tokenizer = TOKENIZERS[name]
    whole, cut = encode(row, tokenizer, 10_000), encode(row, tokenizer, length)
    assert len(cut.input_ids) == len(cut.labels) == min(length, len(whole.input_ids))
    assert (cut == whole) == (len(whole.input_ids) <= length)
    learned = [label for label in cut.labels if label != IGNORED]
    expected = [label for label in whole.labels if label != IGNORED]
    assert learned == expected[: len(learned)] and len(learned) >= min(len(expected), length // 2)
    assert len(encode_prompt(row, tokenizer, length)) <= length


def test_the_middle_of_a_long_prompt_goes() -> None:
    tokenizer = TOKENIZERS["plain with start token"]
    row = Row("0", "summarization", "en", "start " + "middle " * 500 + "end\nSummary:", "The summary.")
    cut = encode(row, tokenizer, 100)
    text = tokenizer.decode(cut.input_ids)
    assert text.startswith("<s>") and "start" in text and "end\nSummary: The summary.</s>" in text


def test_plain_text_reads_naturally() -> None:
    tokenizer = TOKENIZERS["plain"]
    asked = encode(Row("0", "math", "en", "Question: 1?\nAnswer:", "1"), tokenizer, 100)
    assert tokenizer.decode(asked.input_ids) == "Question: 1?\nAnswer: 1</s>"
    encoded = encode(Row("0", "instruction", "en", "Say hi\n", "hi"), tokenizer, 100)
    assert tokenizer.decode(encoded.input_ids) == "Say hi\nhi</s>"


def test_no_room_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least 2"):
        encode(Row("0", "math", "en", "p", "c"), TOKENIZERS["plain"], 1)
