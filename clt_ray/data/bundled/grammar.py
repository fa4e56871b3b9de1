"""Sentences from frames: a frame is a sentence with slots, and the few rules of agreement that its language needs.

    {T}            the word of the concept in slot T
    {T.counter}    another of its forms
    {J.@P}         the form of J that agrees in gender with P
    {P.gender?A:B} A when the form is "m" (or "up"), B otherwise
    {a*T}          a number and what it counts, where the noun's form depends on the number (Arabic)
    [은]           a Korean particle, in the variant that the sound before it takes

With P a woman and T pencils, the Arabic frame "{P.gender?اشترى:اشترت} {P} {a*T}." gives "اشترت سارة 5 أقلام."
for a = 5 and "اشترت سارة 12 قلمًا." for a = 12.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from clt_ray.data.bundled.lexicon import Concept

Slot = Concept | int | str

_SLOT = re.compile(r"\{(\w+)(?:\.(@?)(\w+))?(?:\*(\w+))?(?:\?([^:}]*):([^}]*))?\}")
_PARTICLE = re.compile(r"(\w)([’”\"]?)\[(은|을|이|와)\]")
_ELISION = re.compile(r"\b([Dd]|[Ll]|[Qq]u)[ea] (?=[aeiouéèêàâîôœAEIOUÉÈ])")
_VARIANTS = {"은": ("은", "는"), "을": ("을", "를"), "이": ("이", "가"), "와": ("과", "와")}
_DIGITS_ENDING_IN_A_CONSONANT = "013678"
_FIRST = ("m", "up")


@lru_cache(maxsize=4096)
def _pieces(frame: str) -> tuple[str | tuple[str | None, ...], ...]:
    """The frame cut at its slots: literal text, or the parts of a slot."""
    pieces: list[str | tuple[str | None, ...]] = []
    end = 0
    for match in _SLOT.finditer(frame):
        pieces += [frame[end : match.start()], match.groups()]
        end = match.end()
    return (*pieces, frame[end:])


def literals(frame: str) -> list[str]:
    """What a frame says between its slots, choices and all variants of particles included."""
    found: list[str] = []
    for piece in _pieces(frame):
        if isinstance(piece, str):
            start, *rest = re.split(r"\[(.)\]", piece)
            found.append(start)
            for particle, tail in zip(rest[::2], rest[1::2], strict=True):
                found += [variant + tail for variant in _VARIANTS[particle]]
        else:
            found += [choice for choice in piece[4:] if choice]
    return [text for text in found if text.strip()]


def _form(slot: Slot, feature: str) -> str:
    return slot[feature] if isinstance(slot, Mapping) else str(slot)


def _counted(number: Slot, noun: Slot) -> str:
    """Arabic numbers from 3 to 10 take the plural, those from 11 to 99 the singular accusative."""
    few = isinstance(number, int) and 3 <= number <= 10
    return f"{number} {_form(noun, 'word' if few else 'counted')}"


def _filled(piece: tuple[str | None, ...], slots: Mapping[str, Slot]) -> str:
    name, agreeing, feature, counted, first, second = piece
    slot = slots[name or ""]
    if counted:
        return _counted(slot, slots[counted])
    if agreeing:
        feature = _form(slots[feature or ""], "gender")
    form = _form(slot, feature or "word")
    if first is None:
        return form
    return first if form in _FIRST else second or ""


def _particle(match: re.Match[str]) -> str:
    before, quote, particle = match.groups()
    # Hangul syllables are ordered so that every 28th, from the first on, has no final consonant.
    closed = before in _DIGITS_ENDING_IN_A_CONSONANT if before.isdigit() else (ord(before) - 0xAC00) % 28 != 0
    return before + quote + _VARIANTS[particle][0 if closed else 1]


def sentence(frame: str, slots: Mapping[str, Slot], language: str) -> str:
    """The frame with its slots filled, elided (French), with particles chosen (Korean) and its first letter upper case.

    Raises:
        KeyError: The frame names a slot or a form that is not there.
    """
    text = "".join(piece if isinstance(piece, str) else _filled(piece, slots) for piece in _pieces(frame))
    if language == "ko":
        text = _PARTICLE.sub(_particle, text)
    elif language == "fr":
        text = _ELISION.sub(r"\1'", text)
    return text[:1].upper() + text[1:]
