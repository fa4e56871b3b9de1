"""Trees count when they are complete, and only then."""

from __future__ import annotations

from pathlib import Path

import pytest

from clt_ray.errors import TornTreeError
from clt_ray.store import RunDir, Store, trees
from clt_ray.store.documents import FileRecord
from tests.support.store_cases import make_staging

TREE = "checkpoints/weights-000050"


def test_commit_and_open(run_dir: RunDir, staging: Path) -> None:
    assert run_dir.complete_trees("checkpoints/") == []
    run_dir.commit_tree(staging, TREE)
    assert not staging.exists()
    assert run_dir.complete_trees("checkpoints/") == [TREE]
    assert run_dir.complete_trees("checkpoints/resume") == []
    folder = run_dir.open_tree(TREE)
    assert (folder / "shards" / "model.safetensors").read_bytes() == b"weights"
    assert run_dir.open_tree(TREE) == folder


def test_commit_replaces(run_dir: RunDir, staging: Path, tmp_path: Path) -> None:
    run_dir.commit_tree(staging, TREE)
    run_dir.open_tree(TREE)
    run_dir.commit_tree(make_staging(tmp_path / "again", b"better!"), TREE)
    assert (run_dir.open_tree(TREE) / "shards" / "model.safetensors").read_bytes() == b"better!"


def test_a_tree_of_parts_counts_once_it_is_sealed(run_dir: RunDir, tmp_path: Path) -> None:
    records: dict[str, FileRecord] = {}
    for host in range(3):
        part = tmp_path / f"host-{host}"
        (part / "shards").mkdir(parents=True)
        (part / "shards" / f"{host}.distcp").write_bytes(bytes([host]) * 3)
        records |= run_dir.put_part(part, TREE)
        assert not part.exists()
        assert run_dir.complete_trees("checkpoints/") == []
    run_dir.seal_tree(TREE, records)
    assert run_dir.complete_trees("checkpoints/") == [TREE]
    folder = run_dir.open_tree(TREE)
    assert [(folder / "shards" / f"{host}.distcp").read_bytes() for host in range(3)] == [
        b"\0" * 3,
        b"\1" * 3,
        b"\2" * 3,
    ]


def test_a_part_without_record_makes_the_tree_incomplete(run_dir: RunDir, staging: Path, tmp_path: Path) -> None:
    records = run_dir.put_part(staging, TREE)
    (tmp_path / "late").mkdir()
    (tmp_path / "late" / "9.distcp").write_bytes(b"?")
    run_dir.put_part(tmp_path / "late", TREE)
    run_dir.seal_tree(TREE, records)
    assert run_dir.complete_trees("checkpoints/") == []


def test_private_files_of_a_tree_are_as_readable_as_the_store(staging: Path, tmp_path: Path) -> None:
    (staging / "shards" / "model.safetensors").chmod(0o600)
    staging.chmod(0o700)
    run_dir = Store(str(tmp_path / "store")).run_dir("0123456789abcdef")
    (tmp_path / "store" / "runs" / "0123456789abcdef" / "checkpoints").mkdir(parents=True, mode=0o755)
    run_dir.commit_tree(staging, TREE)
    weights = run_dir.open_tree(TREE) / "shards" / "model.safetensors"
    assert oct(weights.stat().st_mode)[-3:] == "644"
    assert oct(weights.parents[1].stat().st_mode)[-3:] == "755"


def test_marker_in_the_staging_folder_does_not_count(run_dir: RunDir, staging: Path) -> None:
    (staging / "COMPLETE.json").write_text("{}")
    run_dir.commit_tree(staging, TREE)
    assert run_dir.complete_trees("checkpoints/") == [TREE]


def test_delete(run_dir: RunDir, staging: Path) -> None:
    run_dir.commit_tree(staging, TREE)
    run_dir.delete_tree(TREE)
    assert run_dir.complete_trees("checkpoints/") == []
    assert not run_dir.exists(TREE)
    run_dir.delete_tree(TREE)
    with pytest.raises(TornTreeError, match="never completed"):
        run_dir.open_tree(TREE)


def test_change_of_size_is_seen_at_once(run_dir: RunDir, staging: Path) -> None:
    run_dir.commit_tree(staging, TREE)
    run_dir.write_text(f"{TREE}/shards/model.safetensors", "weig")
    assert run_dir.complete_trees("checkpoints/") == []
    with pytest.raises(TornTreeError, match=r"shards/model.safetensors: has 4 bytes"):
        run_dir.open_tree(TREE)


def test_change_of_content_is_seen_on_opening(run_dir: RunDir, staging: Path) -> None:
    run_dir.commit_tree(staging, TREE)
    run_dir.write_text(f"{TREE}/shards/model.safetensors", "weighty"[:7])
    with pytest.raises(TornTreeError, match=r"shards/model.safetensors: sha256") as caught:
        run_dir.open_tree(TREE)
    assert isinstance(caught.value, OSError)
    assert caught.value.file == "shards/model.safetensors"


def test_a_file_that_the_marker_does_not_name_is_refused(run_dir: RunDir, staging: Path) -> None:
    run_dir.commit_tree(staging, TREE)
    run_dir.write_text(f"{TREE}/pytorch_model.bin", "pickled")
    assert run_dir.complete_trees("checkpoints/") == []
    with pytest.raises(TornTreeError, match=r"pytorch_model.bin: is not in the marker"):
        run_dir.open_tree(TREE)


def test_missing_file_is_named(run_dir: RunDir, staging: Path) -> None:
    run_dir.commit_tree(staging, TREE)
    marker = run_dir.read_text(f"{TREE}/COMPLETE.json")
    run_dir.delete_tree(TREE)
    run_dir.write_text(f"{TREE}/COMPLETE.json", marker)
    with pytest.raises(TornTreeError, match=r"config.json: is missing"):
        run_dir.open_tree(TREE)


def test_damaged_marker(run_dir: RunDir, staging: Path) -> None:
    run_dir.commit_tree(staging, TREE)
    run_dir.write_text(f"{TREE}/COMPLETE.json", "{")
    assert run_dir.complete_trees("checkpoints/") == []
    with pytest.raises(TornTreeError, match="not JSON"):
        run_dir.open_tree(TREE)


def test_folders_that_cannot_be_committed(run_dir: RunDir, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no such folder"):
        run_dir.commit_tree(tmp_path / "nowhere", TREE)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="nothing to commit"):
        run_dir.commit_tree(tmp_path / "empty", TREE)
    linked = make_staging(tmp_path / "linked")
    (linked / "cache").symlink_to("/etc/hostname")
    with pytest.raises(ValueError, match="not a regular file"):
        run_dir.commit_tree(linked, TREE)


def test_staging_on_another_disk(tmp_path: Path) -> None:
    """The kernel refuses to rename between file systems; /dev/shm is a file system of its own."""
    shared = Path("/dev/shm")
    if not shared.is_dir() or shared.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("needs two file systems")
    import tempfile

    from clt_ray.store import Store

    run_dir = Store(str(tmp_path)).run_dir("a")
    with tempfile.TemporaryDirectory(dir=shared) as elsewhere:
        staging = make_staging(Path(elsewhere) / "staging")
        run_dir.commit_tree(staging, TREE)
        assert not staging.exists()
    assert run_dir.open_tree(TREE).is_dir()


@pytest.fixture
def blocks(run_dir: RunDir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> bytes:
    """Commits a tree with a file of five blocks of 4 bytes, the last one shorter, and returns its content."""
    monkeypatch.setattr(trees, "BLOCK_BYTES", 4)
    content = bytes(range(1, 20))
    (tmp_path / "large").mkdir()
    (tmp_path / "large" / "0.distcp").write_bytes(content)
    (tmp_path / "large" / "small").write_bytes(b"abc")
    run_dir.commit_tree(tmp_path / "large", TREE)
    return content


def test_ranges_of_a_file_are_read_by_whole_blocks(run_dir: RunDir, uri: str, blocks: bytes) -> None:
    folder = run_dir.open_tree(TREE, {"0.distcp": [(5, 6), (7, 9), (18, 19)], "small": None})
    found = (folder / "0.distcp").read_bytes()
    assert (found[4:12], found[16:]) == (blocks[4:12], blocks[16:])
    assert (folder / "small").read_bytes() == b"abc"
    if "://" in uri:
        assert found[:4] + found[12:16] == b"\0" * 8, "blocks that were not asked for were fetched"


def test_a_damaged_block_is_found_by_those_who_need_it(run_dir: RunDir, blocks: bytes) -> None:
    run_dir.write_text(f"{TREE}/0.distcp", blocks[:13].decode() + "?" + blocks[14:].decode())
    assert (run_dir.open_tree(TREE, {"0.distcp": [(0, 12)]}) / "0.distcp").read_bytes()[:12] == blocks[:12]
    with pytest.raises(TornTreeError, match="sha256 of bytes 12 to 16"):
        run_dir.open_tree(TREE, {"0.distcp": [(15, 16)]})
    with pytest.raises(TornTreeError, match="sha256 of bytes 0 to 19"):
        run_dir.open_tree(TREE)
