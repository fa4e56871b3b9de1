"""Directory trees that count only when they are complete.

A tree is committed in two steps: first all its files are written, then a marker that names each file with its size
and SHA-256. Deleting takes the steps in reverse. A tree with a marker was therefore complete at some time, whichever
process died when:

    checkpoints/weights-000050/config.json
    checkpoints/weights-000050/model.safetensors
    checkpoints/weights-000050/COMPLETE.json    {"files": {"config.json": {"size": 512, "sha256": "9f.."}, ..}}

`complete` compares sizes, which costs one listing. `open_tree` compares hashes, which costs reading all files.
Both reject a tree with a file that its marker does not name.
"""

import hashlib
import shutil
from collections.abc import Mapping
from pathlib import Path

from clt_ray.errors import CltRayError
from clt_ray.store.documents import FileRecord, MarkerDocument
from clt_ray.store.files import Files

MARKER = MarkerDocument.FILE

Records = Mapping[str, FileRecord]


class TornTreeError(CltRayError, OSError):
    """A stored tree whose files differ from the files that its marker names.

    It is also an `OSError`, because to a reader of the tree it is a file that cannot be read.
    """

    def __init__(self, tree: str, file: str, reason: str) -> None:
        """Describes the damage: URI of the tree, path of the first differing file in it, and what is wrong with it."""
        self.tree, self.file, self.reason = tree, file, reason
        super().__init__(f"{tree}/{file}: {reason}")


def commit(files: Files, staging: Path, name: str) -> None:
    """Moves a local folder into the store as tree `name`, replacing an older tree; errors as `put_part`."""
    _regular_files(staging)
    delete(files, name)
    seal(files, name, put_part(files, staging, name))


def put_part(files: Files, staging: Path, name: str) -> dict[str, FileRecord]:
    """Moves the files of a local folder into tree `name`, beside the files that are already there.

    Several machines may each put a part, with different files. The tree counts once one of them has sealed it with all
    records, which this returns by path.

    Raises:
        ValueError: The folder is missing, is empty, or holds something other than regular files.
    """
    (staging / MARKER).unlink(missing_ok=True)
    records = {path: _record(staging / path) for path in _regular_files(staging)}
    files.put_tree(staging, name)
    shutil.rmtree(staging, ignore_errors=True)
    return records


def seal(files: Files, name: str, records: Records) -> None:
    """Declares a tree complete by writing its marker, with the records of all files of all parts."""
    files.write(f"{name}/{MARKER}", MarkerDocument(records).encode())


def complete(files: Files, prefix: str) -> list[str]:
    """Returns the sorted names of the trees that begin with `prefix` and whose files have their recorded sizes."""
    sizes = files.sizes(prefix.rpartition("/")[0])
    markers = [path for path in sizes if path.endswith(f"/{MARKER}") and path.startswith(prefix)]
    contents = files.read_many(markers)
    names = []
    for path in sorted(markers):
        name = path.removesuffix(f"/{MARKER}")
        marker = MarkerDocument.decode_if_sound(contents.get(path))
        if marker is not None and _torn(_inside(sizes, name), marker.files) is None:
            names.append(name)
    return names


def open_tree(files: Files, name: str) -> Path:
    """Returns a local folder with the files of a tree after comparing the hash of every file.

    Raises:
        TornTreeError: A file is missing, was changed, or does not belong to the tree.
    """
    uri = f"{files.uri}/{name}"
    content = files.read(f"{name}/{MARKER}")
    marker = MarkerDocument.decode_if_sound(content)
    if content is None or marker is None:
        raise TornTreeError(uri, MARKER, "is missing: the tree was never completed" if not content else "not JSON")
    torn = _torn(_inside(files.sizes(name), name), marker.files)
    if torn is not None:
        raise TornTreeError(uri, *torn)
    folder = files.get_tree(name, hashlib.sha256(content).hexdigest())
    for path, expected in marker.files.items():
        actual = _record(folder / path)
        if actual != expected:
            raise TornTreeError(uri, path, f"sha256 is {actual.sha256}, its marker says {expected.sha256}")
    return folder


def delete(files: Files, name: str) -> None:
    """Deletes a tree, which stops counting before its first file is deleted."""
    files.delete(f"{name}/{MARKER}")
    files.delete_tree(name)


def _inside(sizes: Mapping[str, int], name: str) -> dict[str, int]:
    return {path.removeprefix(f"{name}/"): size for path, size in sizes.items() if path.startswith(f"{name}/")}


def _torn(sizes: Mapping[str, int], records: Records) -> tuple[str, str] | None:
    """The first file that differs from its record, and how; None when all files agree."""
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
    paths = sorted(path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir())
    irregular = [path for path in paths if path.is_symlink() or not path.is_file()]
    if irregular or not paths:
        raise ValueError(f"{irregular[0]}: not a regular file" if irregular else f"{folder}: nothing to commit")
    return [path.relative_to(folder).as_posix() for path in paths]


def _record(path: Path) -> FileRecord:
    with open(path, "rb") as file:
        return FileRecord(path.stat().st_size, hashlib.file_digest(file, "sha256").hexdigest())
