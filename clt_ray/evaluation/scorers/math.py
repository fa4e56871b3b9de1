"""Exact match of the final number of a solution.

Which number is final, by the first rule that applies:

1. *Announced*: the one stated after the last "the answer is" in the language (or in English, `####`, a LaTeX box).
   In `The answer is 3 + 5 = 8 apples out of 12` that is 8: the value an equation arrives at, else the first number.
   A solution that announces an answer and gives no number has none, whatever numbers it used before.
2. *Concluded*: in the last sentence with a number, the one after the last equals sign; else the last one, not
   counting remarks in parentheses.

An expression without a result (`18 - 10`) is no number. Text after the start of a further question is not read.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal

from clt_ray.data.templates import FALLBACK_LANGUAGE, templates
from clt_ray.evaluation.scorers.answers import announcement, sentence_end, sentences
from clt_ray.evaluation.scorers.numerals import Numeral, find, simplified

_CONNECTED = re.compile(
    r"(?:[^\d\n.,;:()。，、؛=]{0,24}?\s)??\s*(?:[=≈+*/×÷·]|[-x](?=\s)|(?<!\w)[-x])\s*[$€£¥₹]?\s*\(?"
)
"""Text between two numbers that makes them parts of one equation, the units of the first included."""
_ENUMERATION = re.compile(r"^[^\S\n]*\d{1,2}[.)][^\S\n]+(?=\S)", re.MULTILINE)


def final_number(text: str, language: str) -> Decimal | None:
    """The number that a solution gives as its answer, or None.

    Args:
        text: A solution, or only its answer. A text that is nothing but a number is read as data sets write
            references: `2,125` is 2125 in every language.
        language: ISO code; decides what separators mean and how answers are announced.
    """
    readings = _final_readings(text, language)
    return readings[0] if readings else None


def score(prediction: str, reference: str, language: str) -> dict[str, float]:
    """Whether the final numbers of two solutions are equal.

    A prediction whose spelling two conventions read differently (`numerals`) is right if either reading is: no
    model misses by exactly a factor of 1000.

    Args:
        prediction: The model's solution.
        reference: A solution with the right number, or just the number.
        language: ISO code of both.

    Returns:
        `accuracy`, 1 or 0; 0 when either text has no final number.
    """
    right = final_number(reference, language)
    return {"accuracy": float(right is not None and right in _final_readings(prediction, language))}


def _final_readings(text: str, language: str) -> tuple[Decimal, ...]:
    text = simplified(_before_next_question(text, language))
    found = find(text, language)
    if len(found) == 1 and text.strip() == text[found[0].start : found[0].end]:
        return tuple(sorted(found[0].readings, reverse="," in text))
    announcements = list(announcement(language).finditer(text))
    for match in reversed(announcements):
        stated = _settle(_within(found, match.end(), _statement_end(text, match.end(), found)), text)
        if stated is not None:
            return stated.readings
    if announcements:
        return ()
    concluded = _concluded(text, language)
    return concluded.readings if concluded else ()


def _before_next_question(text: str, language: str) -> str:
    """Without the further questions that a base model likes to invent after its answer."""
    by_language = templates()["math"]
    for code in (language, FALLBACK_LANGUAGE):
        opening = by_language.get(code, by_language[FALLBACK_LANGUAGE]).partition("{question}")[0].strip()
        at = text.find("\n" + opening)
        if at > 0 and text[:at].strip():
            text = text[:at]
    return text


def _statement_end(text: str, start: int, found: Sequence[Numeral]) -> int:
    """End of the sentence or line that states the answer; a full stop inside a number ends nothing."""
    begin = start + len(text[start:]) - len(text[start:].lstrip())
    line_end = text.find("\n", begin)
    end = sentence_end(text, start)
    while any(numeral.start < end < numeral.end for numeral in found):
        end = sentence_end(text, end + 1)
    return end if line_end < 0 else min(end, line_end)


def _within(found: Sequence[Numeral], start: int, end: int) -> list[Numeral]:
    return [numeral for numeral in found if start <= numeral.start < end]


def _settle(found: Sequence[Numeral], text: str) -> Numeral | None:
    """The number that a statement arrives at, going along from its first number."""
    if not found:
        return None
    index, equated, joined = 0, False, False
    while index + 1 < len(found):
        between = text[found[index].end : found[index + 1].start]
        if not _CONNECTED.fullmatch(between):
            break
        equated = "=" in between or "≈" in between
        joined = True
        index += 1
    if not joined or equated:
        return found[index]
    return found[index + 1] if index + 1 < len(found) else None


def _concluded(text: str, language: str) -> Numeral | None:
    """The last number of the last sentence that has one."""
    bare = _ENUMERATION.sub(lambda match: " " * len(match[0]), text)
    found = find(bare, language) or find(text, language)
    for start, end in reversed(sentences(text)):
        inside = _within(found, start, end)
        if not inside:
            continue
        equals = max(text.rfind("=", start, end), text.rfind("≈", start, end))
        result = _settle(_within(inside, equals, end), text) if equals >= 0 else None
        if result is not None:
            return result
        told = [numeral for numeral in inside if text.count("(", start, numeral.start)
                <= text.count(")", start, numeral.start)] or inside  # fmt: skip
        return None if _is_operand(told, text) else told[-1]
    return None


def _is_operand(found: Sequence[Numeral], text: str) -> bool:
    """Whether the last number is the end of an expression without a result."""
    if len(found) < 2:
        return False
    between = text[found[-2].end : found[-1].start]
    return _CONNECTED.fullmatch(between) is not None and "=" not in between and "≈" not in between
