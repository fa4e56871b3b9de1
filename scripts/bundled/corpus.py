"""Makes the rows of the bundled corpus, three tasks in eight languages, and the files in which the package ships them.

    python -m scripts.bundled.corpus

>>> raw_rows("math", "es", "train")[0]
{'id': 'math-train-0000', 'question': 'Nora tiene 18 naranjas y compra 14 más. ¿Cuántas ...',
 'answer': '18 + 14 = 32. La respuesta es 32.'}
"""

import hashlib
import json
from functools import lru_cache
from importlib import resources
from itertools import product
from pathlib import Path
from typing import Any

import pyarrow
from pyarrow import parquet

from scripts.bundled.grammar import Slot, sentence
from scripts.bundled.items import FRAMES, SIZES, Item, items, operation, result
from scripts.bundled.lexicon import LANGUAGES, Concept, concept, number_words, read

TASKS = tuple(FRAMES)
SPLITS = tuple(SIZES)
BUNDLED = Path(str(resources.files("clt_ray.data.bundled")))
"""Folder of the package with the rows, the model and their manifest."""


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
    """
    return [dict(row) for row in _rows(task, language, split)]


def corpus_fingerprint() -> str:
    """Returns the SHA-256 hash in hexadecimal of every row of every task, language and split."""
    digest = hashlib.sha256()
    for place in product(TASKS, LANGUAGES, SPLITS):
        digest.update(json.dumps([*place, raw_rows(*place)], ensure_ascii=False).encode())
    return digest.hexdigest()


def write_rows(folder: Path) -> None:
    """Writes every split as `<task>/<split>/<language>.parquet`, the layout of local rows."""
    for task, language, split in product(TASKS, LANGUAGES, SPLITS):
        file = folder / task / split / f"{language}.parquet"
        file.parent.mkdir(parents=True, exist_ok=True)
        # A dictionary and statistics would take more bytes than they save: hardly a text occurs twice.
        parquet.write_table(
            pyarrow.Table.from_pylist(raw_rows(task, language, split)), file, compression="zstd", compression_level=19,
            use_dictionary=False, write_statistics=False, store_schema=False,
        )  # fmt: skip


if __name__ == "__main__":
    write_rows(BUNDLED / "rows")
