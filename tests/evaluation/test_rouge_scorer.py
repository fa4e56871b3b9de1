"""ROUGE equals the published package in English and behaves alike in every language."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rouge_score.rouge_scorer import RougeScorer

from clt_ray.evaluation.scorers.rouge import common_subsequence, score
from clt_ray.evaluation.scorers.segmentation import words

TEXTS = {
    "en": "The council approved the new budget on Monday.",
    "es": "El consejo aprobó el nuevo presupuesto el lunes.",
    "fr": "Le conseil a approuvé le nouveau budget lundi.",
    "ja": "市議会は月曜日に新しい予算を承認した。",
    "zh": "市议会周一批准了新的预算。",
    "ar": "وافق المجلس على الميزانية الجديدة يوم الاثنين.",
    "ko": "시의회는 월요일에 새 예산을 승인했다.",
    "pt": "O conselho aprovou o novo orçamento na segunda-feira.",
    "th": "สภาอนุมัติงบประมาณใหม่เมื่อวันจันทร์",
    "bn": "পরিষদ সোমবার নতুন বাজেট অনুমোদন করেছে।",
    "ru": "Совет утвердил новый бюджет в понедельник.",
}
SHORTER = {
    "en": "The council approved the budget.",
    "es": "El consejo aprobó el presupuesto.",
    "fr": "Le conseil a approuvé le budget.",
    "ja": "市議会は予算を承認した。",
    "zh": "市议会批准了预算。",
    "ar": "وافق المجلس على الميزانية.",
    "ko": "시의회는 예산을 승인했다.",
    "pt": "O conselho aprovou o orçamento.",
}
METRICS = ("rouge1", "rouge2", "rougeL")
published = RougeScorer(list(METRICS), use_stemmer=True)


def assert_agrees(prediction: str, reference: str) -> None:
    theirs = published.score(reference, prediction)
    ours = score(prediction, reference, "en")
    assert ours == pytest.approx({metric: theirs[metric].fmeasure for metric in METRICS}, abs=1e-6)


WORDS = "the a council councils councilled approving approved budgets 42 news skies ÉTÉ - 's"
SUFFIXES = (
    "ies ied eed ed ing y ational tional enci anci izer bli alli entli eli ousli ization alism iveness fulness aliti "
    "biliti fulli logi icate ative alize ical ful ness ance er able ement ent ion sion ou ism ous ive ize e ll s"
)
vocabulary = st.sampled_from(WORDS.split())


@given(st.lists(vocabulary, max_size=30).map(" ".join), st.lists(vocabulary, max_size=30).map(" ".join))
def test_english_agrees_with_rouge_score(prediction: str, reference: str) -> None:
    assert_agrees(prediction, reference)


@given(st.text(max_size=60), st.text(max_size=60))
def test_english_agrees_on_any_characters(prediction: str, reference: str) -> None:
    assert_agrees(prediction, reference)


def test_english_agrees_on_real_texts(shared_data: Path) -> None:
    lines = (shared_data / "instruction/train/en.jsonl").read_text().splitlines()[:120]
    texts = [json.loads(line)["completion"][:1500] for line in lines]
    for prediction, reference in itertools.pairwise(texts):
        assert_agrees(prediction, reference)


@given(
    st.text(st.sampled_from("aeiouybcdlstwxz"), max_size=5),
    st.sampled_from(SUFFIXES.split()),
    st.sampled_from(["", "s", "ed", "ly", "ness"]),
)
def test_stems_are_those_of_the_published_package(front: str, suffix: str, end: str) -> None:
    assert_agrees(front + suffix + end, front)


@pytest.mark.parametrize("language", TEXTS)
def test_identical_texts_score_one_and_disjoint_ones_zero(language: str) -> None:
    text = TEXTS[language]
    assert score(text, text, language) == {"rouge1": 1.0, "rouge2": 1.0, "rougeL": 1.0}
    assert score("zzz qqq", text, language) == {"rouge1": 0.0, "rouge2": 0.0, "rougeL": 0.0}


LETTERS = {
    "ja": "市議会は月曜日に新しい予算を承認したアイウー、。 ", "zh": "市议会周一批准了新的预算，。 ",
    "ko": "시의회는 월요일에 새 예산을 승인했다. ", "ar": "وافق المجلس على الميزانية الجديدة يَوْمَ ،. ",
    "es": "áéíóúñabc . ", "fr": "éèàçœabc ' ", "pt": "ãõçéabc - ", "th": "สภาอนุมัติงบประมาณ ",
}  # fmt: skip


@pytest.mark.parametrize("language", LETTERS)
@settings(deadline=None, max_examples=50)
@given(data=st.data())
def test_whatever_has_a_word_scores_one_against_itself(language: str, data: st.DataObject) -> None:
    text = data.draw(st.text(st.sampled_from(LETTERS[language]), min_size=1, max_size=40))
    expected = 1.0 if words(text, language) else 0.0
    assert set(score(text, text, language).values()) == {expected}
    assert expected == 1.0 or not any(character.isalpha() for character in text)


@pytest.mark.parametrize("language", ("ar", "ko", "ja", "zh"))
def test_the_published_package_knows_no_word_of_these(language: str) -> None:
    text = TEXTS[language]
    assert published.score(text, text)["rougeL"].fmeasure == 0.0 < score(text, text, language)["rougeL"]


@pytest.mark.parametrize("language", SHORTER)
def test_the_same_omission_costs_about_the_same_in_every_language(language: str) -> None:
    assert 0.6 < score(SHORTER[language], TEXTS[language], language)["rougeL"] < 0.95


@pytest.mark.parametrize("language", TEXTS)
@pytest.mark.parametrize("empty", ["", "  \n", "。!?", "\u200d"])
def test_an_empty_prediction_scores_zero(language: str, empty: str) -> None:
    assert set(score(empty, TEXTS[language], language).values()) == {0.0}


@pytest.mark.parametrize("language", TEXTS)
@settings(deadline=None, max_examples=40)
@given(prediction=st.text(max_size=120), reference=st.text(max_size=120))
def test_any_text_scores_between_zero_and_one_and_symmetrically(language: str, prediction: str, reference: str) -> None:
    forward, backward = score(prediction, reference, language), score(reference, prediction, language)
    assert all(0 <= value <= 1 for value in forward.values())
    assert forward == pytest.approx(backward)


@pytest.mark.parametrize("language", ["ja", "zh", "ko"])
def test_a_runaway_prediction_is_scored(language: str) -> None:
    assert 0 < score(TEXTS[language] * 3000, TEXTS[language], language)["rougeL"] < 0.01


@pytest.mark.parametrize(
    ("language", "one", "other"),
    [
        ("ar", "المَدْرَسَة", "المدرسة"),
        ("ar", "أحمد", "احمد"),
        ("ja", "ﾃｽﾄ ２０２４", "テスト 2024"),
        ("bn", "২০২৪", "2024"),
        ("es", "PRESUPUESTOS", "presupuesto"),
        ("fr", "cafe\u0301", "café"),
        ("de", "Straße", "STRASSE"),
        ("ko", "예산을", "예산이"),
    ],
)
def test_spelling_variants_meet(language: str, one: str, other: str) -> None:
    assert score(one, other, language)["rouge1"] > 0


def test_scripts_without_spaces_are_split_where_no_segmenter_is() -> None:
    assert words("新しいpresupuesto", "es") == ["新", "し", "い", "presupuest"]
    assert words("ที่นี่", "th") == ["ที่", "นี่"]


@given(st.lists(st.sampled_from("abcd"), max_size=25), st.lists(st.sampled_from("abcd"), max_size=25))
def test_the_common_subsequence_is_as_long_as_the_textbook_says(first: list[str], second: list[str]) -> None:
    lengths = [0] * (len(second) + 1)
    for token in first:
        diagonal = 0
        for index, other in enumerate(second, start=1):
            diagonal, lengths[index] = (
                lengths[index],
                (diagonal + 1 if token == other else max(lengths[index], lengths[index - 1])),
            )
    assert common_subsequence(first, second) == lengths[-1]


def test_segmenters_load_only_when_their_language_comes() -> None:
    program = (
        "import sys\nfrom clt_ray.evaluation.scorers import rouge\nrouge.score('a b', 'a c', 'en')\n"
        "print(sorted({'sudachipy', 'rjieba', 'mecab', 'snowballstemmer', 'torch', 'sacrebleu'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
