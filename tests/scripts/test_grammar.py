"""Agreement rules and number words of the bundled grammar, on forms that a reader of each language can check."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.bundled.grammar import literals, sentence
from scripts.bundled.lexicon import LANGUAGES, concept, number_words


@pytest.mark.parametrize(
    ("count", "thing", "expected"),
    [(3, "pencil", "3 أقلام"), (10, "pencil", "10 أقلام"), (11, "pencil", "11 قلمًا"), (12, "apple", "12 تفاحة")],
)
def test_arabic_nouns_follow_their_number(count: int, thing: str, expected: str) -> None:
    assert sentence("{n*T}", {"n": count, "T": concept("things", thing, "ar")}, "ar") == expected


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        ("사과", "사과는 사과를 사과가 사과와"),
        ("책", "책은 책을 책이 책과"),
        (3, "3은 3을 3이 3과"),
        (4, "4는 4를 4가 4와"),
    ],
)
def test_korean_particles_follow_the_sound_before_them(before: str | int, expected: str) -> None:
    assert sentence("{T}[은] {T}[을] {T}[이] {T}[와]", {"T": before}, "ko") == expected


def test_korean_particles_look_past_a_quotation_mark() -> None:
    assert sentence("‘{T}’[와]", {"T": "빠르다"}, "ko") == "‘빠르다’와"


@pytest.mark.parametrize(
    ("frame", "word", "expected"),
    [
        ("Combien de {T}", "oranges", "Combien d'oranges"),
        ("Combien de {T}", "livres", "Combien de livres"),
        ("Plus que {T}", "Omar", "Plus qu'Omar"),
        ("Le {T}", "oiseau", "L'oiseau"),
    ],
)
def test_french_elides_before_vowels(frame: str, word: str, expected: str) -> None:
    assert sentence(frame, {"T": word}, "fr") == expected


def test_forms_agree_with_the_gender_of_another_slot() -> None:
    slots = {"P": concept("names", "sara", "es"), "J": concept("jobs", "writer", "es")}
    assert sentence("{P.gender?El:La} {J.@P} {P}", slots, "es") == "La escritora Sara"


def test_a_missing_slot_is_an_error() -> None:
    with pytest.raises(KeyError):
        sentence("{T}", {}, "en")


def test_literals_are_what_a_frame_says_itself() -> None:
    assert literals("{P}[은] {dir?a:b} 몇 {T}") == ["은 ", "는 ", "a", "b", " 몇 "]


@pytest.mark.parametrize(
    ("number", "language", "expected"),
    [
        (42, "en", "forty-two"), (26, "es", "veintiséis"), (31, "es", "treinta y uno"), (80, "fr", "quatre-vingts"),
        (81, "fr", "quatre-vingt-un"), (71, "fr", "soixante et onze"), (99, "fr", "quatre-vingt-dix-neuf"),
        (21, "fr", "vingt et un"), (20, "ja", "二十"), (11, "zh", "十一"), (0, "zh", "零"),
        (12, "ar", "اثنا عشر"), (21, "ar", "واحد وعشرون"), (30, "ar", "ثلاثون"), (58, "ko", "오십팔"),
        (16, "pt", "dezesseis"), (45, "pt", "quarenta e cinco"),
    ],
)  # fmt: skip
def test_number_words(number: int, language: str, expected: str) -> None:
    assert number_words(number, language) == expected


@given(st.sampled_from(LANGUAGES), st.integers(0, 99), st.integers(0, 99))
def test_number_words_tell_numbers_apart(language: str, one: int, other: int) -> None:
    assert (number_words(one, language) == number_words(other, language)) == (one == other)


def test_number_words_end_at_ninety_nine() -> None:
    with pytest.raises(ValueError, match="100"):
        number_words(100, "en")
