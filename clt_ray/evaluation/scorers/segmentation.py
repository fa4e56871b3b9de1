"""Words of a text, the way overlap scores need them in each language.

* English: exactly the tokens of the rouge-score package with its stemmer, so English scores compare with published
  ones: ASCII letters and digits, lower case, words of more than three letters stemmed.
* Japanese, Chinese, Korean: words or morphemes of a dictionary segmenter, since they have no spaces or, in Korean,
  glue particles to nouns.
* All others: runs of letters, marks and digits; stemmed where a Snowball stemmer exists, as English is, so that
  no language gains or loses by inflection alone. Arabic is first freed of vowel marks and spelling variants.

Everything but English is brought to one width (NFKC), case and set of digits. Text in a script without spaces that
reaches a language without a segmenter (Thai, or Chinese in a Spanish reply) is split into characters. Segmenters
load at their first use; loading takes 0.02 to 0.15 s each.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Callable
from typing import Any

from clt_ray.evaluation.scorers.porter import stem

_STEMMERS = {
    "ar": "arabic", "de": "german", "es": "spanish", "fr": "french", "it": "italian", "nl": "dutch",
    "pt": "portuguese", "ru": "russian",
}  # fmt: skip
# Letters of Thai, Lao, Myanmar, Khmer, kana and Han.
_UNSPACED = re.compile(
    "["
    "\u0e01-\u0e30\u0e32\u0e33\u0e40-\u0e46\u0e81-\u0eb0\u0eb2\u0eb3\u0ec0-\u0ec6\u1000-\u102a\u1780-\u17b3"
    "\u3005\u3040-\u309f\u30a0-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
)
_ARABIC_VARIANTS = str.maketrans({"أ": "ا", "إ": "ا", "آ": "ا", "ٱ": "ا", "ى": "ي", "ـ": None})
_PIECE = 2000
"""Characters given to a segmenter at a time; the Japanese one refuses texts above 49 149 bytes."""


def words(text: str, language: str) -> list[str]:
    """Tokens of a text, without punctuation.

    Args:
        text: Any text, also one in another language than it should be.
        language: ISO code that decides how to split.
    """
    if language == "en":
        return [stem(word) if len(word) > 3 else word for word in re.findall("[a-z0-9]+", text.lower())]
    text = _normalised(text)
    segment = _SEGMENTERS.get(language)
    if segment is not None:
        tokens = [token for piece in _pieces(text) for token in segment(piece)]
        return [word for token in tokens for word in _letters_only(token).split()]
    if language == "ar":
        text = "".join(character for character in text if unicodedata.category(character) != "Mn")
        text = text.translate(_ARABIC_VARIANTS)
    tokens = _split(_letters_only(text))
    stemmer = _stemmer(_STEMMERS[language]) if language in _STEMMERS else None
    return stemmer.stemWords(tokens) if stemmer else tokens


def _normalised(text: str) -> str:
    text = unicodedata.normalize("NFKC", text).casefold()
    return "".join(_ascii_digit(character) for character in text)


def _ascii_digit(character: str) -> str:
    value = unicodedata.decimal(character, None)
    return character if value is None else str(value)


def _letters_only(text: str) -> str:
    """Letters, marks and digits; everything else becomes a space, except invisible joiners, which vanish."""
    kinds = ((character, unicodedata.category(character)) for character in text)
    return "".join(character if kind[0] in "LMN" else "" if kind == "Cf" else " " for character, kind in kinds)


def _split(text: str) -> list[str]:
    tokens: list[str] = []
    for word in text.split():
        start = 0
        for index in range(1, len(word)):
            # A mark stays with its character; a border is where a character of an unspaced script begins or ends.
            if unicodedata.category(word[index])[0] != "M" and (
                _UNSPACED.match(word[index]) or _UNSPACED.match(word[start])
            ):
                tokens.append(word[start:index])
                start = index
        tokens.append(word[start:])
    return tokens


def _pieces(text: str) -> list[str]:
    """Lines, cut where they are longer than a segmenter takes."""
    return [line[start : start + _PIECE] for line in text.splitlines() for start in range(0, len(line), _PIECE)]


@functools.cache
def _stemmer(algorithm: str) -> Any:
    import snowballstemmer

    return snowballstemmer.stemmer(algorithm)


@functools.cache
def _sudachi() -> Any:
    from sudachipy import Dictionary

    return Dictionary(dict="small").tokenizer()


@functools.cache
def _mecab() -> Any:
    from mecab import MeCab

    return MeCab()


def _japanese(text: str) -> list[str]:
    return [morpheme.surface() for morpheme in _sudachi().tokenize(text)]


def _chinese(text: str) -> list[str]:
    import rjieba

    return list(rjieba.cut(text))


def _korean(text: str) -> list[str]:
    return list(_mecab().morphs(text))


_SEGMENTERS: dict[str, Callable[[str], list[str]]] = {"ja": _japanese, "zh": _chinese, "ko": _korean}
