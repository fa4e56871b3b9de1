"""Numbers as people write them in different languages, found in running text.

`find` returns every number of a text with its place and its value. Some spellings mean different numbers by
different conventions: `2,125` in a Spanish text is 2125 for a Mexican and 2.125 for a Spaniard. Such a number has
two *readings*, the likelier first:

    find("kosten 1.234,50 €", "de")     ->  1234.50
    find("১,২৩,৪৫৬ টাকা", "bn")            ->  123456
    find("約1万2千円", "ja")               ->  12000
    find("2½ cups", "en")               ->  2.5
    find("son 2,125", "es")             ->  2.125, or 2125

Number words (`eight`, 八) are not numbers here.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from decimal import Decimal

DECIMAL_COMMA = frozenset({"de", "es", "fr", "id", "it", "nl", "pl", "pt", "ru", "tr", "uk", "vi"})
"""Languages in which a comma usually starts the decimals."""

_MYRIADS = {"百": 100, "千": 1000, "万": 10**4, "萬": 10**4, "億": 10**8, "亿": 10**8,
            "천": 1000, "만": 10**4, "억": 10**8}  # fmt: skip
_SCALE_WORDS = {
    "en": {"thousand": 10**3, "million": 10**6, "billion": 10**9},
    "es": {"mil": 10**3, "millón": 10**6, "millones": 10**6},
    "fr": {"mille": 10**3, "million": 10**6, "millions": 10**6, "milliard": 10**9, "milliards": 10**9},
    "pt": {"mil": 10**3, "milhão": 10**6, "milhões": 10**6},
    "de": {"tausend": 10**3, "million": 10**6, "millionen": 10**6, "milliarde": 10**9, "milliarden": 10**9},
    "ru": {"тыс": 10**3, "тысяча": 10**3, "тысячи": 10**3, "тысяч": 10**3, "млн": 10**6, "миллион": 10**6,
           "миллиона": 10**6, "миллионов": 10**6},
    "ar": {"ألف": 10**3, "آلاف": 10**3, "ألفا": 10**3, "مليون": 10**6, "ملايين": 10**6},
    "bn": {"হাজার": 10**3, "লাখ": 10**5, "লক্ষ": 10**5, "কোটি": 10**7},
    "te": {"వేల": 10**3, "వేలు": 10**3, "లక్షలు": 10**5, "లక్షల": 10**5, "కోట్లు": 10**7},
    "sw": {"elfu": 10**3, "laki": 10**5, "milioni": 10**6},
    "th": {"พัน": 10**3, "หมื่น": 10**4, "แสน": 10**5, "ล้าน": 10**6},
}  # fmt: skip

_PLAIN = r"\d+(?:[.,'٫٬]\d+)*"
_SPACED = r"\d{1,3}(?: \d{3})+(?![\d])(?:[.,]\d+)?"
_POINT_FIRST = r"(?<![\w.,])\.\d+"
_NUMBER = re.compile(f"{_POINT_FIRST}|{_SPACED}|{_PLAIN}")
_CURRENCIES = tuple("$€£¥₹৳฿")
_CURRENCY_CODES = ("rs", "tk", "us", "usd", "eur", "gbp", "inr", "bdt", "thb", "jpy", "rmb", "kr", "ksh", "tsh", "tzs")
_STEP = re.compile(
    unicodedata.normalize(
        "NFKC",
        r"(?:\b(?:step|paso|étape|schritt|passo|шаг|hatua(?: ya)?|question|example|method|option|case)|ステップ|手順|"
        r"步骤|步驟|方法|단계|الخطوة|خطوة|ধাপ|దశ|ขั้นตอนที่|ขั้นที่|ข้อที่|ขั้นตอน)[ #]*\Z",
    ),
    re.IGNORECASE,
)
"""Words whose number names a thing rather than counting any."""
_NATIVE_EVIDENCE = re.compile(r"(?<![\d.,])(?:\d+,\d{1,2}|\d{1,3}(?:\.\d{3})+,\d+|\d{1,3}(?:\.\d{3}){2,})(?![\d.,]*\d)")
_ENGLISH_EVIDENCE = re.compile(
    r"(?<![\d.,])(?:\d+\.\d{1,2}|\d{1,3}(?:,\d{3})+\.\d+|\d{1,3}(?:,\d{3}){2,}|(?<=\$)\d{1,3},\d{3})(?![\d.,]*\d)"
)
_FRACTION = re.compile(r"\s?/\s?(\d+)(?![\d/.,]*\d)")
_MIXED = re.compile(r" (\d+)/(\d+)(?![\d/])")
_ORDINAL = {"en": re.compile(r"(?:st|nd|rd|th)\b"), "fr": re.compile(r"(?:er|ère|e|ème)\b")}
_ATTACHED = re.compile(r"[A-Za-z]+\Z")
_THAI_SCALE = re.compile(" ?(พัน|หมื่น|แสน|ล้าน)")
"""Nothing separates it from the next word."""
_THOUSANDS = re.compile(r"[kK](?!\w)")
_SCALE_BEFORE = re.compile(r"(?<!\w)(elfu|laki|milioni) \Z", re.IGNORECASE)
"""Swahili names the scale first."""
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
    """Index of its first character, the sign included."""
    end: int
    """Index after its last character."""
    readings: tuple[Decimal, ...]
    """Its value, and after it what it is by another convention."""


def simplified(text: str) -> str:
    """The text with one spelling of digits, minus, fractions and LaTeX, as `find` expects it."""
    for pattern, replacement in _REWRITTEN:
        text = pattern.sub(replacement, text)
    return unicodedata.normalize("NFKC", "".join(_simple_character(character) for character in text))


def find(text: str, language: str) -> list[Numeral]:
    """Every number in a text that went through `simplified`, in order.

    Ordinals (`2nd`) and digits of names (`x2`) are left out.
    """
    decimal_comma = _decimal_comma(text, language)
    found: list[Numeral] = []
    position = 0
    for match in _NUMBER.finditer(text):
        if match.start() < position or _is_name_or_ordinal(text, match, language):
            continue
        for start, raw in _split_lists(match):
            readings = _readings(raw, decimal_comma, language in DECIMAL_COMMA)
            numeral = _complete(text, start, start + len(raw), readings, language)
            found.append(numeral)
            position = numeral.end
    return found


def _decimal_comma(text: str, language: str) -> bool:
    """Whether a comma starts decimals in this text: the language's convention, unless the text shows the English one.

    Models often write `$1,250.50` in Spanish.
    """
    if language not in DECIMAL_COMMA:
        return False
    return _NATIVE_EVIDENCE.search(text) is not None or _ENGLISH_EVIDENCE.search(text) is None


def _simple_character(character: str) -> str:
    if character.isascii():
        return character
    kind = unicodedata.category(character)
    if kind == "Nd":
        return str(unicodedata.decimal(character))
    if kind == "No":
        # Fractions such as ½ are numbers; superscripts and circled digits belong to units and lists.
        plain = unicodedata.normalize("NFKC", character)
        return " " + plain.replace("\u2044", "/") if "\u2044" in plain else ""
    return "-" if character in "−–﹣－" else character


def _is_name_or_ordinal(text: str, match: re.Match[str], language: str) -> bool:
    before = text[max(0, match.start() - 24) : match.start()]
    attached = _ATTACHED.search(before)
    if attached and attached[0].lower() not in _CURRENCY_CODES and not re.search(r"\d[xX]\Z", before):
        return True
    ordinal = _ORDINAL.get(language)
    named = before.endswith("第") or _STEP.search(before) is not None
    return named or bool(ordinal and ordinal.match(text, match.end()))


def _split_lists(match: re.Match[str]) -> list[tuple[int, str]]:
    """`1,2,3` is three numbers and `12.05.2020` no single one; grouped digits are one."""
    raw = match[0]
    separators = re.findall(r"[.,'٫٬ ]", raw)
    if len(separators) < 2 or _is_grouped(raw):
        return [(match.start(), raw)]
    return [(match.start() + piece.start(), piece[0]) for piece in re.finditer(r"\d+", raw)]


def _is_grouped(raw: str) -> bool:
    """Whether all separators but a last, different one group digits: by three, or in the Indian way."""
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
    """Values of digits with separators, the likelier first.

    Args:
        raw: The digits.
        decimal_comma: Whether a comma starts decimals and a point groups.
        either: Whether the language knows both conventions, so that a doubtful spelling has two readings.
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
    # Nobody writes a third decimal that is zero, so `42,480` is the thousands of English-style numbers.
    decimals_first = (last == ",") == decimal_comma and not rest.endswith("0")
    return (decimal, joined) if decimals_first else (joined, decimal)


def _complete(text: str, start: int, end: int, readings: tuple[Decimal, ...], language: str) -> Numeral:
    """Add what stands around the digits: scale words, a fraction, the sign."""
    end, readings = _with_fraction(text, end, readings)
    end, readings = _with_scale(text, end, readings, language)
    if language == "sw" and (scale := _SCALE_BEFORE.search(text, max(0, start - 12), start)):
        readings = (min(readings) * _SCALE_WORDS["sw"][scale[1].lower()],)
    signed = start - 1 if text[start - 1 : start] in _CURRENCIES else start
    if signed > 0 and text[signed - 1] == "-" and not _subtracts(text, signed - 1):
        return Numeral(signed - 1, end, tuple(-value for value in readings))
    return Numeral(start, end, readings)


def _subtracts(text: str, at: int) -> bool:
    """Whether the minus at `at` stands between operands (`10-5`, `10 -5`) rather than before a negative number."""
    if text[:at].rstrip(" ")[-1:].isdigit():
        return True
    before = text[at - 1 : at]
    if before.isalpha() and before.lower() == before.upper():
        # Scripts without letter case set no space before a number: 18個-10個 subtracts, 答えは-5 does not.
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
    if language in ("ja", "zh", "ko"):
        return _with_myriads(text, end, readings)
    if _THOUSANDS.match(text, end):
        return end + 1, (min(readings) * 1000,)
    if language == "th" and (scale := _THAI_SCALE.match(text, end)):
        return scale.end(), (min(readings) * _SCALE_WORDS["th"][scale[1]],)
    word = _WORD.match(text, end + 1) if text[end : end + 1] == " " else None
    factor = _SCALE_WORDS.get(language, {}).get(word[0].lower()) if word else None
    if word is None or factor is None:
        return end, readings
    # In front of a scale word every separator starts decimals: 2,125 millones is not thousands of millions.
    return word.end(), (min(readings) * factor,)


def _with_myriads(text: str, end: int, readings: tuple[Decimal, ...]) -> tuple[int, tuple[Decimal, ...]]:
    """Read on through `1万2千` and `3만 5000`: each part is smaller than the scale before it."""
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
