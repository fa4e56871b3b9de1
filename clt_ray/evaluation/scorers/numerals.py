"""Finds numbers in running text, as people write them in different languages.

`find` returns every number of a text with its place and its value. Some spellings mean different numbers in different
conventions: `2,125` in a Spanish text is 2125 in Mexico and 2.125 in Spain. Such a number has two *readings*, the
likelier one first:

    find("kosten 1.234,50 €", "de")     ->  1234.50
    find("১,২৩,৪৫৬ টাকা", "bn")            ->  123456
    find("約1万2千円", "ja")               ->  12000
    find("2½ cups", "en")               ->  2.5
    find("son 2,125", "es")             ->  2.125, or 2125

`leading_number` reads the number words with which a text begins: `eight`, `treinta y dos`, 十八, สิบแปด. The languages
declare them (`Language.numbers`): 0 to 99, round hundreds and thousands where they are one word, any size where
numerals are positional (Chinese, Japanese, Korean, Thai). Words that are also articles (`un`, `eine`) are no numbers.
"""

import functools
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from clt_ray.languages import LANGUAGES, Numbers, built_in_and

_MYRIAD = 10**4
_MYRIADS = {"百": 100} | dict.fromkeys("千천", 1000) | dict.fromkeys("万萬만", _MYRIAD) | dict.fromkeys("億亿억", 10**8)
_PLAIN = r"\d+(?:[.,'٫٬]\d+)*"
_SPACED = r"\d{1,3}(?: \d{3})+(?![\d])(?:[.,]\d+)?"
_POINT_FIRST = r"(?<![\w.,])\.\d+"
_NUMBER = re.compile(f"{_POINT_FIRST}|{_SPACED}|{_PLAIN}")
_CURRENCIES = tuple("$€£¥₹৳฿")
_CURRENCY_CODES = ("rs", "tk", "us", "usd", "eur", "gbp", "inr", "bdt", "thb", "jpy", "rmb", "kr", "ksh", "tsh", "tzs")
_NATIVE_EVIDENCE = re.compile(r"(?<![\d.,])(?:\d+,\d{1,2}|\d{1,3}(?:\.\d{3})+,\d+|\d{1,3}(?:\.\d{3}){2,})(?![\d.,]*\d)")
_ENGLISH_EVIDENCE = re.compile(
    r"(?<![\d.,])(?:\d+\.\d{1,2}|\d{1,3}(?:,\d{3})+\.\d+|\d{1,3}(?:,\d{3}){2,}|(?<=\$)\d{1,3},\d{3})(?![\d.,]*\d)"
)
_FRACTION = re.compile(r"\s?/\s?(\d+)(?![\d/.,]*\d)")
_MIXED = re.compile(r" (\d+)/(\d+)(?![\d/])")
_ATTACHED = re.compile(r"[A-Za-z]+\Z")
_THOUSANDS = re.compile(r"[kK](?!\w)")
_SCALE = re.compile(r" ?([百千万萬億亿천만억]+)")
_WORD = re.compile(r"[^\W\d_][\w\u0300-\u036f\u0900-\u0e7f]*")

_REWRITTEN = tuple(
    (re.compile(pattern, re.MULTILINE), replacement)
    for pattern, replacement in (
        (r"\\[dtc]?frac\s*\{([^{}]*)\}\s*\{([^{}]*)\}", r" \1/\2"),
        (r"\\[dtc]?frac\s*(\d)\s*(\d)", r" \1/\2"),
        (r"(\d+) ?(?:分の|分之|분의) ?(\d+)", r"\2/\1"),
        (r"\{,\}", ","),
        (r"\\[,!;: ]|\\q?quad\b|\\(?:left|right)(?![a-z])|\\[()\[\]]|\$\$", ""),
        (r"\\(?:text|textbf|mathbf|mathrm|mathit|operatorname)\s*\{([^{}]*)\}", r"\1"),
        (r"\\(?:times|cdot)\b", "×"),
        (r"\\div\b", "÷"),
        (r"\\approx\b", "≈"),
        (r"\\", ""),
        # Exponents and indices are parts of units and names.
        (r"(?<=\w)[\^_](?:\{[^{}]*\}|[-+]?\d+)", ""),
        (r"\*\*|__|`", ""),
        (r"(?<![\w*])\*(\S[^*\n]*)\*(?![\w*])", r"\1"),
        # No-break and thin spaces between digits group them; NFKC would turn them into plain ones.
        (r"(?<=\d)[\u00a0\u202f\u2009\u2007’](?=\d{3}(?!\d))", "'"),
        (r"(?<=\d)،(?=\d)", ","),
        (r"\u200b|\u200e|\u200f|\u2066|\u2067|\u2068|\u2069|\u061c", ""),
    )
)


@dataclass(frozen=True)
class Numeral:
    """A number in a text."""

    start: int
    """Index of the first character, including the sign."""
    end: int
    readings: tuple[Decimal, ...]
    """Value of the number, followed by its value in another convention."""


def simplified(text: str) -> str:
    """Returns the text with one spelling of digits, minus signs, fractions and LaTeX, as `find` expects it."""
    for pattern, replacement in _REWRITTEN:
        text = pattern.sub(replacement, text)
    return unicodedata.normalize("NFKC", "".join(_simple_character(character) for character in text))


def find(text: str, language: str) -> list[Numeral]:
    """Returns every number in a text that went through `simplified`, in order.

    Ordinals (`2nd`) and digits of names (`x2`) are left out.
    """
    decimal_comma = _decimal_comma(text, language)
    numerals: list[Numeral] = []
    position = 0
    for match in _NUMBER.finditer(text):
        if match.start() < position or _is_name_or_ordinal(text, match, language):
            continue
        for start, raw in _split_lists(match):
            readings = _readings(raw, decimal_comma, _numbers(language).decimal_comma)
            numeral = _complete(text, start, start + len(raw), readings, language)
            numerals.append(numeral)
            position = numeral.end
    return numerals


def _numbers(language: str) -> Numbers:
    return LANGUAGES[language].numbers if language in LANGUAGES else Numbers()


@functools.cache
def _label_words(language: str) -> re.Pattern[str]:
    """Returns the pattern of words whose number names a thing and counts none: `Step 2`."""
    words = []
    for known in built_in_and(language):
        if known.numbers.label_words:
            border = r"\b" if known.has_word_borders else ""
            words.append(f"{border}(?:{unicodedata.normalize('NFKC', known.numbers.label_words)})")
    return re.compile(rf"(?:{'|'.join(words)})[ #]*\Z", re.IGNORECASE)


def _decimal_comma(text: str, language: str) -> bool:
    """Returns whether a comma separates the decimals: as in the language, unless the text shows the English convention.

    Models often write `$1,250.50` in Spanish.
    """
    if not _numbers(language).decimal_comma:
        return False
    return _NATIVE_EVIDENCE.search(text) is not None or _ENGLISH_EVIDENCE.search(text) is None


def _simple_character(character: str) -> str:
    if character.isascii():
        return character
    if character.isdecimal():
        return str(unicodedata.decimal(character))
    if unicodedata.category(character) == "No":
        # Fractions such as ½ are numbers; superscripts and circled digits belong to units and lists.
        plain = unicodedata.normalize("NFKC", character)
        return " " + plain.replace("\u2044", "/") if "\u2044" in plain else ""
    return "-" if character in "−–﹣－" else character


def _is_name_or_ordinal(text: str, match: re.Match[str], language: str) -> bool:
    before = text[max(0, match.start() - 24) : match.start()]
    attached = _ATTACHED.search(before)
    if attached and attached[0].lower() not in _CURRENCY_CODES and not re.search(r"\d[xX]\Z", before):
        return True
    if before.endswith("第") or _label_words(language).search(before):
        return True
    suffixes = _numbers(language).ordinal_suffixes
    return bool(suffixes) and re.compile(rf"(?:{suffixes})\b").match(text, match.end()) is not None


def _split_lists(match: re.Match[str]) -> list[tuple[int, str]]:
    """Splits `1,2,3` and `12.05.2020` into their numbers; grouped digits are one number."""
    raw = match[0]
    separators = re.findall(r"[.,'٫٬ ]", raw)
    if len(separators) < 2 or _is_grouped(raw):
        return [(match.start(), raw)]
    return [(match.start() + piece.start(), piece[0]) for piece in re.finditer(r"\d+", raw)]


def _is_grouped(raw: str) -> bool:
    """Returns whether all separators, except a last one of another kind, group digits by three or in the Indian way."""
    separators = re.findall(r"[.,'٫٬ ]", raw)
    if separators[-1] != separators[0]:
        raw = raw[: raw.rindex(separators[-1])]
        separators = separators[:-1]
    if len(set(separators)) != 1:
        return False
    first, *rest = raw.split(separators[0])
    by_three = len(first) <= 3 and all(len(group) == 3 for group in rest)
    indian = len(first) <= 2 and len(rest[-1]) == 3 and all(len(group) == 2 for group in rest[:-1])
    return by_three or indian


def _readings(raw: str, decimal_comma: bool, either: bool) -> tuple[Decimal, ...]:
    """Returns the values of digits with separators, the likelier one first.

    With `either`, both conventions occur in the language, so that an ambiguous spelling has two readings.
    """
    separators = re.findall(r"[.,'٫٬ ]", raw)
    if not separators:
        return (Decimal(raw),)
    last = separators[-1]
    whole, _, rest = raw.rpartition(last)
    joined = Decimal(re.sub(r"\D", "", raw))
    decimal = Decimal(f"{re.sub(r'[^0-9]', '', whole) or '0'}.{rest}")
    if len(separators) > 1:
        return (joined if last == separators[0] else decimal,)
    if last == "٫" or len(rest) != 3 or not 1 <= len(whole) <= 3 or whole.startswith("0"):
        return (decimal,)
    if last in "'٬ ":
        return (joined,)
    if not either:
        return (joined,) if last == "," else (decimal,)
    # A third decimal that is zero is not written, so `42,480` is a number with English grouping.
    decimals_first = (last == ",") == decimal_comma and not rest.endswith("0")
    return (decimal, joined) if decimals_first else (joined, decimal)


def _complete(text: str, start: int, end: int, readings: tuple[Decimal, ...], language: str) -> Numeral:
    end, readings = _with_fraction(text, end, readings)
    end, readings = _with_scale(text, end, readings, language)
    numbers = _numbers(language)
    if numbers.scale_place == "before":
        before = re.compile(rf"(?<!\w)({'|'.join(numbers.scale_words)}) \Z", re.IGNORECASE)
        if scale := before.search(text, max(0, start - 12), start):
            readings = (min(readings) * numbers.scale_words[scale[1].lower()],)
    signed = start - 1 if text[start - 1 : start] in _CURRENCIES else start
    if signed > 0 and text[signed - 1] == "-" and not _subtracts(text, signed - 1):
        return Numeral(signed - 1, end, tuple(-value for value in readings))
    return Numeral(start, end, readings)


def _subtracts(text: str, at: int) -> bool:
    """Returns whether the minus at `at` stands between operands (`10-5`, `10 -5`) and not before a negative number."""
    if text[:at].rstrip(" ")[-1:].isdigit():
        return True
    before = text[at - 1 : at]
    if before.isalpha() and before.lower() == before.upper():
        # Scripts without letter case have no space before a number: 18個-10個 is a subtraction, 答えは-5 is not.
        return re.search(r"\d\D{1,2}$", text[:at]) is not None
    return before.isalpha() or before == ")"


def _with_fraction(text: str, end: int, readings: tuple[Decimal, ...]) -> tuple[int, tuple[Decimal, ...]]:
    mixed = _MIXED.match(text, end)
    if mixed and 0 < Decimal(mixed[1]) < Decimal(mixed[2]) and readings[0] == int(readings[0]):
        return mixed.end(), (readings[0] + Decimal(mixed[1]) / Decimal(mixed[2]),)
    fraction = _FRACTION.match(text, end)
    if fraction and Decimal(fraction[1]):
        return fraction.end(), tuple(value / Decimal(fraction[1]) for value in readings)
    return end, readings


def _with_scale(text: str, end: int, readings: tuple[Decimal, ...], language: str) -> tuple[int, tuple[Decimal, ...]]:
    numbers = _numbers(language)
    if numbers.myriads:
        return _with_myriads(text, end, readings)
    if _THOUSANDS.match(text, end):
        return end + 1, (min(readings) * 1000,)
    words = "|".join(numbers.scale_words)
    if numbers.scale_place == "attached" and (scale := re.compile(f" ?({words})").match(text, end)):
        return scale.end(), (min(readings) * numbers.scale_words[scale[1]],)
    word = _WORD.match(text, end + 1) if text[end : end + 1] == " " else None
    factor = numbers.scale_words.get(word[0].lower()) if word else None
    if word is None or factor is None:
        return end, readings
    # Before a scale word every separator separates decimals: 2,125 millones is not thousands of millions.
    return word.end(), (min(readings) * factor,)


def _with_myriads(text: str, end: int, readings: tuple[Decimal, ...]) -> tuple[int, tuple[Decimal, ...]]:
    """Reads numbers such as `1万2千` and `3만 5000`, where each part is smaller than the scale before it."""
    scale = _SCALE.match(text, end)
    if scale is None:
        return end, readings
    total, factor = Decimal(0), 0
    value = readings[0]
    while scale is not None:
        factor = 1
        for character in scale[1]:
            factor *= _MYRIADS[character]
        total += value * factor
        end = scale.end()
        part = re.compile(r" ?(\d+)").match(text, end)
        if part is None or Decimal(part[1]) >= factor:
            return end, (total,)
        value, end, scale = Decimal(part[1]), part.end(), _SCALE.match(text, part.end())
    return end, (total + value,)


def leading_number(text: str, language: str) -> Decimal | None:
    """Returns the number that a text in NFKC, what follows `the answer is`, begins with in words; None without one."""
    numbers = _numbers(language)
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
    words: dict[str, int] = {}
    for place, entry in enumerate(_numbers(language).words.split()):
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
    """Returns the number that number words make (30 and 2 make 32); None where they do not combine."""
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
    numbers = _numbers(language)
    spelled = {**{word: place for place, word in enumerate(numbers.digits)}, **numbers.more_digits}
    digits = {unicodedata.normalize("NFKC", word): value for word, value in spelled.items()}
    scales = {unicodedata.normalize("NFKC", word): value for word, value in numbers.scales.items()}
    signs = "|".join(sorted((*digits, *scales), key=len, reverse=True))
    return digits, scales, re.compile(f"(?:{signs})+"), re.compile(signs)
