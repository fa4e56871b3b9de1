"""Samples are nested, in any order of the file and in any process."""

from __future__ import annotations

import json
import os
import subprocess
import sys

from hypothesis import given
from hypothesis import strategies as st

from clt_ray.data.rows import Row
from clt_ray.data.sampling import by_item, content_key, nested_sample, normalise, ordered, prompt_key


def rows_of(numbers: list[int]) -> list[Row]:
    return [Row(str(n), "math", "es", f"question {n}", f"answer {n}") for n in numbers]


numbers = st.lists(st.integers(0, 10_000), unique=True, max_size=60)


@given(numbers, st.integers(0, 70), st.integers(0, 70), st.integers(0, 5))
def test_a_smaller_sample_is_the_start_of_a_larger_one(ids: list[int], n: int, m: int, seed: int) -> None:
    small, large = sorted((n, m))
    larger = nested_sample(rows_of(ids), large, "math", "es", seed)
    assert nested_sample(rows_of(ids), small, "math", "es", seed) == larger[:small]


@given(numbers, st.randoms(use_true_random=False))
def test_the_order_of_the_file_does_not_matter(ids: list[int], random: object) -> None:
    shuffled = list(ids)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert ordered(rows_of(ids), "key") == ordered(rows_of(shuffled), "key")


@given(numbers, numbers)
def test_appended_rows_keep_the_others_in_their_order(old: list[int], new: list[int]) -> None:
    grown = ordered(rows_of([*old, *(n for n in new if n not in old)]), "key")
    assert [row for row in grown if int(row.id) in old] == ordered(rows_of(old), "key")


def test_task_language_and_seed_draw_different_orders() -> None:
    rows = rows_of(list(range(50)))
    places = [("math", "es", 0), ("math", "es", 1), ("math", "fr", 0), ("summarization", "es", 0)]
    drawn = {tuple(row.id for row in nested_sample(rows, 50, *place)) for place in places}
    assert len(drawn) == len(places)


def test_every_row_is_as_likely_to_be_drawn() -> None:
    rows = rows_of(list(range(20)))
    drawn = [row.id for seed in range(500) for row in nested_sample(rows, 5, "math", "es", seed)]
    counts = [drawn.count(row.id) for row in rows]
    # 125 expected, standard deviation 9.7.
    assert min(counts) > 85 and max(counts) < 165


def test_parallel_items_come_in_the_same_order() -> None:
    spanish = rows_of(list(range(30)))
    french = [Row(row.id, "math", "fr", f"en français {row.id}", row.completion) for row in spanish]
    assert [row.id for row in ordered(spanish, "test", by_item)] == [row.id for row in ordered(french, "test", by_item)]


def test_another_process_draws_the_same() -> None:
    program = (
        "import json\nfrom clt_ray.data.rows import Row\nfrom clt_ray.data.sampling import nested_sample\n"
        "rows = [Row(str(n), 'math', 'es', f'question {n}', f'answer {n}') for n in range(40)]\n"
        "print(json.dumps([row.id for row in nested_sample(rows, 15, 'math', 'es', 3)]))"
    )
    expected = [row.id for row in nested_sample(rows_of(list(range(40))), 15, "math", "es", 3)]
    for hash_seed in ("1", "77"):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": os.pathsep.join(sys.path)}
        done = subprocess.run(
            [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
        )
        assert json.loads(done.stdout) == expected


def test_content_ignores_how_a_text_is_typed() -> None:
    assert normalise("Ｈｅｌｌｏ　 World\n") == normalise("hello world")
    typed, retyped = Row("1", "math", "en", "Café 1", "x"), Row("2", "math", "en", "cafe\u0301  1", "y")
    assert prompt_key(typed) == prompt_key(retyped)
    assert content_key(typed) != content_key(retyped)
