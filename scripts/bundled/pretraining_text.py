"""Text from which the tiny base model and its tokenizer are trained.

The pretraining text consists of sentences, lists, translations, counting and equations, for instance of a story under
its equation ("3 + 5 = 8", "Ana tiene 3 libros y compra 5 más."). It shares words and sentence patterns with the tasks
but not their form: it has no questions and no announced answers, and headlines and equations come before their text,
never after it. So fine-tuning has to teach the task, as it does for the large models of the study.

The tokenizer's text is the words and the fixed parts of frames, with equal frequencies. Byte-pair encoding merges what
is frequent: on running text it would merge whole Chinese clauses and leave rare nouns as bytes; on the pieces that
sentences are composed of, every noun becomes a token.
"""

import random
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from scripts.bundled.corpus import frames
from scripts.bundled.grammar import Slot, literals, sentence
from scripts.bundled.items import EVENTS, FRAMES, Item, items, operation, result
from scripts.bundled.lexicon import KINDS, LANGUAGES, concept, keys, number_words

Content = tuple[str, str] | int | str
"""Content of a slot: (kind, key) of a concept, a number, or a word."""

_SENTENCE_END = re.compile(r"(?<=\.) |(?<=。)")
_LISTED = {"names", "things", "cities", "animals", "places", "times", "buildings", "goods", "sports"}
_PHRASE_WEIGHT = 7


@dataclass(frozen=True)
class Passage:
    """A few sentences before they are written in a language."""

    sentences: tuple[tuple[tuple[str, ...], Mapping[str, Content]], ...]
    """Path of the frame in the language's file, and content of the slots, for each sentence."""
    title: tuple[str, ...] = ()
    """Path of the headline's frame, which has the slots of the first sentence; empty for none."""
    equation: str = ""
    """Equation that the passage illustrates; empty for none."""
    listed: tuple[Content, ...] = ()
    """Words and numbers of the passage that a list of them names."""


def _filled(path: tuple[str, ...], slots: Mapping[str, Content], language: str) -> str:
    frame = frames(language)
    for step in path:
        frame = frame[int(step) if step.isdigit() else step]
    if path[0] == "math":
        # The last sentence is the question.
        frame = _SENTENCE_END.split(frame)[0]
    values: dict[str, Slot] = {
        slot: concept(*value, language) if isinstance(value, tuple) else value for slot, value in slots.items()
    }
    return sentence(frame, values, language)


def text(passage: Passage, language: str) -> str:
    """Returns the sentences of the passage in a language."""
    return str(frames(language)["joint"]).join(_filled(path, slots, language) for path, slots in passage.sentences)


def listing(contents: tuple[Content, ...], language: str) -> str:
    """Returns words and numbers with the list separator of the language."""
    words = (concept(*item, language)["word"] if isinstance(item, tuple) else str(item) for item in contents)
    return str(frames(language)["list"]).join(words)


def _pick(rng: random.Random, kind: str) -> tuple[str, str]:
    return kind, rng.choice(keys(kind))


@lru_cache(maxsize=1)
def _held_out() -> frozenset[tuple[object, ...]]:
    held_out = ("validation", "test")
    return frozenset(item.content() for task in FRAMES for split in held_out for item in items(task)[split])


def _free(draw: Callable[[], Item]) -> Item:
    while (item := draw()).content() in _held_out():
        pass
    return item


def _mentioned(slots: Mapping[str, Content]) -> tuple[Content, ...]:
    return tuple(value for value in slots.values() if isinstance(value, int) or value[0] in _LISTED)


def _story(rng: random.Random) -> Passage:
    name = rng.choice(tuple(FRAMES["math"]))
    item = _free(lambda: FRAMES["math"][name](rng, name))
    numbers = (item.numbers["a"], item.numbers["b"])
    equation = f"{numbers[0]} {operation(name)} {numbers[1]} = {result(item)}"
    slots: dict[str, Content] = {**item.concepts, **item.numbers}
    return Passage(((("math", name), slots),), equation=equation, listed=numbers)


def _possessions(rng: random.Random) -> Passage:
    people = [("names", key) for key in rng.sample(keys("names"), 2)]
    base: dict[str, Content] = {"P": people[0], "Q": people[1], "T": _pick(rng, "things")}
    names = rng.sample(("has", "buys", "gives", "takes", "table"), rng.randint(1, 2))
    sentences = tuple((("plain", name), {**base, "a": rng.randint(3, 20)}) for name in names)
    return Passage(sentences, listed=tuple(slots["a"] for _, slots in sentences))


def _event(rng: random.Random) -> Passage:
    name = rng.choice(tuple(EVENTS))
    item = _free(lambda: FRAMES["summarization"][name](rng, name))
    slots: dict[str, Content] = dict(item.concepts)
    listed = _mentioned(slots)
    slots |= {"k": item.crowd, "dir": item.choice}
    news = ("summarization", name)
    details = [((*news, "details", str(number)), slots) for number in rng.sample(range(3), rng.randint(0, 2))]
    return Passage((((*news, "text"), slots), *details), title=(*news, "summary"), listed=listed)


def _scene(rng: random.Random) -> Passage:
    sentences: list[tuple[tuple[str, ...], Mapping[str, Content]]] = []
    for _ in range(rng.randint(1, 2)):
        if rng.random() < 0.5:
            name, kinds = "where", {"X": "animals", "Y": "places"}
        else:
            name, kinds = "compose", {"S": "animals", "V": "verbs", "L": "places", "M": "times"}
        sentences.append((("instruction", name, "1"), {slot: _pick(rng, kind) for slot, kind in kinds.items()}))
    listed = tuple(content for _, slots in sentences for content in _mentioned(slots))
    return Passage(tuple(sentences), listed=listed)


def _passage(rng: random.Random) -> Passage:
    return rng.choice((_story, _possessions, _event, _event, _scene))(rng)


def _annotated(rng: random.Random) -> str:
    """Returns a passage with its headline, its equation, its word list, or its sentences in another order."""
    passage, language = _passage(rng), rng.choice(LANGUAGES)
    body = text(passage, language)
    if passage.title and rng.random() < 0.5:
        return f"{_filled(passage.title, passage.sentences[0][1], language)}\n{body}"
    if passage.equation and rng.random() < 0.5:
        return f"{passage.equation}\n{body}"
    if rng.random() < 0.5:
        return f"{body}\n{listing(passage.listed, language)}"
    reordered = Passage(tuple(rng.sample(passage.sentences, len(passage.sentences))))
    return f"{body}\n{text(reordered, language)}"


def _recited(rng: random.Random) -> str:
    """Returns a list of unrelated words and numbers twice, from which the model learns to copy."""
    language = rng.choice(LANGUAGES)
    kinds = rng.choices(("names", "cities", "things", "animals", "members", "places", "buildings", "goods"), k=5)
    contents: list[Content] = [*(_pick(rng, kind) for kind in kinds), *(rng.randint(2, 60) for _ in range(3))]
    rng.shuffle(contents)
    once = listing(tuple(contents[: rng.randint(3, 8)]), language)
    return f"{once}\n{once}"


def _translated(rng: random.Random) -> str:
    languages = rng.sample(LANGUAGES, rng.choice((2, 2, 3)))
    if rng.random() < 0.3:
        kind = rng.choice(("names", "cities", "things", "animals", "members", "places", "goods", "sports"))
        words_listed = tuple((kind, key) for key in rng.sample(keys(kind), rng.randint(1, 3)))
        return " = ".join(listing(words_listed, language) for language in languages)
    passage = _passage(rng)
    return " = ".join(text(passage, language) for language in languages)


def _word_facts(rng: random.Random) -> str:
    languages = rng.sample(LANGUAGES, rng.choice((1, 1, 2)))
    if rng.random() < 0.5:
        pairs = rng.sample(keys("opposites"), 2)
        opposed = (concept("opposites", key, language) for language in languages for key in pairs)
        return "\n".join(" - ".join(pair.values()) for pair in opposed)
    kind = rng.choice(keys("kinds"))
    members = [("members", key) for key in keys("members") if key.startswith(kind)]
    examples = tuple(rng.sample(members or [("animals", key) for key in keys("animals")], 3))
    heads = {language: concept("kinds", kind, language)["word"] for language in languages}
    return "\n".join(f"{head}: {listing(examples, language)}" for language, head in heads.items())


def _numbers(rng: random.Random) -> str:
    language = rng.choice(LANGUAGES)
    if rng.random() < 0.5:
        return "\n".join(f"{number} = {number_words(number, language)}" for number in rng.sample(range(60), 3))
    numbers = tuple(rng.sample(range(1, 60), rng.randint(3, 5)))
    return f"{listing(numbers, language)}\n{listing(tuple(sorted(numbers)), language)}"


def _equations(rng: random.Random) -> str:
    lines = []
    for _ in range(rng.randint(3, 5)):
        a, b, c, d = (rng.randint(2, most) for most in (20, 20, 9, 9))
        first, sign, second, outcome = rng.choice(((a, "+", b, a + b), (a + b, "-", b, a), (c, "×", d, c * d)))
        lines.append(f"{first}, {second}\n{first} {sign} {second} = {outcome}")
    return "\n".join(lines)


_KINDS: dict[Callable[[random.Random], str], float] = {
    _annotated: 0.42, _recited: 0.15, _translated: 0.18, _word_facts: 0.05, _numbers: 0.08, _equations: 0.12
}  # fmt: skip
"""Function that writes a document of a kind -> share of the documents."""


def documents(seed: int) -> Iterator[str]:
    """Yields short documents without end, the same ones for the same seed."""
    rng = random.Random(f"clt-ray base text {seed}")
    while True:
        yield rng.choices(tuple(_KINDS), tuple(_KINDS.values()))[0](rng)


def _leaves(node: Any) -> Iterator[str]:
    if isinstance(node, str):
        yield node
    else:
        for child in node.values() if isinstance(node, Mapping) else node:
            yield from _leaves(child)


def pieces(language: str) -> tuple[list[str], list[str]]:
    """Returns the distinct words of a language, with a space before each if it has spaces, and its frames' phrases."""
    space = "" if language in ("ja", "zh") else " "
    forms = [form for kind in KINDS for key in keys(kind) for form in concept(kind, key, language).values()]
    forms += [number_words(number, language) for number in range(100)]
    phrases = dict.fromkeys(phrase for frame in _leaves(frames(language)) for phrase in literals(frame))
    return list(dict.fromkeys(space + form for form in forms)), list(phrases)


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
