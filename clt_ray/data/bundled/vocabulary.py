"""Training text of the tiny model's tokenizer: the words and the fixed parts of frames, with equal frequencies.

Byte-pair encoding merges what is frequent. On running text it would merge whole Chinese clauses and leave rare nouns as
bytes. On the pieces that sentences are composed of, every noun becomes a token.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from clt_ray.data.bundled.corpus import frames
from clt_ray.data.bundled.grammar import literals
from clt_ray.data.bundled.lexicon import KINDS, LANGUAGES, concept, keys
from clt_ray.data.bundled.numbers import words

_UNSPACED = ("ja", "zh")
_PHRASE_WEIGHT = 7


def _leaves(node: Any) -> Iterator[str]:
    if isinstance(node, str):
        yield node
    else:
        for child in node.values() if isinstance(node, Mapping) else node:
            yield from _leaves(child)


def _forms(language: str) -> Iterator[str]:
    for kind in KINDS:
        for key in keys(kind):
            yield from concept(kind, key, language).values()
    yield from (words(number, language) for number in range(100))


def pieces(language: str) -> tuple[list[str], list[str]]:
    """Returns the distinct words of a language, with a space before each if it has spaces, and its frames' phrases."""
    space = "" if language in _UNSPACED else " "
    phrases = dict.fromkeys(text for frame in _leaves(frames(language)) for text in literals(frame))
    return list(dict.fromkeys(space + form for form in _forms(language))), list(phrases)


def tokenizer_text() -> Iterator[str]:
    """Yields all pieces of all languages; phrases are the most frequent because every sentence contains them."""
    for language in LANGUAGES:
        lexical, phrases = pieces(language)
        for word in lexical:
            yield from (word, word, word, word, word, word.strip())
        for phrase in phrases:
            yield from [phrase] * _PHRASE_WEIGHT
    for number in range(100):
        yield from [str(number)] * _PHRASE_WEIGHT
