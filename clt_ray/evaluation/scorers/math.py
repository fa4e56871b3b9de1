"""Scores solutions by exact match of the final number, which the first of these rules that applies finds:

1. *Stated*: the number that the last announcement in the language or in English leads to (`answers`). In
   `The answer is 3 + 5 = 8 apples out of 12` that is 8: the value an equation arrives at, else the first number. After
   a label such as `Answer:` may come a sentence (its last number counts) or, where it opens the text, the whole
   derivation (rule 2 decides within it). A solution that announces an answer and gives no number has none.
2. *Concluded*: in the last sentence with a number, the one in bold type if exactly one is; else the one after the
   last equals sign; else the last one, not counting remarks in parentheses. Questions, list numbers, and the check
   or note after a conclusion are passed over.

    final_number("He buys 2 + 3 = 5.\\nCheck: 5 - 3 = 2.", "en")        # 5
    final_number("La respuesta no es 7, sino 1.250,50 €.", "es")        # 1250.50
    final_number("She earns **$18** a day by selling 9 eggs.", "en")    # 18

An expression without a result (`18 - 10`) is no number. Text after the start of a further question is not read.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from clt_ray.evaluation.scorers import answers
from clt_ray.evaluation.scorers.answers import Announcement, announcements, sentence_end
from clt_ray.evaluation.scorers.numerals import Numeral, find, leading_number, simplified

TOLERANCE = Decimal("0.001")
"""Numbers that differ by less are equal, so that 33.3333 is a third of a hundred. The scorers of mCoT and MathOctopus
use the same tolerance."""

_CONNECTED = re.compile(
    r"(?:[^\d\n.,;:()。，、؛=]{0,24}?\s)??\s*(?:[=≈+*/×÷·]|[-x](?=\s)|(?<!\w)[-x])\s*[$€£¥₹]?\s*\(?"
)
"""Text between two numbers that makes them parts of one equation, including units of the first."""
_ENUMERATION = re.compile(r"^[^\w\n]*(\d{1,2})[.)][^\S\n]+(?=\S)", re.MULTILINE)
_BOLD = re.compile(r"\*\*(?=\S)([^*\n]+?)\*\*")
_EQUALITY = "=≈"
_DIRECT = re.compile(r"[\W_]*(?:[^\W\d_\u0e00-\u0e7f\u3000-\u9fff]+[\W_]*)?")
"""At most one word (`about`, `dola`) between a label and its number; none in scripts without spaces."""
_TRIED = 20
"""Number of announcements that are read, from the last, which bounds the time for outputs that repeat themselves."""
_FEW_CHARACTERS = 24
"""Largest number of characters after a number that may be its unit."""


@dataclass(frozen=True)
class _Solution:
    text: str
    """The text in one spelling (`numerals.simplified`), up to a further question."""
    language: str
    numbers: tuple[Numeral, ...]
    bold: tuple[tuple[int, int], ...]
    """(start, end) of passages that were in bold type and are no labels."""

    def within(self, start: int, end: int) -> list[Numeral]:
        """Returns the numbers that begin at or after `start` and before `end`."""
        return [number for number in self.numbers if start <= number.start < end]


def final_number(text: str, language: str) -> Decimal | None:
    """Returns the number that a solution gives as its answer, or None.

    A text that is nothing but a number with a comma before three digits is read as data sets write references: `2,125`
    is 2125 in every language.
    """
    readings = _final_readings(text, language)
    return readings[0] if readings else None


def score(prediction: str, reference: str, language: str) -> dict[str, float]:
    """Returns `accuracy`: 1 when the final numbers of two solutions are equal, up to `TOLERANCE`, else 0.

    A prediction that two conventions read differently (`numerals`) is right if one of the readings is right, since a
    wrong answer is hardly ever wrong by exactly a factor of 1000.
    """
    expected = final_number(reference, language)
    if expected is None:
        return {"accuracy": 0.0}
    readings = _final_readings(prediction, language)
    return {"accuracy": float(any(abs(reading - expected) < TOLERANCE for reading in readings))}


def _final_readings(text: str, language: str) -> tuple[Decimal, ...]:
    solution = _prepared(text, language)
    numerals = solution.numbers
    if len(numerals) == 1 and solution.text.strip() == solution.text[numerals[0].start : numerals[0].end]:
        return tuple(sorted(numerals[0].readings, reverse="," in text)) if "," in text else numerals[0].readings
    announced = announcements(solution.text, language)
    for announcement in reversed(announced[-_TRIED:]):
        readings = _stated(solution, announcement)
        if readings is not None:
            return readings
    if announced and not solution.within(announced[-1].end, len(solution.text)):
        return ()
    return _concluded(solution, 0, len(solution.text))


def _prepared(text: str, language: str) -> _Solution:
    pieces: list[str] = []
    bold: list[tuple[int, int]] = []
    position = length = 0
    for match in _BOLD.finditer(text):
        plain, strong = simplified(text[position : match.start()]), simplified(match[1])
        length += len(plain)
        if not strong.rstrip().endswith(":") and not text[match.end() :].lstrip(" ").startswith((":", "：")):
            bold.append((length, length + len(strong)))
        length += len(strong)
        pieces += [plain, strong]
        position = match.end()
    whole = "".join([*pieces, simplified(text[position:])])
    solution = _Solution(whole, language, _without_list_numbers(whole, find(whole, language)), tuple(bold))
    # A base model may continue with a question of its own, where the text ends. A question that it repeats before its
    # answer does not end the text.
    end = answers.next_question(whole, language)
    head = tuple(solution.within(0, end))
    answered = head or announcements(whole[:end], language)
    return replace(solution, text=whole[:end], numbers=head) if answered else solution


def _without_list_numbers(text: str, numerals: Sequence[Numeral]) -> tuple[Numeral, ...]:
    """Removes the numbers that count the items of a list: 1 at the start of a line, then 2, and so on."""
    listed: list[tuple[int, int]] = []
    last = 0
    for match in _ENUMERATION.finditer(text):
        if int(match[1]) in (1, last + 1):
            last = int(match[1])
            listed.append(match.span())
    kept = tuple(number for number in numerals if not any(start <= number.start < end for start, end in listed))
    return kept or tuple(numerals)


def _stated(solution: _Solution, announcement: Announcement) -> tuple[Decimal, ...] | None:
    """Returns the readings of the number that an announcement states.

    It is empty where numbers follow that make no value, and None where no number follows.
    """
    text, start = solution.text, announcement.end
    end = _statement_end(solution, announcement)
    stated = solution.within(start, end)
    if not stated:
        word = leading_number(text[start:end], solution.language) if announcement.kind in ("phrase", "label") else None
        if word is not None:
            return (word,)
        follows = announcement.kind == "label" and solution.within(start, len(text))
        return _concluded(solution, start, len(text)) if follows else None
    if announcement.kind == "label":
        direct = _DIRECT.fullmatch(text[start : stated[0].start]) is not None
        if _derives(solution, announcement, stated, end, direct):
            return _concluded(solution, start, len(text))
        if not direct:
            return _concluded(solution, start, end)
    affirmed = _affirmed(solution, stated, announcement.start)
    value = _settle(affirmed, text)
    return value.readings if value else () if affirmed else None


def _derives(
    solution: _Solution, announcement: Announcement, stated: Sequence[Numeral], end: int, direct: bool
) -> bool:
    """Returns whether a label that opens the text (`Answer: She starts with 5. ...`) precedes a derivation."""
    text = solution.text
    if solution.within(0, announcement.start):
        return False
    rest = text[end : answers.remarks(text, solution.language, end)]
    if not direct:
        return bool(solution.within(end, end + len(rest)))
    tail = text[stated[0].end : end]
    return (len(tail) > _FEW_CHARACTERS or _equates(tail)) and _equates(rest)


def _statement_end(solution: _Solution, announcement: Announcement) -> int:
    text, start = solution.text, announcement.end
    if announcement.kind == "box":
        return _closing_brace(text, start)
    first_word = re.compile(r"[^\W_]").search(text, start)
    begin = first_word.start() if first_word else start
    line_end = text.find("\n", begin)
    end = sentence_end(text, solution.language, begin)
    while any(numeral.start < end < numeral.end for numeral in solution.numbers):
        end = sentence_end(text, solution.language, end + 1)
    return end if line_end < 0 else min(end, line_end)


def _closing_brace(text: str, start: int) -> int:
    depth = 1
    for index in range(start, len(text)):
        depth += {"{": 1, "}": -1}.get(text[index], 0)
        if depth == 0:
            return index
    return len(text)


def _affirmed(solution: _Solution, numerals: Sequence[Numeral], start: int) -> list[Numeral]:
    text, language = solution.text, solution.language
    return [number for number in numerals if not answers.negated(text, start, number.start, number.end, language)]


def _settle(numerals: Sequence[Numeral], text: str) -> Numeral | None:
    """Returns the result of the equation that begins with the first number, or that number itself."""
    if not numerals:
        return None
    index, equated, joined = 0, False, False
    while index + 1 < len(numerals):
        between = text[numerals[index].end : numerals[index + 1].start]
        if not _CONNECTED.fullmatch(between):
            break
        equated = _equates(between)
        joined = True
        index += 1
    if not joined or equated:
        return numerals[index]
    return numerals[index + 1] if index + 1 < len(numerals) else None


def _concluded(solution: _Solution, start: int, end: int) -> tuple[Decimal, ...]:
    """Returns the readings of the number that the last sentence of a part of the text concludes with."""
    text = solution.text
    counted = _affirmed(solution, solution.within(start, end), start)
    if not counted:
        return ()
    end = min(end, answers.remarks(text, solution.language, counted[0].end))
    borders = answers.sentences(text, solution.language)
    inside_part = [(max(begin, start), min(stop, end)) for begin, stop in borders if begin < end and stop > start]
    asserted = [(begin, stop) for begin, stop in inside_part if not text[begin:stop].rstrip().endswith(("?", "؟"))]
    for begin, stop in (*reversed(asserted), *reversed(inside_part)):
        inside = [number for number in counted if begin <= number.start < stop]
        if inside:
            value = _of_sentence(solution, begin, stop, inside)
            return value.readings if value else ()
    return ()


def _of_sentence(solution: _Solution, start: int, end: int, inside: Sequence[Numeral]) -> Numeral | None:
    text = solution.text
    equals = max(text.rfind(mark, start, end) for mark in _EQUALITY)
    bold = [(begin, stop) for begin, stop in solution.bold if start <= begin < end and stop > equals]
    strong = [[number for number in inside if begin <= number.start < stop] for begin, stop in bold]
    with_number = [numbers for numbers in strong if numbers]
    if len(with_number) == 1:
        inside = with_number[0]
    after = [number for number in inside if number.start > equals]
    if equals >= 0 and after and (result := _settle(after, text)):
        return result
    plain = [
        number for number in inside if text.count("(", start, number.start) <= text.count(")", start, number.start)
    ] or inside
    return None if _is_operand(plain, text) else plain[-1]


def _is_operand(numerals: Sequence[Numeral], text: str) -> bool:
    if len(numerals) < 2:
        return False
    between = text[numerals[-2].end : numerals[-1].start]
    return _CONNECTED.fullmatch(between) is not None and not _equates(between)


def _equates(text: str) -> bool:
    return any(mark in text for mark in _EQUALITY)
