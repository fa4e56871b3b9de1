"""Items of the bundled corpus before they are written in a language: a frame and the concepts in its slots.

An item is drawn once and written in every language, so rows with the same id have the same content in all languages.
The splits are parts of one list of distinct items, and two items of a task never differ only in supporting details.
"""

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from scripts.bundled.lexicon import keys

SIZES = {"train": 2400, "validation": 200, "test": 200}
"""Rows of each split, per task and language."""

_SEED = "clt-ray bundled corpus 1"


@dataclass(frozen=True)
class Item:
    """A question or a report, independent of language."""

    frame: str
    """Name of the frame, the same in every language's file."""
    concepts: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """Slot -> (kind, key) of its concept."""
    numbers: Mapping[str, int] = field(default_factory=dict)
    """Slot -> its number."""
    choice: str = ""
    """Direction of a frame that has two: "up" or "down"; else empty."""
    listed: tuple[tuple[str, str] | int, ...] = ()
    """Concepts or numbers of a list, in the order in which they are shown."""
    details: tuple[int, ...] = ()
    """Indices of the supporting sentences of a text, in their order."""
    crowd: int = 300
    """Number of people in a supporting detail; hundreds, because no language inflects the noun after them."""

    def content(self) -> tuple[object, ...]:
        """Returns what distinguishes the item from others: everything except its supporting details."""
        return (self.frame, *self.concepts.values(), *self.numbers.values(), self.choice, *self.listed)


Draw = Callable[[random.Random, str], Item]


def _some(rng: random.Random, kind: str, count: int = 1) -> list[tuple[str, str]]:
    return [(kind, key) for key in rng.sample(keys(kind), count)]


_PEOPLE = {"buy": "P", "give": "PQ", "together": "PQ", "more": "PQ", "boxes": "", "take": "P"}


def operation(frame: str) -> str:
    """Returns the operator of the equation that a math frame asks for."""
    return {"buy": "+", "together": "+", "boxes": "×"}.get(frame, "-")


def result(item: Item) -> int:
    """Returns the number that a math item asks for."""
    a, b = item.numbers["a"], item.numbers["b"]
    return {"+": a + b, "-": a - b, "×": a * b}[operation(item.frame)]


def _math(rng: random.Random, frame: str) -> Item:
    # Numbers start at 3 so that no frame needs a singular or a dual.
    sign = operation(frame)
    if sign == "-":
        b = rng.randint(3, 15)
        a = b + rng.randint(3, 15)
    else:
        most = 9 if sign == "×" else 20
        a, b = rng.randint(3, most), rng.randint(3, most)
    concepts = dict(zip(_PEOPLE[frame], _some(rng, "names", 2), strict=False))
    return Item(frame, concepts | {"T": _some(rng, "things")[0]}, {"a": a, "b": b})


EVENTS = {
    "opening": {"X": "buildings", "C": "cities", "D": "days"},
    "weather": {"W": "weather", "C": "cities", "D": "days"},
    "sport": {"S": "sports", "C": "cities", "E": "cities", "D": "days"},
    "price": {"G": "goods", "C": "cities"},
    "visit": {"J": "jobs", "P": "names", "C": "cities", "D": "days"},
    "fire": {"X": "buildings", "C": "cities", "D": "days"},
}


def _event(rng: random.Random, frame: str) -> Item:
    concepts = {slot: _some(rng, kind)[0] for slot, kind in EVENTS[frame].items()}
    if "E" in concepts:
        concepts["C"], concepts["E"] = _some(rng, "cities", 2)
    choice = rng.choice(("up", "down")) if frame == "price" else ""
    details = tuple(rng.sample(range(3), rng.randint(1, 2)))
    return Item(frame, concepts, choice=choice, details=details, crowd=100 * rng.randint(2, 9))


def _compose(rng: random.Random, frame: str) -> Item:
    kinds = {"S": "animals", "V": "verbs", "L": "places", "M": "times"}
    return Item(frame, {slot: _some(rng, kind)[0] for slot, kind in kinds.items()})


def _where(rng: random.Random, frame: str) -> Item:
    animals, places = _some(rng, "animals", 2), _some(rng, "places", 2)
    asked = rng.randrange(2)
    slots = {"S": animals[0], "R": animals[1], "X": animals[asked]}
    return Item(frame, slots | {"L": places[0], "N": places[1], "Y": places[asked]})


def _kind(rng: random.Random, frame: str) -> Item:
    kinds = rng.sample(keys("kinds"), 3)
    members = {kind: [("members", key) for key in keys("members") if key.startswith(f"{kind}:")] for kind in kinds}
    members["animal"] = [("animals", key) for key in keys("animals")]
    chosen = [rng.choice(members[kind]) for kind in kinds]
    asked = rng.randrange(3)
    return Item(frame, {"K": ("kinds", kinds[asked]), "w": chosen[asked]}, listed=tuple(chosen))


def _numbers(rng: random.Random, frame: str) -> Item:
    return Item(frame, listed=tuple(rng.sample(range(1, 60), 3 if frame == "sort" else 2)))


_WORDED: dict[str, Draw] = {
    "compose": _compose,
    "where": _where,
    "kind": _kind,
    "opposite": lambda rng, frame: Item(frame, dict(zip("AB", _some(rng, "opposites", 2), strict=True))),
}
FRAMES: Mapping[str, Mapping[str, Draw]] = {
    "summarization": dict.fromkeys(EVENTS, _event),
    "instruction": {**_WORDED, "sort": _numbers, "words": _numbers},
    "math": dict.fromkeys(_PEOPLE, _math),
}
"""Task -> frame -> function that draws an item; frames alternate, so every split has them in equal shares."""


def _distinct(task: str) -> Iterator[Item]:
    rng = random.Random(f"{_SEED} {task}")
    seen: set[tuple[object, ...]] = set()
    while True:
        for frame, draw in FRAMES[task].items():
            while (item := draw(rng, frame)).content() in seen:
                pass
            seen.add(item.content())
            yield item


@lru_cache(maxsize=4)
def items(task: str) -> Mapping[str, tuple[Item, ...]]:
    """Returns the items of each split in their final order."""
    stream = _distinct(task)
    return {split: tuple(next(stream) for _ in range(size)) for split, size in SIZES.items()}
