"""Fills sentence frames: a frame is a sentence with slots and with the agreement rules that its language needs.

    {T}            the word of the concept in slot T
    {T.counter}    another form of it
    {J.@P}         the form of J that agrees in gender with P
    {P.gender?A:B} A when the form is "m" (or "up"), B otherwise
    {a*T}          a number and the counted noun, whose form depends on the number (Arabic)
    [은]           a Korean particle, in the variant that fits the sound before it

If P is a woman and T is pencils, the Arabic frame "{P.gender?اشترى:اشترت} {P} {a*T}." gives "اشترت سارة 5 أقلام."
for a = 5 and "اشترت سارة 12 قلمًا." for a = 12.
"""

import re
from collections.abc import Mapping
from functools import lru_cache

from scripts.bundled.lexicon import Concept

Slot = Concept | int | str

_SLOT = re.compile(r"\{(\w+)(?:\.(@?)(\w+))?(?:\*(\w+))?(?:\?([^:}]*):([^}]*))?\}")
_PARTICLE = re.compile(r"(\w)([’”\"]?)\[(은|을|이|와)\]")
_ELISION = re.compile(r"\b([Dd]|[Ll]|[Qq]u)[ea] (?=[aeiouéèêàâîôœAEIOUÉÈ])")
_VARIANTS = {"은": ("은", "는"), "을": ("을", "를"), "이": ("이", "가"), "와": ("과", "와")}
_DIGITS_ENDING_IN_A_CONSONANT = "013678"
_FIRST = ("m", "up")


@lru_cache(maxsize=4096)
def _pieces(frame: str) -> tuple[str | tuple[str | None, ...], ...]:
    """Returns the frame split at its slots: literal text, or the parts of a slot."""
    pieces: list[str | tuple[str | None, ...]] = []
    end = 0
    for match in _SLOT.finditer(frame):
        pieces += [frame[end : match.start()], match.groups()]
        end = match.end()
    return (*pieces, frame[end:])


def literals(frame: str) -> list[str]:
    """Returns the text of a frame between its slots, including choices and all variants of particles."""
    texts: list[str] = []
    for piece in _pieces(frame):
        if isinstance(piece, str):
            start, *rest = re.split(r"\[(.)\]", piece)
            texts.append(start)
            for particle, tail in zip(rest[::2], rest[1::2], strict=True):
                texts += [variant + tail for variant in _VARIANTS[particle]]
        else:
            texts += [choice for choice in piece[4:] if choice]
    return [text for text in texts if text.strip()]


def _form(slot: Slot, feature: str) -> str:
    return slot[feature] if isinstance(slot, Mapping) else str(slot)


def _filled(piece: tuple[str | None, ...], slots: Mapping[str, Slot]) -> str:
    name, agreeing, feature, counted, first, second = piece
    slot = slots[name or ""]
    if counted:
        # In Arabic, a noun is plural after 3 to 10, and singular accusative after 11 to 99.
        few = isinstance(slot, int) and 3 <= slot <= 10
        return f"{slot} {_form(slots[counted], 'word' if few else 'counted')}"
    if agreeing:
        feature = _form(slots[feature or ""], "gender")
    form = _form(slot, feature or "word")
    if first is None:
        return form
    return first if form in _FIRST else second or ""


def _particle(match: re.Match[str]) -> str:
    before, quote, particle = match.groups()
    # In Unicode, every 28th Hangul syllable, starting with the first, has no final consonant.
    closed = before in _DIGITS_ENDING_IN_A_CONSONANT if before.isdigit() else (ord(before) - 0xAC00) % 28 != 0
    return before + quote + _VARIANTS[particle][0 if closed else 1]


def sentence(frame: str, slots: Mapping[str, Slot], language: str) -> str:
    """Returns the frame with filled slots, French elision, fitting Korean particles, and a first letter in upper case.

    Raises:
        KeyError: The frame names a slot or a form that does not exist.
    """
    text = "".join(piece if isinstance(piece, str) else _filled(piece, slots) for piece in _pieces(frame))
    if language == "ko":
        text = _PARTICLE.sub(_particle, text)
    elif language == "fr":
        text = _ELISION.sub(r"\1'", text)
    return text[:1].upper() + text[1:]
