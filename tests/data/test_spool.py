"""A spool keeps the smallest keys of a stream, in any order and in little memory."""

from __future__ import annotations

import hashlib
import random
import tracemalloc

from hypothesis import given
from hypothesis import strategies as st

from clt_ray.data.hub_rows import Spool


def key(number: int) -> bytes:
    return hashlib.blake2b(str(number).encode(), digest_size=16).digest()


@given(numbers=st.lists(st.integers(0, 40), max_size=80), limit=st.integers(1, 30))
def test_it_keeps_the_first_of_each_smallest_key(numbers: list[int], limit: int) -> None:
    with Spool(limit) as spool:
        for position, number in enumerate(numbers):
            spool.add(key(number), [number, position])
        kept = list(spool)
        counted = len(kept) + spool.duplicates + spool.beyond
    expected = sorted(set(numbers), key=key)[:limit]
    assert {number for number, _ in kept} == set(expected)
    assert [position for _, position in kept] == sorted(position for _, position in kept)
    assert counted == len(numbers)


def test_the_order_of_the_stream_does_not_matter_and_samples_are_nested() -> None:
    numbers = list(range(500))
    samples: list[set[int]] = []
    for limit in (50, 50, 120):
        random.Random(len(samples)).shuffle(numbers)
        with Spool(limit) as spool:
            for number in numbers:
                spool.add(key(number), number)
            samples.append(set(spool))
    assert samples[0] == samples[1] < samples[2]


def test_memory_does_not_grow_with_the_stream() -> None:
    def peak(records: int) -> int:
        tracemalloc.start()
        with Spool(200) as spool:
            for number in range(records):
                spool.add(key(number), {"text": f"{number} " * 400})
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return used

    # 20,000 records are 50 MB of text.
    assert peak(20_000) < 2 * peak(1_000) < 2_000_000
