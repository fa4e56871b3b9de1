"""Splits a text into the words that overlap scores need in each language.

* English: exactly the tokens of the rouge-score package with its stemmer, so that scores compare with published ones.
* Japanese, Chinese, Korean: words or morphemes of a dictionary segmenter, since these languages put no spaces between
  words or, in Korean, attach particles to nouns.
* All others: runs of letters, marks and digits; stemmed where the declaration of the language names a Snowball
  stemmer, as English is, so that no language gains or loses by inflection alone.

Everything but English is brought to one width (NFKC), case and set of digits. Text in a script without spaces that
reaches a language without a segmenter (Thai, or Chinese in a Spanish reply) is split into characters.
"""

import functools
import re
import unicodedata
from collections.abc import Callable
from typing import Any

import regex

from clt_ray.languages import LANGUAGES
from clt_ray.plugins import resolved

# Letters of Thai, Lao, Myanmar, Khmer, kana and Han.
_UNSPACED = (
    r"\u0e01-\u0e30\u0e32\u0e33\u0e40-\u0e46\u0e81-\u0eb0\u0eb2\u0eb3\u0ec0-\u0ec6\u1000-\u102a\u1780-\u17b3"
    r"\u3005\u3040-\u309f\u30a0-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
)
# A mark belongs to the character before it; words end before and after each character of an unspaced script.
_TOKEN = regex.compile(rf"[{_UNSPACED}]\p{{M}}*|[^\s{_UNSPACED}](?:\p{{M}}|[^\s{_UNSPACED}])*")
_ARABIC_VARIANTS = str.maketrans({"أ": "ا", "إ": "ا", "آ": "ا", "ٱ": "ا", "ى": "ي", "ـ": None})
_PIECE = 2000
"""Number of characters that a segmenter gets at a time; the Japanese one refuses texts above 49,149 bytes."""


def words(text: str, language: str) -> list[str]:
    """Returns the words of a text, without punctuation."""
    declaration = LANGUAGES.get(language)
    if declaration is not None and declaration.split_words:
        split: Callable[[str], list[str]] = resolved(declaration.split_words)
        return split(text)
    return _stemmed(_TOKEN.findall(_letters_only(_normalised(text))), declaration.stemmer if declaration else "")


def english(text: str) -> list[str]:
    """Returns the words of an English text: exactly the tokens of the rouge-score package with its stemmer."""
    stem = _porter_stem()
    return [stem(word) if len(word) > 3 else word for word in re.findall("[a-z0-9]+", text.lower())]


def arabic(text: str) -> list[str]:
    """Returns the stems of an Arabic text without vowel marks and spelling variants."""
    text = "".join(character for character in _normalised(text) if unicodedata.category(character) != "Mn")
    return _stemmed(_TOKEN.findall(_letters_only(text.translate(_ARABIC_VARIANTS))), "arabic")


def japanese(text: str) -> list[str]:
    """Returns the morphemes of a Japanese text."""
    return _segmented(text, lambda piece: [morpheme.surface() for morpheme in _sudachi().tokenize(piece)])


def chinese(text: str) -> list[str]:
    """Returns the words of a Chinese text."""
    import rjieba

    return _segmented(text, lambda piece: list(rjieba.cut(piece)))


def korean(text: str) -> list[str]:
    """Returns the morphemes of a Korean text."""
    return _segmented(text, lambda piece: list(_mecab().morphs(piece)))


def _segmented(text: str, segment: Callable[[str], list[str]]) -> list[str]:
    # Lines are cut into pieces where they are longer than a segmenter accepts.
    lines = _normalised(text).splitlines()
    pieces = [line[start : start + _PIECE] for line in lines for start in range(0, len(line), _PIECE)]
    tokens = [token for piece in pieces for token in segment(piece)]
    return [word for token in tokens for word in _letters_only(token).split()]


def _stemmed(tokens: list[str], algorithm: str) -> list[str]:
    return list(_snowball(algorithm).stemWords(tokens)) if algorithm else tokens


def _normalised(text: str) -> str:
    text = unicodedata.normalize("NFKC", text).casefold()
    return "".join(str(unicodedata.decimal(character, character)) for character in text)


def _letters_only(text: str) -> str:
    """Returns letters, marks and digits; other characters become spaces, and invisible joiners are left out."""
    kinds = ((character, unicodedata.category(character)) for character in text)
    return "".join(character if kind[0] in "LMN" else "" if kind == "Cf" else " " for character, kind in kinds)


@functools.cache
def _porter_stem() -> Callable[[str], str]:
    """Returns the function that stems a word for the rouge-score package; importing it takes about two seconds."""
    from nltk.stem.porter import PorterStemmer

    return functools.lru_cache(maxsize=65536)(PorterStemmer().stem)


@functools.cache
def _snowball(algorithm: str) -> Any:
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
