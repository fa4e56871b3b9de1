"""Finds the places where a solution announces its answer, by the words of its language.

An announcement is one of:
* a *phrase*: a noun (`answer`), a few words at most, and a verb that links it to the value: `the final answer is`;
* a *label*: the noun with a colon (`Answer:`), or alone on its line as a heading;
* a *mark*: `####` before a number that ends the line, or a LaTeX box.

The words are in the declarations of the languages (`Language.answers`). English announcements count in every language,
since models mix them in. A noun that is only looked for (`to find the answer`, 答えを求める) announces nothing.
"""

import functools
import itertools
import re
import unicodedata
from dataclasses import dataclass
from typing import Literal

from clt_ray.languages import ENGLISH, LANGUAGES, Answers, built_in_and

_NO_WORDS = Answers("", "")


@dataclass(frozen=True)
class Announcement:
    """A place where a text announces its answer."""

    start: int
    end: int
    """Index at which the answer should follow."""
    kind: Literal["phrase", "label", "mark", "box"]


_BETWEEN = r"[^\d\n.,;:=。、!?।৷،]{0,50}?"
"""Pattern of the words between the noun and the link: `the answer to this question is`."""
_NEAR = 60
"""Number of characters before a word in which words that change its meaning are searched."""
_BOX = re.compile(r"(?:boxed|fbox)\s*\{")
_HASHES = re.compile(r"^[^\S\n]*####[^\S\n]*(?=[^\w\n]{0,4}(?!\d{1,2}[.)]\s)\d[^\n]{0,24}$)", re.MULTILINE)


def announcements(text: str, language: str) -> list[Announcement]:
    """Returns every announcement of a text that went through `numerals.simplified`, in order."""
    places = [Announcement(match.start(), match.end(), "box") for match in _BOX.finditer(text)]
    places += [Announcement(match.start(), match.end(), "mark") for match in _HASHES.finditer(text)]
    for code in dict.fromkeys((language, ENGLISH)):
        if _answers(code) is None:
            continue
        pattern, sought, seeking = _patterns(code)
        for match in pattern.finditer(text):
            words = match["words"] or ""
            if sought and sought.search(text, max(0, match.start() - _NEAR), match.start()):
                continue
            if seeking and (seeking.match(words) or seeking.match(text, match.end())):
                continue
            places.append(Announcement(match.start(), match.end(), "phrase" if match["phrase"] else "label"))
    return sorted(places, key=lambda announcement: announcement.end)


def negated(text: str, begin: int, start: int, end: int, language: str) -> bool:
    """Returns whether the text from `begin` on denies the number from `start` to `end`: `not 7 but 8`."""
    answers, english = _answers(language) or _NO_WORDS, _answers(ENGLISH) or _NO_WORDS
    after = unicodedata.normalize("NFKC", answers.denied_after)
    for words in (unicodedata.normalize("NFKC", answers.denied_before), english.denied_before):
        if words and re.search(rf"(?:{words})\s*[$€£¥₹]?\Z", text[max(begin, start - _NEAR) : start], re.IGNORECASE):
            return True
    return bool(after and re.match(rf"[^\d.,;。，!?।\n]{{0,10}}?(?:{after})", text[end:]))


def next_question(text: str, language: str) -> int:
    """Returns the index of the first line that opens a question, or the end of the text."""
    match = _questions(language).search(text)
    return match.start() if match else len(text)


def remarks(text: str, language: str, start: int) -> int:
    """Returns the index of the first check, note or explanation at or after `start`, or the end of the text."""
    match = _remarks(language).search(text, start)
    return match.start() if match else len(text)


def sentence_end(text: str, language: str, start: int) -> int:
    """Returns the index of the first end of a sentence at or after `start`, or the end of the text."""
    match = _sentence_end(language).search(text, start)
    return match.start() if match else len(text)


def sentences(text: str, language: str) -> list[tuple[int, int]]:
    """Returns (start, end) of every sentence; a line end ends a sentence as well."""
    borders = {0, len(text)} | {match.end() for match in re.finditer(rf"{_sentence_end(language).pattern}|\n", text)}
    borders |= {match.start() for match in _conclusion(language).finditer(text)}
    return list(itertools.pairwise(sorted(borders)))


@functools.cache
def _patterns(code: str) -> tuple[re.Pattern[str], re.Pattern[str] | None, re.Pattern[str] | None]:
    words = _answers(code)
    assert words is not None
    # Texts arrive in NFKC, which decomposes letters such as the Thai vowel am.
    nouns, links, labels, sought, seeking = (
        unicodedata.normalize("NFKC", field)
        for field in (words.nouns, words.links, words.labels, words.sought, words.seeking)
    )
    start, stop = (r"(?<!\w)", r"(?!\w)") if LANGUAGES[code].has_word_borders else ("", "")
    noun = f"{start}(?:{nouns}){stop}"
    parts = [
        rf"{noun}(?P<phrase>(?P<words>{_BETWEEN}){start}(?:{links}){stop}[^\S\n]*[:=]?|(?=[^\S\n]*[$€£¥]?\d))",
        rf"^[^\w\n]*(?:[^\W\d]+ ){{0,2}}{noun}(?: [^\W\d]+)?[^\w\n]*\n",
        rf"{noun}[^\S\n]*(?:\([^()\n]{{0,20}}\))?{_BETWEEN}(?:\s?[:=]|\s[-—]\s)",
    ]
    if labels:
        # A single Latin letter is a label only where it opens a line.
        parts.append(rf"^[^\w\n]*(?:{labels})\s?:" if labels.isascii() else rf"(?:{labels})\s?:")
    pattern = "|".join(parts)
    before = rf"(?:{sought})\s?\Z"
    if LANGUAGES[code].has_word_borders:
        before = rf"(?<!\w)(?:{sought})[^\S\n]+(?:\w+[^\S\n]+){{0,3}}\Z"
    return (
        re.compile(pattern, re.IGNORECASE | re.MULTILINE),
        re.compile(before, re.IGNORECASE) if sought else None,
        re.compile(rf"\s*(?:{seeking})", re.IGNORECASE) if seeking else None,
    )


@functools.cache
def _remarks(language: str) -> re.Pattern[str]:
    """Returns the pattern of a check or note, which starts like a heading: `Check:`, `Let's verify the answer.`"""
    declared = (_answers(code) for code in dict.fromkeys((language, ENGLISH)))
    words = "|".join(answers.remarks for answers in declared if answers is not None)
    openings = "|".join(_of_all(language, "remark_openings"))
    return re.compile(
        rf"(?:^|(?<=[.!?。।৷]))[^\w\n]*(?:(?:{openings}) )?"
        rf"(?:{unicodedata.normalize('NFKC', words)})[^\n\d:.。=]{{0,30}}[:.。\n]",
        re.MULTILINE | re.IGNORECASE,
    )


@functools.cache
def _questions(language: str) -> re.Pattern[str]:
    labels = "|".join(_of_all(language, "questions"))
    return re.compile(rf"^[^\w\n]*(?:{labels})\s*\d{{0,3}}\s*:", re.MULTILINE | re.IGNORECASE)


@functools.cache
def _conclusion(language: str) -> re.Pattern[str]:
    """Returns the pattern of words that begin a sentence without a full stop before it: Thai has none."""
    return re.compile("|".join(_of_all(language, "conclusions", borders=True)))


@functools.cache
def _sentence_end(language: str) -> re.Pattern[str]:
    declared = [known.answers for known in built_in_and(language) if known.answers is not None]
    abbreviations = [word for answers in declared for word in answers.abbreviations]
    return re.compile("".join(rf"(?<!\b{word})" for word in abbreviations) + r"\.(?=[\s\"'”»)\]]|$)|[!?](?!\d)|[。।৷؟]")


def _answers(code: str) -> Answers | None:
    return LANGUAGES[code].answers if code in LANGUAGES else None


def _of_all(language: str, field: str, *, borders: bool = False) -> list[str]:
    """Returns a field of the built-in languages and of `language`, since models mix languages.

    With `borders`, words must stand at word borders in the languages whose borders can be found.
    """
    patterns = []
    for known in built_in_and(language):
        words = unicodedata.normalize("NFKC", getattr(known.answers, field, ""))
        if words:
            patterns.append(rf"\b(?:{words})\b" if borders and known.has_word_borders else words)
    return patterns
