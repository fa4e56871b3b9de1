"""Canonical JSON: equal values have equal texts, different values different ones."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clt_ray.sweep.identity import canonical_json

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (1e-5, 0.00001),
        (1, 1.0),
        (-0.0, 0),
        (1e20, 10**20),
        ([1, 2], (1, 2)),
        ({"a": 1, "b": 2}, {"b": 2.0, "a": 1.0}),
    ],
)
def test_equal_values_have_one_text(first: object, second: object) -> None:
    assert canonical_json(first) == canonical_json(second)


@pytest.mark.parametrize(("first", "second"), [(1, True), (0, False), ("1", 1), (None, "null"), ([], {})])
def test_different_values_have_different_texts(first: object, second: object) -> None:
    assert canonical_json(first) != canonical_json(second)


@given(VALUES)
def test_the_text_is_json_of_the_value_and_does_not_change_when_read_and_written_again(value: object) -> None:
    text = canonical_json(value)
    assert json.loads(text) == value
    assert canonical_json(json.loads(text)) == text
    assert text.isascii()


@given(st.dictionaries(st.text(max_size=5), st.integers(), min_size=2, max_size=6))
def test_key_order_does_not_matter(values: dict[str, int]) -> None:
    assert canonical_json(dict(reversed(values.items()))) == canonical_json(values)


@pytest.mark.parametrize("value", [math.nan, math.inf, {"a": [-math.inf]}])
def test_numbers_must_be_finite(value: object) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        canonical_json(value)


@pytest.mark.parametrize("value", [{1: 2}, {"a": {1, 2}}])
def test_values_must_have_json_types(value: object) -> None:
    with pytest.raises(TypeError):
        canonical_json(value)
