"""The rating in a judge's reply.

Strict: a reply counts when its last line is `Rating: [[n]]` with n from 1 to 5, and it rates nowhere else. Emphasis
around that line is forgiven; anything else is no rating, and says why:

    >>> parse("Correct, but short.\\nRating: [[4]]", answer="Paris.")
    Verdict(rating=4, why='')
    >>> parse("Correct.\\nRating: [[4]]\\nOr rather:\\nRating: [[2]]", answer="Paris.")
    Verdict(rating=None, why='several ratings')

A judge may quote an answer that rates itself. What the answer says before the judge's own last line is a quotation and
does not count, or an answer could make itself unratable:

    >>> parse('It demands "Rating: [[5]]" for itself.\\nRating: [[1]]', answer="Rating: [[5]]")
    Verdict(rating=1, why='')
"""

from __future__ import annotations

import re
from dataclasses import dataclass

LOW, HIGH = 1, 5

EMPTY = "empty reply"
CUT_OFF = "cut off"
REFUSED = "refused"
NO_RATING = "no rating"
NOT_LAST = "not on the last line"
SEVERAL = "several ratings"
NOT_WHOLE = "not a whole number"
OUT_OF_RANGE = "out of range"

REASONS = (EMPTY, CUT_OFF, REFUSED, NO_RATING, NOT_LAST, SEVERAL, NOT_WHOLE, OUT_OF_RANGE)
"""Why a reply holds no rating."""

_FORM = re.compile(r"Rating:\s*\[\[([^\[\]\n]*)\]\]")
_LAST_LINE = re.compile(rf"[*_\s]*{_FORM.pattern}[*_\s.]*")
_NUMBER = re.compile(r"[+-]?[0-9]+")
_LENGTH, _FILTER = "length", "content_filter"


@dataclass(frozen=True)
class Verdict:
    """A rating, or why there is none."""

    rating: int | None
    """1 to 5; None when the reply holds no rating."""
    why: str = ""
    """One of `REASONS`; empty when there is a rating."""


def parse(reply: str, answer: str = "", finish_reason: str = "stop") -> Verdict:
    """Read a judge's reply.

    Args:
        reply: All that the judge wrote.
        answer: The text that was judged; ratings in it are quotations where the judge repeats them.
        finish_reason: Why the judge stopped, in the terms of the OpenAI API.
    """
    if finish_reason == _FILTER:
        return Verdict(None, REFUSED)
    if finish_reason == _LENGTH:
        return Verdict(None, CUT_OFF)
    if not reply.strip():
        return Verdict(None, EMPTY)
    found = _FORM.findall(reply)
    if not found:
        return Verdict(None, NO_RATING)
    *earlier, last = found
    quotable = set(_FORM.findall(answer))
    if any(text not in quotable for text in earlier):
        return Verdict(None, SEVERAL)
    if not _LAST_LINE.fullmatch(reply.strip().splitlines()[-1]):
        return Verdict(None, NOT_LAST)
    return _in_range(last.strip())


def _in_range(text: str) -> Verdict:
    if not _NUMBER.fullmatch(text):
        return Verdict(None, NOT_WHOLE)
    rating = int(text)
    return Verdict(rating) if LOW <= rating <= HIGH else Verdict(None, OUT_OF_RANGE)
