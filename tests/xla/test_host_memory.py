"""Room for a copy of the weights, on a host and in a container."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from clt_ray.training.backends.xla.host_memory import available_bytes, has_room


@pytest.mark.parametrize(("size", "fits"), [(0, True), (50, True), (51, False)])
def test_a_copy_may_take_half_of_what_is_left(size: int, fits: bool) -> None:
    assert has_room(size, available=100) is fits


def test_a_container_limits_what_the_host_has(tmp_path: Path) -> None:
    (tmp_path / "memory.max").write_text("1000\n")
    (tmp_path / "memory.current").write_text("700\n")
    (tmp_path / "memory.stat").write_text("anon 500\ninactive_file 150\nactive_file 50\n")
    assert available_bytes(tmp_path) == 450


@pytest.mark.parametrize("limit", ["max\n", None])
def test_without_a_limit_the_host_decides(tmp_path: Path, limit: str | None) -> None:
    if limit is not None:
        (tmp_path / "memory.max").write_text(limit)
    assert available_bytes(tmp_path) == pytest.approx(psutil.virtual_memory().available, rel=0.2)
