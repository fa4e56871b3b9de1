"""Rows of the bundled corpus: three tasks in eight languages, generated on the fly, the same on every machine.

>>> raw_rows("math", "es", "train")[0]
{'id': 'math-train-0000', 'question': 'Nora tiene 18 naranjas y compra 14 más. ¿Cuántas ...',
 'answer': '18 + 14 = 32. La respuesta es 32.'}
"""

from functools import lru_cache
from typing import Any

from clt_ray.data.bundled.grammar import Slot, sentence
from clt_ray.data.bundled.items import FRAMES, SIZES, Item, items, operation, result
from clt_ray.data.bundled.lexicon import LANGUAGES, Concept, concept, number_words, read
from clt_ray.errors import DataError

TASKS = tuple(FRAMES)
SPLITS = tuple(SIZES)


def frames(language: str) -> Any:
    """Returns the sentence frames of a language: task -> frame -> text with slots (see `grammar`)."""
    return read(f"frames/{language}.json")


def _slots(item: Item, language: str) -> dict[str, Slot]:
    concepts: dict[str, Slot] = {slot: concept(*key, language) for slot, key in item.concepts.items()}
    return {**concepts, **item.numbers, "dir": item.choice, "k": item.crowd}


def _math(item: Item, language: str, split: str) -> dict[str, str]:
    frame = frames(language)["math"]
    slots = _slots(item, language) | {"op": operation(item.frame), "n": result(item)}
    # Test references are bare numbers, as in MGSM.
    answer = str(result(item)) if split == "test" else sentence(frame["answer"], slots, language)
    return {"question": sentence(frame[item.frame], slots, language), "answer": answer}


def _summarization(item: Item, language: str, split: str) -> dict[str, str]:
    frame = frames(language)["summarization"][item.frame]
    slots = _slots(item, language)
    sentences = [frame["text"], *(frame["details"][number] for number in item.details)]
    return {
        "text": frames(language)["joint"].join(sentence(part, slots, language) for part in sentences),
        "summary": sentence(frame["summary"], slots, language),
    }


def _instruction(item: Item, language: str, split: str) -> dict[str, str]:
    prompt, completion = frames(language)["instruction"][item.frame]
    comma = frames(language)["list"]
    slots = _slots(item, language)
    numbers = [entry for entry in item.listed if isinstance(entry, int)]
    named: list[Concept] = [concept(*entry, language) for entry in item.listed if not isinstance(entry, int)]
    slots["list"] = comma.join([str(number) for number in numbers] + [word["word"] for word in named])
    slots["sorted"] = comma.join(str(number) for number in sorted(numbers))
    slots["words"] = comma.join(number_words(number, language) for number in numbers)
    return {"prompt": sentence(prompt, slots, language), "completion": sentence(completion, slots, language)}


_WRITERS = {"math": _math, "summarization": _summarization, "instruction": _instruction}


@lru_cache(maxsize=len(TASKS) * len(LANGUAGES) * len(SPLITS))
def _rows(task: str, language: str, split: str) -> tuple[dict[str, str], ...]:
    written = (_WRITERS[task](item, language, split) for item in items(task)[split])
    return tuple({"id": f"{task}-{split}-{number:04d}", **columns} for number, columns in enumerate(written))


def raw_rows(task: str, language: str, split: str) -> list[dict[str, str]]:
    """Returns all rows of one task, language and split, with `id` and the columns of the task's real data sets.

    The columns are `question, answer` for math, `text, summary` for summarization, and `prompt, completion` for
    instruction following. Rows with the same id are the same item in different languages.

    Raises:
        DataError: The corpus has no such task, language or split.
    """
    for kind, value, known in (("task", task, TASKS), ("language", language, LANGUAGES), ("split", split, SPLITS)):
        if value not in known:
            raise DataError(f"the bundled corpus has no {kind} {value!r}; it has {', '.join(known)}")
    return [dict(row) for row in _rows(task, language, split)]
