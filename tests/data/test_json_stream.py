"""JSON arrays and lines are read object by object, wherever the chunks of the file end."""

from __future__ import annotations

import io
import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clt_ray.data.json_stream import json_lines, json_records
from clt_ray.errors import DataError

objects = st.lists(st.dictionaries(st.text(max_size=5), st.text(max_size=9) | st.integers() | st.none(), max_size=3))


class SmallReads(io.BytesIO):
    """A file of which each read returns a few bytes, as those of a network may."""

    def __init__(self, content: bytes, size: int) -> None:
        super().__init__(content)
        self.size = size

    def read(self, size: int | None = -1) -> bytes:
        return super().read(self.size if size is None or not 0 <= size <= self.size else size)


@settings(deadline=None)
@given(items=objects, size=st.integers(1, 40), ascii=st.booleans(), indent=st.sampled_from([None, 2]))
def test_an_array_gives_its_objects(items: list[dict[str, Any]], size: int, ascii: bool, indent: int | None) -> None:
    text = json.dumps(items, ensure_ascii=ascii, indent=indent)
    assert list(json_records(SmallReads(text.encode(), size))) == items


@settings(deadline=None)
@given(items=objects, size=st.integers(1, 40))
def test_lines_give_theirs(items: list[dict[str, Any]], size: int) -> None:
    text = "\n".join(json.dumps(item, ensure_ascii=False) for item in items)
    assert list(json_records(SmallReads(text.encode(), size))) == items
    assert list(json_lines(SmallReads(text.encode(), size))) == items


@pytest.mark.parametrize(
    ("text", "records"),
    [
        ("", []),
        (" \n ", []),
        ("[]", []),
        ('[{"a": 1}, 2, "x", null, {"b": 2}]', [{"a": 1}, None, None, None, {"b": 2}]),
        ('{"a": 1}\n{broken\n\n[1]\n{"b": 2}', [{"a": 1}, None, None, {"b": 2}]),
        ('\ufeff{"a": 1}', [{"a": 1}]),
        ('[1.5, {"a": 1}]\n', [None, {"a": 1}]),
    ],
)
def test_what_is_no_object_is_counted(text: str, records: list[Any]) -> None:
    assert list(json_records(io.BytesIO(text.encode()))) == records


@pytest.mark.parametrize(
    "broken", ['[{"a": 1}, {"b"', '[{"a": 1}', '[{"a": 1}, {"b": ' + '{"c": "x", ' * 200, '[{"a": 1} x']
)
def test_a_broken_array_is_an_error_after_its_whole_objects(broken: str) -> None:
    records = json_records(io.BytesIO(broken.encode()))
    assert next(records) == {"a": 1}
    with pytest.raises(DataError, match="not a JSON array of objects, or an incomplete copy"):
        next(records)


def test_memory_is_that_of_a_chunk_and_an_object() -> None:
    row = json.dumps({"question": "q" * 500, "answer": "a" * 500})
    file = io.BytesIO(("[" + ", ".join([row] * 30_000) + "]").encode())
    tracemalloc.start()
    assert sum(1 for _ in json_records(file)) == 30_000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10_000_000, "the file has 30 MB"
