"""Raw columns become rows, or an error with the reason."""

from __future__ import annotations

import pytest

from clt_ray.data.rows import MalformedRow, Row, claimed_language
from clt_ray.data.scripts import writing
from clt_ray.data.templates import apply_template, chat_instruction, prompts
from tests.support.local_rows import to_row

STUDY_LANGUAGES = ("en", "es", "fr", "ja", "zh", "ar", "ko", "pt")


def test_each_task_reads_its_own_columns() -> None:
    math = to_row({"question": " 1+1? ", "answer": " 2 "}, "math", "es", default_id="7")
    assert math == Row("7", "math", "es", "Pregunta: 1+1?\nRespuesta:", "2")
    summary = to_row({"id": "a", "text": "T", "summary": "S"}, "summarization", "zh", default_id="7")
    assert summary == Row("a", "summarization", "zh", "T\n摘要：", "S")
    instruction = to_row({"prompt": "P", "completion": "C"}, "instruction", "ja", default_id="7")
    assert instruction == Row("7", "instruction", "ja", "P\n", "C")


def test_a_numeric_answer_is_text() -> None:
    assert to_row({"question": "q", "answer": 18}, "math", "en", default_id="0").completion == "18"


@pytest.mark.parametrize(
    ("column", "role", "text", "user", "assistant"),
    [("messages", "role", "content", "user", "assistant"), ("conversations", "from", "value", "human", "gpt")],
)
def test_a_chat_gives_its_first_exchange(column: str, role: str, text: str, user: str, assistant: str) -> None:
    turns = [("system", "be brief"), (user, "hi"), (assistant, "hello"), (user, "bye"), (assistant, "so long")]
    raw = {"id": 3, column: [{role: who, text: what} for who, what in turns]}
    row = to_row(raw, "instruction", "en", default_id="0")
    assert (row.id, row.prompt, row.completion) == ("3", "hi\n", "hello")


def test_parallel_items_share_their_name() -> None:
    rows = [to_row({"question": "q", "answer": "1", "lang-id": f"{code}-42"}, "math", code, default_id="0")
            for code in ("en", "es")]  # fmt: skip
    assert {row.id for row in rows} == {"42"}


@pytest.mark.parametrize(
    ("task", "raw", "reason"),
    [
        ("math", {"answer": "1"}, "no column 'question'"),
        ("math", {"question": "q"}, "no column 'answer'"),
        ("math", {"question": "q", "answer": True}, "'answer' is not text but bool"),
        ("math", {"question": ["q"], "answer": "1"}, "'question' is not text but list"),
        ("summarization", {"text": "  ", "summary": "s"}, "empty 'text'"),
        ("summarization", {"text": "t", "summary": ""}, "empty 'summary'"),
        ("instruction", {"text": "t"}, "no column 'prompt', 'messages' or 'conversations'"),
        ("instruction", {"messages": [{"role": "assistant", "content": "hi"}]}, "no user turn"),
        ("instruction", {"messages": [{"role": "user", "content": "hi"}]}, "no column 'completion'"),
        ("instruction", {"messages": ["hi"]}, "a turn without 'role' and 'content'"),
        ("instruction", {"conversations": []}, "no user turn"),
        ("math", {"question": "q", "answer": "1", "lang-id": "fr-3"}, "says that its language is 'fr'"),
        ("instruction", {"prompt": "p", "completion": "c", "language": "jpn"}, "says that its language is 'ja'"),
    ],
)
def test_a_malformed_row_says_why(task: str, raw: dict[str, object], reason: str) -> None:
    with pytest.raises(MalformedRow) as caught:
        to_row(raw, task, "en", default_id="0")
    assert str(caught.value) == reason


def test_a_prompt_without_completion_is_legal_where_asked() -> None:
    assert to_row({"prompt": "p"}, "instruction", "en", default_id="0", needs_completion=False).completion == ""


def test_study_languages_have_native_templates() -> None:
    for task, placeholder in (("math", "{question}"), ("summarization", "{text}")):
        native = prompts(task)
        assert set(STUDY_LANGUAGES) <= native.keys()
        assert all(template.count(placeholder) == 1 for template in native.values())
        assert len(set(native.values())) == len(native)


def test_study_languages_are_told_what_to_do_in_their_own_words() -> None:
    for task in ("math", "summarization"):
        instructions = {code: chat_instruction(task, code) for code in STUDY_LANGUAGES}
        assert len(set(instructions.values())) == len(STUDY_LANGUAGES)
        for code, text in instructions.items():
            assert writing(text, code).share > 0.9 and text[-1] in ".。"
    assert chat_instruction("instruction", "ja") == ""
    assert chat_instruction("math", "fi") == chat_instruction("math", "en")


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        ({"lang-id": "es-17"}, "es"),
        ({"language": "Japanese"}, "ja"),
        ({"language": "arb", "script": "Arab"}, "ar"),
        ({"lang": "pt"}, "pt"),
        ({"language": "Klingon"}, None),
        ({"language": 3}, None),
        ({}, None),
    ],
)
def test_a_row_may_name_its_language(raw: dict[str, object], code: str | None) -> None:
    assert claimed_language(raw, "en") == code


def test_other_languages_use_the_english_template() -> None:
    assert apply_template("math", "fi", "Paljonko?") == "Question: Paljonko?\nAnswer:"


def test_braces_in_a_text_stay() -> None:
    assert apply_template("summarization", "en", "{text} {x}") == "{text} {x}\nSummary:"
