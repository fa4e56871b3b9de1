"""Texts and metric logs of a run directory."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clt_ray.store import MetricPoint, RunDir, Store, StoreError
from clt_ray.store.metrics import decode_log
from clt_ray.store.objects import open_files

finite_or_not = st.floats(allow_nan=True, allow_infinity=True)
points = st.builds(
    MetricPoint,
    step=st.integers(0, 10**9),
    metrics=st.dictionaries(st.text(max_size=12), finite_or_not, max_size=4),
    time=st.floats(0, 2e9),
)


def same(first: MetricPoint, second: MetricPoint) -> bool:
    """Equality in which NaN equals NaN."""
    return repr(first) == repr(second)


def test_text_and_names(run_dir: RunDir) -> None:
    run_dir.write_text("generations/math.es.jsonl", "uno\n")
    run_dir.write_text("generations/math.fr.jsonl", "deux\n")
    assert run_dir.read_text("generations/math.fr.jsonl") == "deux\n"
    assert run_dir.read_texts(["generations/math.es.jsonl", "none"]) == {"generations/math.es.jsonl": "uno\n"}
    assert run_dir.names("generations") == ["math.es.jsonl", "math.fr.jsonl"]
    assert run_dir.names() == ["generations"]
    assert run_dir.names("nothing") == []
    with pytest.raises(FileNotFoundError, match=r"math\.ja"):
        run_dir.read_text("generations/math.ja.jsonl")


@pytest.mark.parametrize("name", ["../other/result.json", "/etc/passwd", "a/../../b"])
def test_names_stay_inside(run_dir: RunDir, name: str) -> None:
    with pytest.raises(ValueError, match="inside a run directory"):
        run_dir.write_text(name, "")


def test_metrics_round_trip(run_dir: RunDir) -> None:
    assert run_dir.metrics("train") == []
    run_dir.append_metrics("train", 10, {"train/loss": 2.5})
    run_dir.append_metrics("train", 20, {"train/loss": math.nan, "train/grad_norm": math.inf})
    first, second = run_dir.metrics("train")
    assert first == MetricPoint(10, {"train/loss": 2.5}, 1_000_000.0)
    assert math.isnan(second.metrics["train/loss"])
    assert second.metrics["train/grad_norm"] == math.inf
    assert run_dir.metrics("validation") == []


def test_every_line_is_standard_json(run_dir: RunDir) -> None:
    run_dir.append_metrics("train", 1, {"train/loss": math.nan})

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    assert json.loads(run_dir.read_text("train.jsonl"), parse_constant=refuse)["metrics"] == {"train/loss": "nan"}


def test_torn_last_line_is_ignored_and_repaired(run_dir: RunDir) -> None:
    run_dir.append_metrics("train", 1, {"train/loss": 3.0})
    whole = run_dir.read_text("train.jsonl")
    # A line without its newline was not yet durable, even if it is complete otherwise.
    for torn in (whole[:1], whole[:20], whole[:-1]):
        run_dir.write_text("train.jsonl", whole + torn)
        assert [point.step for point in run_dir.metrics("train")] == [1]
        run_dir.append_metrics("train", 2, {"train/loss": 2.0})
        assert [point.step for point in run_dir.metrics("train")] == [1, 2]


def test_broken_line_in_the_middle_is_named(run_dir: RunDir) -> None:
    run_dir.write_text("train.jsonl", '{"step": 1, "metrics": {}, "time": 0}\nrubbish\n')
    with pytest.raises(StoreError, match=r"train\.jsonl: line 2"):
        run_dir.metrics("train")


def test_truncating_deletes_later_steps_of_all_logs(run_dir: RunDir) -> None:
    for step in (10, 20, 30):
        run_dir.append_metrics("train", step, {"train/loss": 1.0})
    run_dir.append_metrics("validation", 25, {"val/loss": 1.0})
    run_dir.truncate_metrics(after_step=20)
    assert [point.step for point in run_dir.metrics("train")] == [10, 20]
    assert run_dir.metrics("validation") == []


@given(st.lists(points, max_size=5), st.data())
@settings(deadline=None)
def test_any_prefix_of_a_log_reads_as_its_whole_lines(log: list[MetricPoint], data: st.DataObject) -> None:
    lines = [point.encode() for point in log]
    content = b"".join(lines)
    cut = data.draw(st.integers(0, len(content)))
    whole = content[:cut].count(b"\n")
    read = decode_log(content[:cut], "train.jsonl")
    assert len(read) == whole
    assert all(same(*points) for points in zip(read, log, strict=False))


def test_a_request_to_stop_asks_only_the_holder_that_it_means(run_dir: RunDir) -> None:
    run_dir.request_stop("of a command that has not begun", "a command")
    with run_dir.acquire_lease(claim="a command"):
        run_dir.request_stop("of another command", "another command")
        assert run_dir.stop_request() is None
        run_dir.request_stop("of the command itself", "a command")
        request = run_dir.stop_request()
        assert request is not None and request.reason == "of the command itself"


def test_create_is_exclusive(uri: str) -> None:
    files = open_files(uri)
    assert files.create("one", b"first")
    assert not files.create("one", b"second")
    assert files.read("one") == b"first"


def test_file_uri_is_a_path(tmp_path: Path) -> None:
    store = Store(f"file://{tmp_path}/x")
    assert store.uri == f"{tmp_path}/x"
