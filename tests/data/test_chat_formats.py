"""In a chat format, the ids of a row are those of the tokenizer's own chat template."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clt_ray.data.formatting import CHAT_DATE, IGNORED, encode, encode_prompt, end_of_turn_id
from clt_ray.data.rows import Row
from clt_ray.data.templates import chat_instruction
from tests.support.chat_formats import FORMATS, chat_tokenizer
from tests.support.local_rows import to_row

TOKENIZERS = {(name, own_end): chat_tokenizer(name, own_end=own_end) for name in FORMATS for own_end in (True, False)}
CASES = pytest.mark.parametrize("case", TOKENIZERS, ids=lambda case: f"{case[0]}-{'instruct' if case[1] else 'base'}")

LANGUAGES = ("en", "es", "fr", "ja", "zh", "ar", "ko", "pt")
texts = st.text(st.characters(exclude_categories=["C"]), min_size=1, max_size=60).map(str.strip).filter(bool)
tasks = st.sampled_from([("math", "question", "answer"), ("summarization", "text", "summary"),
                         ("instruction", "prompt", "completion")])  # fmt: skip


@st.composite
def drawn_rows(draw: st.DrawFn) -> Row:
    task, source, target = draw(tasks)
    return to_row({source: draw(texts), target: draw(texts)}, task, draw(st.sampled_from(LANGUAGES)), default_id="0")


def turns(row: Row) -> list[dict[str, str]]:
    asked = f"{chat_instruction(row.task, row.language)}\n\n{row.prompt}".strip()
    return [{"role": "user", "content": asked}, {"role": "assistant", "content": row.completion}]


def by_template(tokenizer: Any, conversation: list[dict[str, str]], **options: Any) -> list[int]:
    ids = tokenizer.apply_chat_template(conversation, tokenize=True, date_string=CHAT_DATE, **options)["input_ids"]
    return list(ids)


@CASES
@settings(deadline=None, max_examples=40)
@given(row=drawn_rows())
def test_ids_are_those_of_the_chat_template(case: tuple[str, bool], row: Row) -> None:
    tokenizer = TOKENIZERS[case]
    encoded = encode(row, tokenizer, 10_000)
    assert encoded.input_ids == by_template(tokenizer, turns(row))


@CASES
@settings(deadline=None, max_examples=40)
@given(row=drawn_rows())
def test_learning_starts_where_generation_does(case: tuple[str, bool], row: Row) -> None:
    tokenizer = TOKENIZERS[case]
    encoded, prompt = encode(row, tokenizer, 10_000), encode_prompt(row, tokenizer)
    assert prompt == by_template(tokenizer, turns(row)[:1], add_generation_prompt=True)
    assert encoded.input_ids[: len(prompt)] == prompt
    assert encoded.labels == [IGNORED] * len(prompt) + encoded.input_ids[len(prompt) :]
    assert tokenizer.decode(encoded.input_ids[len(prompt) :]).startswith(row.completion)


@CASES
def test_a_reply_ends_once_and_a_text_starts_once(case: tuple[str, bool]) -> None:
    name, _ = case
    tokenizer = TOKENIZERS[case]
    end = tokenizer.convert_tokens_to_ids(FORMATS[name][2])
    row = to_row({"question": "¿2 + 2?", "answer": "La respuesta es 4."}, "math", "es", default_id="0")
    encoded = encode(row, tokenizer, 1_000)
    learned = [label for label in encoded.labels if label != IGNORED]
    assert end_of_turn_id(tokenizer) == end and learned.count(end) == 1
    # A model that learned to write the base release's end of text after its turn would never be stopped by it.
    assert tokenizer.convert_tokens_to_ids("</s>") not in learned
    assert encoded.input_ids.count(tokenizer.bos_token_id) == (0 if name == "chatml" else 1)


def test_without_a_chat_format_the_end_of_text_ends_a_reply() -> None:
    tokenizer = chat_tokenizer("llama", own_end=False)
    tokenizer.chat_template = None
    assert end_of_turn_id(tokenizer) == tokenizer.eos_token_id


def test_the_instruction_is_in_the_language_of_the_row() -> None:
    tokenizer = TOKENIZERS["aya", True]
    prompts = {}
    for code in LANGUAGES:
        row = to_row({"text": "…", "summary": "…"}, "summarization", code, default_id="0")
        prompts[code] = tokenizer.decode(encode_prompt(row, tokenizer))
    assert "una o dos frases" in prompts["es"] and "要約してください" in prompts["ja"] and "ملخص" in prompts["ar"]
    assert len(set(prompts.values())) == len(LANGUAGES)


def test_the_date_of_a_prompt_is_not_the_date_of_the_run() -> None:
    tokenizer = TOKENIZERS["llama", True]
    row = to_row({"question": "2 + 2?", "answer": "4"}, "math", "en", default_id="0")
    assert f"Today Date: {CHAT_DATE}" in tokenizer.decode(encode_prompt(row, tokenizer))


def test_exemplars_are_earlier_turns_that_look_like_training_rows() -> None:
    tokenizer = TOKENIZERS["aya", True]
    asked, *shots = (
        to_row({"question": f"{n} + 1?", "answer": f"The answer is {n + 1}."}, "math", "en", default_id=str(n))
        for n in range(3)
    )
    prompt = encode_prompt(asked, tokenizer, shots=shots)
    conversation = [turn for shot in shots for turn in turns(shot)] + turns(asked)[:1]
    assert prompt == by_template(tokenizer, conversation, add_generation_prompt=True)
    start = [tokenizer.bos_token_id]
    assert (
        prompt
        == start
        + [token for shot in shots for token in encode(shot, tokenizer, 999).input_ids[1:]]
        + (encode_prompt(asked, tokenizer)[1:])
    )
