"""Rows of local files are read unchanged, and unusable ones are counted."""

from __future__ import annotations

from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from clt_ray.data.sources import load_rows
from clt_ray.errors import DataError
from clt_ray.sweep.sections import DataSource
from tests.support.local_rows import problems, write_split


def test_good_rows_load_and_bad_ones_are_counted_by_reason(tmp_path: Path) -> None:
    rows = [*problems("en", range(3)), {"question": "q"}, {"question": "", "answer": "1"}, {"question": "q"}]
    write_split(tmp_path, "math", "train", "en", rows)
    with (tmp_path / "math/train/en.jsonl").open("a") as file:
        file.write("{broken\n\n[1, 2]\n")
    loaded = load_rows(DataSource(root=str(tmp_path)), "math", "en", "train")
    assert [row.id for row in loaded.rows] == ["0", "1", "2"]
    assert loaded.dropped == {"no column 'answer'": 2, "empty 'question'": 1, "not a JSON object": 2}
    assert loaded.available == 8 and loaded.origin == f"local root {tmp_path}"


def test_rows_in_another_language_are_not_trained_on(tmp_path: Path) -> None:
    english = {"question": "How many apples does Anna have left?", "answer": "She has three apples left."}
    rows = [*problems("ko", range(2)), english, {**english, "language": "Korean"}, {**english, "lang-id": "fr-7"}]
    for split in ("train", "validation", "test"):
        write_split(tmp_path, "math", split, "ko", rows)
    source = DataSource(root=str(tmp_path))
    for split in ("train", "validation"):
        loaded = load_rows(source, "math", "ko", split)
        assert len(loaded.rows) == 2
        assert loaded.dropped == {
            "wrong language: fewer than 20% of the letters are Hangul": 2,
            "says that its language is 'fr'": 1,
        }
    # A benchmark is scored as it was published; `clt-ray data` points at such rows.
    assert len(load_rows(source, "math", "ko", "test").rows) == 4


def test_a_file_without_a_usable_row_says_what_is_wrong(tmp_path: Path) -> None:
    write_split(tmp_path, "math", "train", "en", [{"problem": "1 + 1?", "answer": "2"}] * 3)
    with pytest.raises(DataError, match=r"none of 3 rows is usable: 3 no column 'question'\n.*question, answer"):
        load_rows(DataSource(root=str(tmp_path)), "math", "en", "train")


def test_parquet_reads_like_jsonl(tmp_path: Path) -> None:
    write_split(tmp_path / "lines", "math", "test", "ja", problems("ja", range(4)))
    table = tmp_path / "table/math/test/ja.parquet"
    table.parent.mkdir(parents=True)
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(problems("ja", range(4))), table)
    lines = load_rows(DataSource(root=str(tmp_path / "lines")), "math", "ja", "test")
    assert lines.rows and lines.rows == load_rows(DataSource(root=str(tmp_path / "table")), "math", "ja", "test").rows


def test_a_language_or_split_without_a_file_has_no_rows(tmp_path: Path) -> None:
    write_split(tmp_path, "math", "train", "en", problems("en", range(1)))
    assert load_rows(DataSource(root=str(tmp_path)), "math", "en", "validation").rows == ()
    assert load_rows(DataSource(root=str(tmp_path)), "math", "sw", "train").rows == ()


def test_only_test_prompts_of_instruction_may_lack_a_completion(tmp_path: Path) -> None:
    answered = {"prompt": "p", "completion": "c"}
    write_split(tmp_path, "instruction", "train", "en", [{"prompt": "p"}, answered])
    write_split(tmp_path, "instruction", "test", "en", [{"prompt": "p"}])
    source = DataSource(root=str(tmp_path))
    assert load_rows(source, "instruction", "en", "train").dropped == {"no column 'completion'": 1}
    assert load_rows(source, "instruction", "en", "test").rows[0].completion == ""


def test_a_root_without_the_task_says_what_belongs_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"summarization: no such folder\n.*<language>\.jsonl.*text, summary"):
        load_rows(DataSource(root=str(tmp_path)), "summarization", "en", "train")
