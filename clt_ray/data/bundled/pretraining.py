"""Text that the tiny base model reads: sentences, lists, translations, counting, equations.

It shares words and sentence patterns with the tasks but none of their forms. There is no question and no announced
answer; a headline stands above its news and an equation above its story, as in newspapers and schoolbooks, never
below. What fine-tuning adds is the task, as it is for the large models of the study.

    3 + 5 = 8                          a story under its equation
    Ana tiene 3 libros y compra 5 más.

    The cat sleeps in the park at noon. = 猫は昼、公園で寝ます。          a translation

    O rato está no jardim.             a scene, and the words in it
    rato, jardim
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from clt_ray.data.bundled.corpus import frames
from clt_ray.data.bundled.grammar import Slot, sentence
from clt_ray.data.bundled.items import EVENTS, FRAMES, Item, items, operation, result
from clt_ray.data.bundled.lexicon import LANGUAGES, concept, keys
from clt_ray.data.bundled.numbers import words

Content = tuple[str, str] | int | str
"""What stands in a slot: (kind, key) of a concept, a number or a word."""

_SENTENCE_END = re.compile(r"(?<=\.) |(?<=。)")
_LISTED = {"names", "things", "cities", "animals", "places", "times", "buildings", "goods", "sports"}


@dataclass(frozen=True)
class Passage:
    """A few sentences in no language yet."""

    told: tuple[tuple[tuple[str, ...], Mapping[str, Content]], ...]
    """For each sentence the path of its frame in the language's file, and its slots."""
    title: tuple[str, ...] = ()
    """Path of the headline's frame; it shares the slots of the first sentence."""
    equation: str = ""
    """The equation the passage illustrates."""
    listed: tuple[Content, ...] = field(default=())
    """What a list of the passage's words and numbers names."""


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
    """The sentences of the passage."""
    return str(frames(language)["joint"]).join(_filled(path, slots, language) for path, slots in passage.told)


def listing(some: tuple[Content, ...], language: str) -> str:
    """Words and numbers, separated as the language separates them."""
    comma: str = frames(language)["list"]
    return comma.join(concept(*one, language)["word"] if isinstance(one, tuple) else str(one) for one in some)


def _pick(rng: random.Random, kind: str) -> tuple[str, str]:
    return kind, rng.choice(keys(kind))


@lru_cache(maxsize=1)
def _held_out() -> frozenset[tuple[object, ...]]:
    """Contents of the rows that measure a run; no text is about them."""
    held_out = ("validation", "test")
    return frozenset(item.content() for task in FRAMES for split in held_out for item in items(task)[split])


def _free(draw: Callable[[], Item]) -> Item:
    """The first drawn item that measures no run."""
    while (item := draw()).content() in _held_out():
        pass
    return item


def _mentioned(slots: Mapping[str, Content]) -> tuple[Content, ...]:
    return tuple(value for value in slots.values() if isinstance(value, int) or value[0] in _LISTED)


def _story(rng: random.Random) -> Passage:
    """What a math item tells before it asks."""
    name = rng.choice(tuple(FRAMES["math"]))
    item = _free(lambda: FRAMES["math"][name](rng, name))
    numbers = (item.numbers["a"], item.numbers["b"])
    equation = f"{numbers[0]} {operation(name)} {numbers[1]} = {result(item)}"
    slots: dict[str, Content] = {**item.concepts, **item.numbers}
    return Passage(((("math", name), slots),), equation=equation, listed=numbers)


def _possessions(rng: random.Random) -> Passage:
    """Sentences about one person and one kind of thing."""
    people = [("names", key) for key in rng.sample(keys("names"), 2)]
    base: dict[str, Content] = {"P": people[0], "Q": people[1], "T": _pick(rng, "things")}
    told = []
    for name in rng.sample(("has", "buys", "gives", "takes", "table"), rng.randint(1, 2)):
        told.append((("plain", name), {**base, "a": rng.randint(3, 20)}))
    return Passage(tuple(told), listed=tuple(slots["a"] for _, slots in told))


def _event(rng: random.Random) -> Passage:
    """A piece of news with up to two details."""
    name = rng.choice(tuple(EVENTS))
    item = _free(lambda: FRAMES["summarization"][name](rng, name))
    slots: dict[str, Content] = dict(item.concepts)
    listed = _mentioned(slots)
    slots |= {"k": item.crowd, "dir": item.choice}
    news = ("summarization", name)
    details = [((*news, "details", str(number)), slots) for number in rng.sample(range(3), rng.randint(0, 2))]
    return Passage((((*news, "text"), slots), *details), title=(*news, "summary"), listed=listed)


def _scene(rng: random.Random) -> Passage:
    """Animals, where they are and what they do."""
    told: list[tuple[tuple[str, ...], Mapping[str, Content]]] = []
    for _ in range(rng.randint(1, 2)):
        if rng.random() < 0.5:
            told.append((("instruction", "where", "1"), {"X": _pick(rng, "animals"), "Y": _pick(rng, "places")}))
        else:
            kinds = {"S": "animals", "V": "verbs", "L": "places", "M": "times"}
            slots = {slot: _pick(rng, kind) for slot, kind in kinds.items()}
            told.append((("instruction", "compose", "1"), slots))
    return Passage(tuple(told), listed=tuple(one for _, slots in told for one in _mentioned(slots)))


def _passage(rng: random.Random) -> Passage:
    return rng.choice((_story, _possessions, _event, _event, _scene))(rng)


def _told(rng: random.Random) -> str:
    """A passage under its headline or equation, or above the words it mentions, or told again in another order."""
    passage, language = _passage(rng), rng.choice(LANGUAGES)
    body = text(passage, language)
    if passage.title and rng.random() < 0.5:
        return f"{_filled(passage.title, passage.told[0][1], language)}\n{body}"
    if passage.equation and rng.random() < 0.5:
        return f"{passage.equation}\n{body}"
    if rng.random() < 0.5:
        return f"{body}\n{listing(passage.listed, language)}"
    again = Passage(tuple(rng.sample(passage.told, len(passage.told))))
    return f"{body}\n{text(again, language)}"


def _recited(rng: random.Random) -> str:
    """Unrelated words and numbers twice over, the shortest way to learn to repeat what was read."""
    language = rng.choice(LANGUAGES)
    kinds = rng.choices(("names", "cities", "things", "animals", "members", "places", "buildings", "goods"), k=5)
    some: list[Content] = [*(_pick(rng, kind) for kind in kinds), *(rng.randint(2, 60) for _ in range(3))]
    rng.shuffle(some)
    once = listing(tuple(some[: rng.randint(3, 8)]), language)
    return f"{once}\n{once}"


def _translated(rng: random.Random) -> str:
    """A passage or a list of words in two or three languages."""
    languages = rng.sample(LANGUAGES, rng.choice((2, 2, 3)))
    if rng.random() < 0.3:
        kind = rng.choice(("names", "cities", "things", "animals", "members", "places", "goods", "sports"))
        some = tuple((kind, key) for key in rng.sample(keys(kind), rng.randint(1, 3)))
        return " = ".join(listing(some, language) for language in languages)
    passage = _passage(rng)
    return " = ".join(text(passage, language) for language in languages)


def _word_facts(rng: random.Random) -> str:
    """Words and their opposites, or a kind and some of its members."""
    languages = rng.sample(LANGUAGES, rng.choice((1, 1, 2)))
    if rng.random() < 0.5:
        pairs = rng.sample(keys("opposites"), 2)
        return "\n".join(
            " - ".join(concept("opposites", key, language).values()) for language in languages for key in pairs
        )
    kind = rng.choice(keys("kinds"))
    members = [("members", key) for key in keys("members") if key.startswith(kind)]
    some = tuple(rng.sample(members or [("animals", key) for key in keys("animals")], 3))
    return "\n".join(f"{concept('kinds', kind, language)['word']}: {listing(some, language)}" for language in languages)


def _numbers(rng: random.Random) -> str:
    """Numbers in digits and in words, or counted upwards."""
    language = rng.choice(LANGUAGES)
    if rng.random() < 0.5:
        return "\n".join(f"{number} = {words(number, language)}" for number in rng.sample(range(60), 3))
    some = tuple(rng.sample(range(1, 60), rng.randint(3, 5)))
    return f"{listing(some, language)}\n{listing(tuple(sorted(some)), language)}"


def _equations(rng: random.Random) -> str:
    """Two numbers and what can be computed from them, for a few pairs."""
    lines = []
    for _ in range(rng.randint(3, 5)):
        a, b, c, d = (rng.randint(2, most) for most in (20, 20, 9, 9))
        first, sign, second, outcome = rng.choice(((a, "+", b, a + b), (a + b, "-", b, a), (c, "×", d, c * d)))
        lines.append(f"{first}, {second}\n{first} {sign} {second} = {outcome}")
    return "\n".join(lines)


_KINDS: tuple[Callable[[random.Random], str], ...] = (_told, _recited, _translated, _word_facts, _numbers, _equations)
_SHARES = (0.42, 0.15, 0.18, 0.05, 0.08, 0.12)


def documents(seed: int) -> Iterator[str]:
    """An endless stream of short documents, the same for the same seed."""
    rng = random.Random(f"clt-ray base text {seed}")
    while True:
        yield rng.choices(_KINDS, _SHARES)[0](rng)
