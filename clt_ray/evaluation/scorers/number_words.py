"""Reads small numbers that are written as words: `eight`, `treinta y dos`, 十八, สิบแปด.

The words are in the declarations of the languages (`Language.numbers`). They cover what an answer may spell out: 0 to
99, round hundreds and thousands in the languages that write them as one word, and any size where numerals are
positional (Chinese, Japanese, Korean, Thai). Words that are also articles (`un`, `eine`) are no numbers.
"""

import functools
import re
import unicodedata
from collections.abc import Mapping
from decimal import Decimal

from clt_ray.languages import LANGUAGES, Numbers

_MYRIAD = 10**4


def leading_number(text: str, language: str) -> Decimal | None:
    """Returns the number that a text begins with in words, or None.

    Args:
        text: What follows `the answer is`, in NFKC.
    """
    numbers = LANGUAGES[language].numbers if language in LANGUAGES else Numbers()
    text = text.lstrip(" \n:'\"*«“”")
    if numbers.digits:
        return _positional(text, language, numbers)
    vocabulary = _vocabulary(language)
    values: list[int] = []
    text = text.lower().replace("quatre-vingt", "quatrevingt")
    for word in re.split(r"[\s-]+", text):
        plain = word.strip(".,;:!?।৷؟()\"'*»”")
        value = _word_value(plain, numbers, vocabulary)
        if value is None and values and plain in numbers.articles:
            value = 1
        if value is not None:
            values.append(value)
        elif not (plain in numbers.connectors and (values or plain == "a")):
            break
        if word[-1:] in ".,;:!?।৷؟":
            break
    return _sum(values)


@functools.cache
def _vocabulary(language: str) -> dict[str, int]:
    """Returns number word -> value."""
    words: dict[str, int] = {}
    entries = LANGUAGES[language].numbers.words if language in LANGUAGES else ""
    for place, entry in enumerate(entries.split()):
        value, _, word = entry.rpartition(":")
        words[unicodedata.normalize("NFKC", word)] = int(value or place)
    return words


def _word_value(word: str, numbers: Numbers, vocabulary: Mapping[str, int]) -> int | None:
    if numbers.units_first is not None and word not in vocabulary:
        joiner, word_for_one = numbers.units_first
        unit, joined, tens = word.partition(joiner)
        units = {**vocabulary, word_for_one: 1}
        return units[unit] + vocabulary[tens] if joined and tens in vocabulary and unit in units else None
    if numbers.conjunction:
        return vocabulary.get(word.removeprefix(numbers.conjunction), vocabulary.get(word))
    return vocabulary.get(word)


def _sum(values: list[int]) -> Decimal | None:
    """Returns the number that number words make; None where they do not combine.

    >>> _sum([30, 2]), _sum([2, 100])
    (Decimal('32'), Decimal('200'))
    """
    total = section = 0
    for value in values:
        if value == 1000:
            total, section = total + (section or 1) * 1000, 0
        elif value == 100:
            section = (section or 1) * 100
        elif section % 100 == 0 or (value < 20 and section % 10 == 0) or (section % 100 < 10 and value % 10 == 0):
            section += value
        else:
            return None
    return Decimal(total + section) if values else None


def _positional(text: str, language: str, numbers: Numbers) -> Decimal | None:
    digits, scales, numeral, sign = _numeral(language)
    match = numeral.match(text)
    if match is None or len(match[0]) < numbers.shortest_numeral:
        return None
    total = section = digit = 0
    for name in sign.findall(match[0]):
        if name in digits:
            digit = digit * 10 + digits[name]
        elif (scale := scales[name]) >= _MYRIAD and numbers.myriads:
            total, section, digit = total + (section + digit or 1) * scale, 0, 0
        else:
            section, digit = section + (digit or 1) * scale, 0
    return Decimal(total + section + digit)


@functools.cache
def _numeral(language: str) -> tuple[dict[str, int], dict[str, int], re.Pattern[str], re.Pattern[str]]:
    """Returns the values of digits and of scales, and the patterns of a numeral and of one of its signs."""
    numbers = LANGUAGES[language].numbers
    spelled = {**{word: place for place, word in enumerate(numbers.digits)}, **numbers.more_digits}
    digits = {unicodedata.normalize("NFKC", word): value for word, value in spelled.items()}
    scales = {unicodedata.normalize("NFKC", word): value for word, value in numbers.scales.items()}
    signs = "|".join(sorted((*digits, *scales), key=len, reverse=True))
    return digits, scales, re.compile(f"(?:{signs})+"), re.compile(signs)
