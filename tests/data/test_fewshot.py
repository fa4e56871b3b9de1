"""Worked examples: their sources, their place in the prompt, and the cases that are refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoTokenizer

from clt_ray.data import hub
from clt_ray.data.fewshot import check_prompts, cut_continuation, exemplars, exemplars_of
from clt_ray.data.formatting import context_length, encode, encode_prompt
from clt_ray.data.mixture import build_run_data
from clt_ray.data.templates import prompt_template
from clt_ray.errors import DataError
from clt_ray.sweep.sections import DataSource, EvaluationSpec, ModelSpec
from clt_ray.tasks import HubFiles
from clt_ray.training.model import location
from tests.support.local_rows import math_root, problems, run_on, to_row, write_split

TINY = location(ModelSpec(name="tiny", source="bundled"))
LANGUAGES = ("en", "es", "fr", "ja", "zh", "ar", "ko", "pt")


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return AutoTokenizer.from_pretrained(TINY)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return math_root(tmp_path)


def test_a_root_may_bring_its_own(root: Path) -> None:
    write_split(root, "math", "exemplars", "ko", problems("ko", range(2000, 2009)))
    shown = exemplars(DataSource(root=str(root)), "math", "ko", 8)
    assert [row.completion for row in shown] == [f"The answer is {n + 1}." for n in range(2000, 2008)]


def test_otherwise_the_first_training_rows_that_are_no_test_rows_serve(root: Path) -> None:
    (leaked,) = problems("es", [1000])
    write_split(root, "math", "train", "es", [leaked, *problems("es", [5, 5, 6, 7])])
    shown = exemplars(DataSource(root=str(root)), "math", "es", 3)
    assert [row.completion for row in shown] == ["The answer is 6.", "The answer is 7.", "The answer is 8."]


def test_too_few_are_an_error_that_says_where_to_put_them(root: Path) -> None:
    with pytest.raises(DataError, match=r"math/exemplars/ko: 8 .* 0 are there\n.*math/exemplars/ko\.jsonl.*shots"):
        exemplars(DataSource(root=str(root)), "math", "ko", 8)
    assert exemplars(DataSource(root=str(root)), "math", "ko", 0) == ()


Publish = Callable[[str, Sequence[Mapping[str, Any]]], DataSource]

MGSM = {
    "es": ("Pregunta: ", "Respuesta paso a paso: "),
    "fr": ("Question : ", "Réponse étape par étape : "),
    "zh": ("问题：", "逐步解答："),
}


@pytest.fixture
def published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str, Sequence[Mapping[str, Any]]], DataSource]:
    """Makes a local copy of MGSM's training rows in one language, and a data source that has them as exemplars."""
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")

    def publish(code: str, rows: Sequence[Mapping[str, Any]]) -> DataSource:
        copy = tmp_path / "copy"
        (copy / code / "train").mkdir(parents=True)
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(list(rows)), copy / code / "train" / "0000.parquet")
        files = HubFiles(str(copy), {code: code}, "{name}/train/*.parquet")
        monkeypatch.setattr(hub, "layouts", lambda: {"mcot": {"exemplars": (files,)}})
        return DataSource(dataset="mcot")

    return publish


@pytest.mark.parametrize("code", MGSM)
def test_the_labels_of_mgsm_give_way_to_the_template(published: Publish, code: str) -> None:
    asked, answered = MGSM[code]
    rows = [{"question": f"{asked}{n} + 1?", "answer": f"{answered}{n} + 1 = {n + 1}.", "answer_number": n + 1}
            for n in range(8)]  # fmt: skip
    shown = exemplars(published(code, rows), "math", code, 8)
    assert shown[2].prompt == prompt_template("math", code).replace("{question}", "2 + 1?")
    assert shown[2].completion == "2 + 1 = 3."


def test_words_that_only_some_texts_begin_with_stay(published: Publish) -> None:
    rows = [{"question": "Note: 1 + 1?", "answer": "So: 2"}, {"question": "2 + 1?", "answer": "So: 3"}]
    shown = exemplars(published("en", rows), "math", "en", 2)
    assert "Note: 1 + 1?" in shown[0].prompt and [row.completion for row in shown] == ["2", "3"]


def test_local_exemplars_are_taken_as_they_are(root: Path) -> None:
    write_split(root, "math", "exemplars", "en", [{"question": f"Task: {n}?", "answer": "So: 2"} for n in range(2)])
    shown = exemplars(DataSource(root=str(root)), "math", "en", 2)
    assert "Task: 0?" in shown[0].prompt and shown[0].completion == "So: 2"


def test_eight_for_math_from_the_hub_and_none_otherwise() -> None:
    hub_rows, bundled = DataSource(dataset="laihuiyuan/mCoT-MATH"), DataSource(bundled=True)
    default, chosen = EvaluationSpec(), EvaluationSpec.model_validate({"shots": {"math": 3}})
    assert default.shots_for("math", hub_rows) == 8
    assert default.shots_for("math", bundled) == default.shots_for("math", DataSource(root="/rows")) == 0
    assert default.shots_for("summarization", DataSource(dataset="csebuetnlp/xlsum")) == 0
    assert chosen.shots_for("math", hub_rows) == chosen.shots_for("math", bundled) == 3
    assert EvaluationSpec.model_validate({"shots": 0}).shots_for("math", hub_rows) == 0


def test_a_run_spells_out_the_shots_that_it_could_have() -> None:
    hub_rows, bundled = DataSource(dataset="laihuiyuan/mCoT-MATH"), DataSource(bundled=True)
    default = EvaluationSpec()
    assert default.shots_of({"math": hub_rows, "summarization": DataSource(dataset="x")}) == {"math": 8}
    assert default.shots_of({"math": bundled}) == {}
    for shots in ({"math": 0, "instruction": 5}, 0):
        none = EvaluationSpec.model_validate({"shots": shots})
        assert none.shots_of({"math": hub_rows}) == {"math": 0} and none.shots_of({"math": bundled}) == {}


def test_the_number_of_shots_is_part_of_a_run_s_identity() -> None:
    runs = [run_on(DataSource(bundled=True), evaluation=EvaluationSpec.model_validate({"shots": {"math": n}}))
            for n in (2, 3)]  # fmt: skip
    assert len({run.run_id for run in [*runs, run_on(DataSource(bundled=True), evaluation=EvaluationSpec())]}) == 3


def test_plain_text_shows_them_as_training_rows_apart(tokenizer: Any) -> None:
    first, second = (
        to_row({"question": f"{n} + 1?", "answer": f"The answer is {n + 1}."}, "math", "en", default_id="")
        for n in (1, 2)
    )
    ids = encode_prompt(second, tokenizer, shots=[first])
    text = "<s>Question: 1 + 1?\nAnswer: The answer is 2.\n\nQuestion: 2 + 1?\nAnswer:"
    assert tokenizer.decode(ids) == text and ids.count(tokenizer.bos_token_id) == 1
    # The exemplar's tokens are those that were trained on, but for the end of text.
    trained = encode(first, tokenizer, 999).input_ids[:-1]
    assert ids[: len(trained)] == trained


def test_prompts_that_leave_no_room_are_refused_before_training(root: Path, tokenizer: Any) -> None:
    for code in ("en", "es", "ja", "ko"):
        write_split(root, "math", "exemplars", code, problems(code, range(2000, 2008)))
    run = run_on(
        DataSource(root=str(root)),
        evaluation=EvaluationSpec.model_validate({"samples_per_language": 5, "shots": 8, "max_new_tokens": 100}),
    )
    test = build_run_data(run).test
    shots = exemplars_of(run, test)
    longest = {
        cell: max(len(encode_prompt(row, tokenizer, shots=shots[cell])) for row in rows) for cell, rows in test.items()
    }
    check_prompts(run, test, tokenizer, max(longest.values()) + 100)
    check_prompts(run, test, tokenizer, None)
    with pytest.raises(DataError, match=r"8 exemplars has .* leaves") as caught:
        check_prompts(run, test, tokenizer, max(longest.values()) + 99)
    named = [cell for cell in longest if "/".join(cell) in str(caught.value)]
    assert named == [cell for cell, length in longest.items() if length == max(longest.values())]


def test_without_exemplars_nothing_is_refused(root: Path, tokenizer: Any) -> None:
    run = run_on(DataSource(root=str(root)))
    check_prompts(run, build_run_data(run).test, tokenizer, 1)


def test_the_context_of_the_bundled_model() -> None:
    assert context_length(TINY) == 2048


@given(language=st.sampled_from(LANGUAGES), answer=st.text(min_size=1).map(str.strip).filter(bool), more=st.text())
def test_a_further_question_is_cut_off(language: str, answer: str, more: str) -> None:
    question = prompt_template("math", language).replace("{question}", "1 + 1?")
    whole = cut_continuation(answer, language, "math")
    assert cut_continuation(f"{answer}\n\n{question} 2\n\n{more}", language, "math") == whole
    assert cut_continuation(whole, language, "math") == whole and answer.startswith(whole)


@pytest.mark.parametrize(
    ("text", "language", "task", "kept"),
    [
        ("Son 8.\n\nPregunta: ¿Y 2?", "es", "math", "Son 8."),
        ("Son 8.\nQuestion: And 2?", "es", "math", "Son 8."),
        (" The answer is 11.\n\n11 is prime.", "en", "math", "The answer is 11.\n\n11 is prime."),
        ("The question: how many? 8.", "en", "math", "The question: how many? 8."),
        ("Question: 8?", "en", "math", "Question: 8?"),
        ("A summary.\n\nAnother article", "en", "summarization", "A summary."),
        ("", "en", "math", ""),
    ],
)
def test_what_is_kept_of_an_answer(text: str, language: str, task: str, kept: str) -> None:
    assert cut_continuation(text, language, task) == kept
