"""The bundled corpus is complete, parallel and disjoint, and follows the spelling of its languages."""

from __future__ import annotations

import re
import unicodedata

import pytest
from pyarrow import parquet

from clt_ray.data.sources import BUNDLED_ROWS, load_rows
from clt_ray.errors import DataError
from clt_ray.sweep.sections import DataSource
from scripts.bundled.corpus import SPLITS, TASKS, raw_rows
from scripts.bundled.items import SIZES
from scripts.bundled.lexicon import KINDS, LANGUAGES, concept, keys

COLUMNS = {
    "math": ["id", "question", "answer"],
    "summarization": ["id", "text", "summary"],
    "instruction": ["id", "prompt", "completion"],
}
SCRIPTS = {"ja": ("HIRAGANA", "KATAKANA", "CJK"), "zh": ("CJK",), "ar": ("ARABIC",), "ko": ("HANGUL",)}
EQUATION = re.compile(r"(\d+) ([+×-]) (\d+) = (\d+)")
every_cell = pytest.mark.parametrize(("task", "language"), [(t, la) for t in TASKS for la in LANGUAGES])


def _texts(task: str, language: str, split: str) -> list[str]:
    return [value for row in raw_rows(task, language, split) for name, value in row.items() if name != "id"]


@every_cell
def test_splits_are_complete_distinct_and_disjoint_by_content(task: str, language: str) -> None:
    source = COLUMNS[task][1]
    contents = []
    for split in SPLITS:
        rows = raw_rows(task, language, split)
        assert len(rows) == SIZES[split]
        assert all(list(row) == COLUMNS[task] and all(row.values()) for row in rows)
        contents += [row[source] for row in rows]
    assert len(set(contents)) == len(contents)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("split", SPLITS)
def test_one_id_is_one_item_in_every_language(task: str, split: str) -> None:
    english = raw_rows(task, "en", split)
    for language in LANGUAGES:
        rows = raw_rows(task, language, split)
        assert [row["id"] for row in rows] == [row["id"] for row in english]
        column = COLUMNS[task][1]
        for row, other in zip(rows, english, strict=True):
            # The order of numbers in a sentence is the language's own.
            assert sorted(re.findall(r"\d+", row[column])) == sorted(re.findall(r"\d+", other[column]))


@every_cell
def test_texts_are_in_the_scripts_of_their_language(task: str, language: str) -> None:
    for text in _texts(task, language, "train"):
        letters = [character for character in text if character.isalpha()]
        scripts = SCRIPTS.get(language, ("LATIN",))
        # The lengthening mark and the iteration mark of Japanese have names of their own.
        assert all(unicodedata.name(letter).startswith((*scripts, "KATAKANA-HIRAGANA")) for letter in letters)
        assert text == unicodedata.normalize("NFC", text)
        assert not re.search(r"[{}\[\]*_]|\s\s|^\s|\s$", text), text


@pytest.mark.parametrize("language", ["ja", "zh"])
def test_chinese_and_japanese_use_their_own_punctuation(language: str) -> None:
    for task in TASKS:
        for text in _texts(task, language, "train"):
            assert not re.search(r"[^\d\s][,.?:;!]|[,.?:;!]$", text), text


@pytest.mark.parametrize("language", LANGUAGES)
def test_solutions_are_right_and_test_references_are_bare_numbers(language: str) -> None:
    for row in raw_rows("math", language, "train"):
        match = EQUATION.match(row["answer"])
        assert match is not None
        a, sign, b, result = match.groups()
        expected = {"+": int(a) + int(b), "-": int(a) - int(b), "×": int(a) * int(b)}[sign]
        assert int(result) == expected > 0
        assert re.findall(r"\d+", row["answer"])[-1] == result
        assert {a, b} == set(re.findall(r"\d+", row["question"]))
    assert all(row["answer"].isdigit() for row in raw_rows("math", language, "test"))


def test_a_headline_repeats_words_of_its_text() -> None:
    for row in raw_rows("summarization", "en", "train"):
        shared = set(row["summary"].lower().split()) & set(re.findall(r"\w+", row["text"].lower()))
        assert len(shared) >= 2


@every_cell
def test_the_package_ships_the_rows_that_the_script_makes(task: str, language: str) -> None:
    for split in SPLITS:
        rows = parquet.read_table(BUNDLED_ROWS / task / split / f"{language}.parquet").to_pylist()
        assert rows == raw_rows(task, language, split), "run `python -m scripts.bundled.corpus` and commit its files"


def test_a_language_that_is_not_there_is_named() -> None:
    with pytest.raises(DataError, match="no language 'de'; it has en, es, fr, ja, zh, ar, ko, pt"):
        load_rows(DataSource(bundled=True), "math", "de", "test")


def test_a_split_that_is_not_there_has_no_rows() -> None:
    assert load_rows(DataSource(bundled=True), "math", "es", "exemplars").available == 0


@pytest.mark.parametrize("language", LANGUAGES)
def test_concepts_of_a_kind_have_distinct_words(language: str) -> None:
    for kind in KINDS:
        words = [next(iter(concept(kind, key, language).values())) for key in keys(kind)]
        assert len(set(words)) == len(words), kind
