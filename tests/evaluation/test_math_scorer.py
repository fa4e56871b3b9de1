"""The final number is found however a language writes it, and no other number passes for it."""

from __future__ import annotations

import json
import re
import unicodedata
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clt_ray.evaluation.scorers.math import final_number, score

ANNOUNCED = {
    "en": "The answer is {}.", "es": "La respuesta es {}.", "fr": "La réponse est {}.", "de": "Die Antwort lautet {}.",
    "pt": "A resposta é {}.", "ru": "Ответ: {}.", "ja": "答えは{}です。", "zh": "答案是{}。", "ko": "답은 {}입니다.",
    "ar": "الإجابة هي {}.", "bn": "উত্তর হল {}।", "sw": "Jibu ni {}.", "te": "సమాధానం {}.", "th": "คำตอบคือ {}",
}  # fmt: skip
NOUN = {"bn": "উত্তর হল", "de": "Antwort", "en": "answer is", "es": "respuesta es", "fr": "réponse est",
        "ja": "答え", "ru": "Ответ", "sw": "Jibu ni", "th": "คำตอบคือ", "zh": "答案"}  # fmt: skip
COMMA = ("de", "es", "fr", "pt", "ru")
NATIVE_ZERO = {"ar": "٠", "bn": "০", "th": "๐", "te": "౦", "ja": "０"}


def written(value: Decimal, language: str, grouped: bool) -> str:
    """A number by the conventions of a language."""
    text = f"{value:,f}" if grouped else f"{value:f}"
    if language in COMMA:
        return text.translate(str.maketrans({",": "." if language in ("de", "es", "pt") else "\u202f", ".": ","}))
    return text


# At most two decimals: with three, one separator is ambiguous in half of the languages.
values = st.decimals(min_value=-10_000_000, max_value=10_000_000, places=2, allow_nan=False).map(
    lambda value: value.quantize(Decimal(1)) if value == int(value) else value
)


@pytest.mark.parametrize("language", ANNOUNCED)
@settings(max_examples=60)
@given(value=values, grouped=st.booleans(), distractor=st.integers(0, 999))
def test_an_announced_number_is_found(language: str, value: Decimal, grouped: bool, distractor: int) -> None:
    announced = ANNOUNCED[language].format(written(value, language, grouped))
    solution = f"{distractor} + {distractor} = {2 * distractor}. {announced}"
    assert final_number(solution, language) == value
    assert score(solution, f"{value:f}", language) == {"accuracy": 1.0}


@pytest.mark.parametrize("language", NATIVE_ZERO)
@given(value=st.integers(0, 10**7))
def test_native_digits_are_digits(language: str, value: int) -> None:
    zero = ord(NATIVE_ZERO[language])
    native = "".join(chr(zero + int(digit)) for digit in str(value))
    assert final_number(ANNOUNCED[language].format(native), language) == value


@pytest.mark.parametrize("language", ANNOUNCED)
@given(value=st.integers(0, 10**6), other=st.integers(0, 10**6))
def test_a_number_merely_present_does_not_count(language: str, value: int, other: int) -> None:
    if value != other:
        solution = f"{value} {ANNOUNCED[language].format(other)}"
        assert score(solution, str(value), language) == {"accuracy": 0.0}


@pytest.mark.parametrize("language", [*ANNOUNCED, "fi"])
@given(text=st.text(max_size=80), reference=st.text(max_size=20))
def test_nothing_raises(language: str, text: str, reference: str) -> None:
    assert score(text, reference, language)["accuracy"] in (0.0, 1.0)


CASES = [
    # How answers are announced.
    ("The answer is 8.", "en", 8),
    ("The answer is: \n\n8", "en", 8),
    ("Therefore, the answer to the question is 8 apples.", "en", 8),
    ("So 8 is the answer.", "en", 8),
    ("#### 42", "en", 42),
    ("正解を求めます。8が答えです。", "ja", 8),
    ("答：8", "zh", 8),
    ("정답: 12개", "ko", 12),
    ("الجواب: ٨ تفاحات", "ar", 8),
    ("Ответ — 5", "ru", 5),
    ("సమాధానం: 12", "te", 12),
    ("The answer is 8. The answer is surely right.", "en", 8),
    ("Primero 3. The answer is 8.", "es", 8),
    # Several numbers where one is stated.
    ("The answer is 8 apples out of 12.", "en", 8),
    ("The answer is 3 + 5 = 8 apples out of 12.", "en", 8),
    ("The answer is $18 - $10 = $8.", "en", 8),
    ("The answer is 18 - 10, which is 8.", "en", 8),
    ("So 18 - 10 = 8 kids for 3 days.", "en", 8),
    ("Julia has 8 more kids on Monday (18) than before.", "en", 8),
    ("18-10=8", "en", 8),
    ("1. Add.\n2. So there are 8.\n3. Done with it.", "en", 8),
    ("The answer is 8.\n\nQuestion: What is 5+5?\nAnswer: 10", "en", 8),
    ("La respuesta es 8.\nPregunta: ¿5+5?\nRespuesta: 10", "es", 8),
    # No number is stated.
    ("18 - 10 = 8. The answer is unknown.", "en", None),
    ("The answer is 18 - 10.", "en", None),
    ("eight", "en", None),
    ("x2", "en", None),
    ("She came 2nd.", "en", None),
    ("", "ja", None),
    (" \n", "en", None),
    # Separators.
    ("The answer is $1,250.50.", "en", "1250.50"),
    ("Die Antwort lautet 1.234,50 €.", "de", "1234.50"),
    ("Die Antwort ist 80 000.", "de", 80000),
    ("La réponse est 21 028 euros.", "fr", 21028),
    ("Ответ: 898\u00a0051", "ru", 898051),
    ("A resposta é R$ 5,50", "pt", "5.50"),
    ("La respuesta es 42,480.", "es", 42480),
    ("La respuesta es 64,625.", "es", "64.625"),
    ("2,125", "fr", 2125),
    ("الإجابة هي ١٬٢٣٤٫٥.", "ar", "1234.5"),
    ("উত্তর হল ১,২৩,৪৫৬।", "bn", 123456),
    ("The numbers are 1,2,3", "en", 3),
    ("The answer is .5", "en", "0.5"),
    # Units, currency, percent, fractions, signs, scales, mark-up.
    ("The answer is 75%.", "en", 75),
    ("The area is 12 m²", "en", 12),
    ("The answer is 3/4.", "en", "0.75"),
    ("The answer is 2 1/2 cups.", "en", "2.5"),
    ("2½ cups", "en", "2.5"),
    (r"\boxed{\frac{3}{4}}", "en", "0.75"),
    (r"so $\boxed{1{,}234}$", "en", 1234),
    ("The answer is **8**.", "en", 8),
    ("The answer is −5 degrees.", "en", -5),
    ("The answer is -$5.", "en", -5),
    ("The answer is 5 million.", "en", 5_000_000),
    ("La respuesta es 2,125 millones", "es", 2_125_000),
    ("Всего 5 тыс. рублей", "ru", 5000),
    ("答えは約1万2千円です", "ja", 12000),
    ("答案是3万元", "zh", 30000),
    ("답은 3만 5천 원입니다.", "ko", 35000),
]


@pytest.mark.parametrize(("text", "language", "expected"), CASES)
def test_final_number(text: str, language: str, expected: str | int | None) -> None:
    assert final_number(text, language) == (None if expected is None else Decimal(expected))


def test_an_ambiguous_spelling_is_right_by_either_convention() -> None:
    for reference in ("2125", "2.125"):
        assert score("La respuesta es 2,125.", reference, "es") == {"accuracy": 1.0}
    assert score("La respuesta es 2,125.", "2", "es") == {"accuracy": 0.0}
    assert score("The answer is 2.125.", "2125", "en") == {"accuracy": 0.0}


def test_a_reference_may_be_a_solution() -> None:
    assert score("答えは8です。", "10 - 2 = 8。答えは8です。", "ja") == {"accuracy": 1.0}


@pytest.mark.parametrize("language", NOUN)
def test_real_solutions_end_in_the_number_they_announce(language: str, shared_data: Path) -> None:
    lines = (shared_data / f"math/train/{language}.jsonl").read_text(encoding="utf-8").splitlines()
    agreed = announced = 0
    for answer in (json.loads(line)["answer"] for line in lines):
        tail = answer.rpartition(NOUN[language])[2] if NOUN[language] in answer else ""
        digits = "".join(str(unicodedata.decimal(mark)) if mark.isdecimal() else mark for mark in tail)
        stated = re.findall(r"\d[\d.,]*(?: \d{3})*", digits)
        if stated:
            announced += 1
            agreed += final_number(answer, language) in _by_convention(stated[-1].rstrip(".,"), language)
    assert announced > 500
    assert agreed >= 0.995 * announced


def _by_convention(digits: str, language: str) -> set[Decimal]:
    plain = digits.replace(" ", "")
    english = plain.replace(",", "")
    if language not in COMMA:
        return {Decimal(english)}
    return {Decimal(plain.replace(".", "").replace(",", ".")), Decimal(english)}


@pytest.mark.parametrize("language", ["bn", "de", "en", "es", "fr", "ja", "ru", "sw", "te", "th", "zh"])
def test_real_references_are_the_same_numbers_in_every_language(language: str, shared_data: Path) -> None:
    def numbers(code: str) -> list[Decimal | None]:
        lines = (shared_data / f"math/test/{code}.jsonl").read_text(encoding="utf-8").splitlines()
        return [final_number(json.loads(line)["answer"], code) for line in lines]

    assert None not in numbers(language)
    assert numbers(language) == numbers("en")
