"""Small numbers in words are read, and words that only resemble numbers are not."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clt_ray.evaluation.scorers.numerals import leading_number


@pytest.mark.parametrize(
    ("text", "language", "expected"),
    [
        ("zero", "en", 0),
        ("Forty-two dollars", "en", 42),
        ("a hundred and five", "en", 105),
        ("three thousand two hundred", "en", 3200),
        ("one of them", "en", 1),
        ("treinta y dos", "es", 32),
        ("una suma", "es", None),
        ("soixante-dix-sept", "fr", 77),
        ("quatre-vingts", "fr", 80),
        ("un total", "fr", None),
        ("einundzwanzig", "de", 21),
        ("eine Summe", "de", None),
        ("trinta e um", "pt", 31),
        ("двадцать один", "ru", 21),
        ("ishirini na tano", "sw", 25),
        ("خمسة وعشرون", "ar", 25),
        ("পনেরো টাকা", "bn", 15),
        ("పది", "te", 10),
        ("三百零五", "zh", 305),
        ("两千", "zh", 2000),
        ("二十五人", "ja", 25),
        ("이십오", "ko", 25),
        ("이것은", "ko", None),
        ("ยี่สิบเอ็ด", "th", 21),
        ("hello", "en", None),
        ("", "zh", None),
        ("eight", "xx", None),
    ],
)
def test_leading_number(text: str, language: str, expected: int | None) -> None:
    assert leading_number(text, language) == (None if expected is None else Decimal(expected))


@given(st.integers(1, 99_999_999))
def test_positional_numerals_are_read_back(value: int) -> None:
    assert leading_number(chinese(value), "zh") == value


def chinese(value: int) -> str:
    """Returns a number in Chinese numerals without zeros."""
    above, below = divmod(value, 10_000)
    digits = zip("千百十 ", f"{below:04}", strict=True)
    text = "".join("零一二三四五六七八九"[int(digit)] + scale for scale, digit in digits if digit != "0")
    return (chinese(above) + "万" if above else "") + text.replace(" ", "")
