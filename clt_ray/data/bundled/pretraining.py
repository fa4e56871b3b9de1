"""Text that the tiny base model reads: sentences, translations, word lists, counting, equations.

It shares words and sentence patterns with the tasks but none of their forms: no question, no headline below a text,
no "the answer is". What fine-tuning adds is therefore the task, as it is for the large models of the study.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

from clt_ray.data.bundled.corpus import frames
from clt_ray.data.bundled.grammar import Slot, sentence
from clt_ray.data.bundled.items import EVENTS
from clt_ray.data.bundled.lexicon import LANGUAGES, concept, keys
from clt_ray.data.bundled.numbers import words

Draft = Callable[[str], str]
"""One content, ready to be written in any language."""


def _pick(rng: random.Random, kind: str) -> tuple[str, str]:
    return kind, rng.choice(keys(kind))


def _written(frame: str, slots: dict[str, tuple[str, str] | int | str], language: str) -> str:
    filled: dict[str, Slot] = {
        slot: concept(*value, language) if isinstance(value, tuple) else value
        for slot, value in slots.items()
    }
    return sentence(frame, filled, language)


def _possessions(rng: random.Random) -> Draft:
    """Two or three sentences about one person and one kind of thing."""
    people = [("names", key) for key in rng.sample(keys("names"), 2)]
    thing = _pick(rng, "things")
    told = []
    for name in rng.sample(("has", "buys", "gives", "takes", "table", "boxes"), rng.randint(1, 3)):
        small = name == "boxes"
        numbers = {"a": rng.randint(3, 9 if small else 30), "b": rng.randint(3, 30)}
        told.append((name, {"P": people[0], "Q": people[1], "T": thing, **numbers}))
    return lambda language: frames(language)["joint"].join(
        _written(frames(language)["plain"][name], slots, language) for name, slots in told
    )


def _event(rng: random.Random) -> Draft:
    """A piece of news with one or two details."""
    name = rng.choice(tuple(EVENTS))
    slots: dict[str, tuple[str, str] | int | str] = {
        slot: _pick(rng, kind) for slot, kind in EVENTS[name].items()
    }
    slots |= {"k": 100 * rng.randint(2, 9), "dir": rng.choice(("up", "down"))}
    details = rng.sample(range(3), rng.randint(0, 2))

    def write(language: str) -> str:
        frame = frames(language)["summarization"][name]
        parts = [frame["text"], *(frame["details"][number] for number in details)]
        return frames(language)["joint"].join(_written(part, slots, language) for part in parts)

    return write


def _scene(rng: random.Random) -> Draft:
    """Animals, where they are and what they do."""
    told = []
    for _ in range(rng.randint(1, 3)):
        if rng.random() < 0.5:
            animal, place = _pick(rng, "animals"), _pick(rng, "places")
            told.append(("where", {"X": animal, "Y": place}))
        else:
            kinds = {"S": "animals", "V": "verbs", "L": "places", "M": "times"}
            told.append(("compose", {slot: _pick(rng, kind) for slot, kind in kinds.items()}))
    return lambda language: frames(language)["joint"].join(
        _written(frames(language)["instruction"][name][1], slots, language) for name, slots in told
    )


def _words(rng: random.Random) -> Draft:
    """A few words of one kind."""
    kind = rng.choice(("names", "cities", "things", "animals", "members", "places", "goods", "sports"))
    some = rng.sample(keys(kind), rng.randint(2, 4))
    return lambda language: frames(language)["list"].join(
        concept(kind, key, language)["word"] for key in some
    )


def _pair(rng: random.Random) -> Draft:
    """A word and its opposite, or a kind and some of its members."""
    if rng.random() < 0.5:
        key = rng.choice(keys("opposites"))
        return lambda language: " - ".join(concept("opposites", key, language).values())
    kind = rng.choice(keys("kinds"))
    members = [key for key in keys("members") if key.startswith(kind)]
    file = "members" if members else "animals"
    some = rng.sample(members or keys("animals"), 3)
    return lambda language: f"{concept('kinds', kind, language)['word']}: " + frames(language)["list"].join(
        concept(file, key, language)["word"] for key in some
    )


def _number(rng: random.Random) -> Draft:
    """Numbers in digits and in words."""
    some = [rng.randint(0, 60) for _ in range(rng.randint(1, 3))]
    return lambda language: "\n".join(f"{number} = {words(number, language)}" for number in some)


def _counting(rng: random.Random) -> Draft:
    """A run of numbers upwards, in digits or in words."""
    step, start = rng.choice((1, 1, 1, 2, 5, 10)), rng.randint(0, 40)
    some = [number for number in range(start, 100, step)][: rng.randint(4, 7)]
    if rng.random() < 0.5:
        some = sorted(rng.sample(range(60), 5))
    spelled = rng.random() < 0.3
    return lambda language: frames(language)["list"].join(
        words(number, language) if spelled else str(number) for number in some
    )


def _equations(rng: random.Random) -> str:
    lines = []
    for _ in range(rng.randint(3, 6)):
        sign = rng.choice("++--×")
        a, b = (rng.randint(1, 9), rng.randint(1, 9)) if sign == "×" else (rng.randint(0, 20), rng.randint(0, 20))
        if sign == "-":
            a += b
        result = a * b if sign == "×" else a + b if sign == "+" else a - b
        lines.append(f"{a} {sign} {b} = {result}")
    return "\n".join(lines)


_KINDS: tuple[tuple[Callable[[random.Random], Draft], float], ...] = (
    (_possessions, 0.24),
    (_event, 0.24),
    (_scene, 0.2),
    (_words, 0.08),
    (_pair, 0.08),
    (_number, 0.08),
    (_counting, 0.08),
)
_EQUATIONS_SHARE = 0.2
_TRANSLATION_SHARE = 0.5


def documents(seed: int) -> Iterator[str]:
    """An endless stream of short documents; half of them say one thing in two or three languages."""
    rng = random.Random(f"clt-ray base text {seed}")
    kinds = [kind for kind, _ in _KINDS]
    shares = [share for _, share in _KINDS]
    while True:
        if rng.random() < _EQUATIONS_SHARE:
            yield _equations(rng)
            continue
        draft = rng.choices(kinds, shares)[0](rng)
        count = rng.choice((2, 2, 3)) if rng.random() < _TRANSLATION_SHARE else 1
        yield "\n".join(draft(language) for language in rng.sample(LANGUAGES, count))
