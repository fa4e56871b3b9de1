"""Directory trees that count only when they are whole.

A tree is committed in two moves: first all its files, then a marker that names each file with its size and
sha256. Deleting goes the other way round. So whatever dies when, a tree with a marker has once been whole:

    checkpoints/weights-000050/config.json
    checkpoints/weights-000050/model.safetensors
    checkpoints/weights-000050/COMPLETE.json    {"files": {"config.json": {"size": 512, "sha256": "9f.."}, ..}}

`complete` compares sizes, which costs one listing. `open_tree` compares hashes, which costs reading everything.
Both refuse a tree with a file that its marker does not name.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping
from pathlib import Path

from clt_ray.store.documents import FileRecord, MarkerDocument
from clt_ray.store.errors import StoreError, TornTreeError
from clt_ray.store.files import Files

MARKER = MarkerDocument.FILE

Records = Mapping[str, FileRecord]


def commit(files: Files, staging: Path, name: str) -> None:
    """Bring a local folder into the store as tree `name`, in place of what was there; the folder is gone then.

    Raises:
        ValueError: The folder is missing, is empty, or has something in it that is not a regular file.
    """
    _regular_files(staging)
    delete(files, name)
    seal(files, name, put_part(files, staging, name))


def put_part(files: Files, staging: Path, name: str) -> dict[str, FileRecord]:
    """Bring a local folder's files into tree `name`, beside those already there; the folder is gone then.

    Several machines may each bring a part, of different files. The tree counts once one of them has sealed it.

    Returns:
        What the files are, for `seal`.

    Raises:
        ValueError: As `commit`.
    """
    (staging / MARKER).unlink(missing_ok=True)
    records = {path: _record(staging / path) for path in _regular_files(staging)}
    files.put_tree(staging, name)
    shutil.rmtree(staging, ignore_errors=True)
    return records


def seal(files: Files, name: str, records: Records) -> None:
    """Declare tree `name` whole.

    Args:
        files: Where it is.
        name: Of the tree.
        records: Of all its files, those of all parts.
    """
    files.write(f"{name}/{MARKER}", MarkerDocument(records).encode())


def complete(files: Files, prefix: str) -> list[str]:
    """Names of the trees that begin with `prefix` and whose files have the sizes of their markers, sorted."""
    sizes = files.sizes(prefix.rpartition("/")[0])
    markers = [path for path in sizes if path.endswith(f"/{MARKER}") and path.startswith(prefix)]
    contents = files.read_many(markers)
    names = []
    for path in sorted(markers):
        name = path.removesuffix(f"/{MARKER}")
        records = _recorded(contents.get(path))
        if records is not None and _torn(_inside(sizes, name), records) is None:
            names.append(name)
    return names


def open_tree(files: Files, name: str) -> Path:
    """A local folder with the files of a tree, all of them verified.

    Raises:
        TornTreeError: Names the first file that is missing, changed, or not the tree's.
    """
    where = f"{files.uri}/{name}"
    content = files.read(f"{name}/{MARKER}")
    records = _recorded(content)
    if content is None or records is None:
        raise TornTreeError(where, MARKER, "is missing: the tree was never completed" if not content else "not JSON")
    torn = _torn(_inside(files.sizes(name), name), records)
    if torn is not None:
        raise TornTreeError(where, *torn)
    folder = files.get_tree(name, hashlib.sha256(content).hexdigest())
    for path, expected in records.items():
        found = _record(folder / path)
        if found != expected:
            raise TornTreeError(where, path, f"sha256 is {found.sha256}, its marker says {expected.sha256}")
    return folder


def delete(files: Files, name: str) -> None:
    """Remove a tree; it stops counting before its first file goes."""
    files.delete(f"{name}/{MARKER}")
    files.delete_tree(name)


def _inside(sizes: Mapping[str, int], name: str) -> dict[str, int]:
    return {path.removeprefix(f"{name}/"): size for path, size in sizes.items() if path.startswith(f"{name}/")}


def _torn(sizes: Mapping[str, int], records: Records) -> tuple[str, str] | None:
    """The first file that is not as recorded, and how; None when all are."""
    for path, record in records.items():
        if path not in sizes:
            return path, "is missing"
        if sizes[path] != record.size:
            return path, f"has {sizes[path]} bytes, its marker says {record.size}"
    unknown = sorted(set(sizes) - set(records) - {MARKER})
    return (unknown[0], "is not in the marker") if unknown else None


def _regular_files(folder: Path) -> list[str]:
    if not folder.is_dir():
        raise ValueError(f"{folder}: no such folder to commit")
    found = sorted(path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir())
    strange = [path for path in found if path.is_symlink() or not path.is_file()]
    if strange or not found:
        raise ValueError(f"{strange[0]}: not a regular file" if strange else f"{folder}: nothing to commit")
    return [path.relative_to(folder).as_posix() for path in found]


def _record(path: Path) -> FileRecord:
    with open(path, "rb") as file:
        return FileRecord(path.stat().st_size, hashlib.file_digest(file, "sha256").hexdigest())


def _recorded(content: bytes | None) -> Records | None:
    """Records of a marker, None when there is no marker or the file is none."""
    try:
        return None if content is None else MarkerDocument.decode(content, MARKER).files
    except StoreError:
        return None
