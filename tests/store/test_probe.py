"""A file that one node writes and every node reads finds storage that they do not share."""

from __future__ import annotations

from pathlib import Path

from clt_ray.store import Store
from clt_ray.store.probe import delete_probe, read_probe, write_probe


def test_nodes_with_the_same_storage_read_the_file(uri: str) -> None:
    first, second = write_probe(uri), write_probe(uri)
    assert first != second
    assert read_probe(uri, first) and read_probe(uri, second)
    delete_probe(uri, first)
    assert not read_probe(uri, first) and read_probe(uri, second)
    delete_probe(uri, second)
    assert Store(uri).sizes("probes") == {}


def test_a_node_with_another_storage_does_not(uri: str, tmp_path: Path) -> None:
    token = write_probe(uri)
    assert not read_probe(str(tmp_path / "another"), token)
    assert not read_probe(f"{uri}-another", token)
