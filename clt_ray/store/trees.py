"""Directory trees that count only when they are complete.

A tree is committed in two steps: first all its files are written, then a marker that names each file with its size
and SHA-256. Deleting takes the steps in reverse. A tree with a marker was therefore complete at some time, whichever
process died when:

    checkpoints/weights-000050/config.json
    checkpoints/weights-000050/model.safetensors
    checkpoints/weights-000050/COMPLETE.json    {"files": {"config.json": {"size": 512, "sha256": "9f.."}, ..}}

The folder of a tree that the holder of a lease writes ends with the epoch of the lease, `weights-000050@7`, so that a
former holder and its machines never write into a tree of a later one. The marker names the epoch as well. A new holder
writes its own epoch into the markers that it takes over, and then raises the `base` of its lease: markers of earlier
epochs than the base do not count, so a tree that a former holder seals late never counts.

`complete` compares sizes, which costs one listing. `open_tree` compares hashes, which costs reading all files, or the
blocks of them that hold the wanted ranges. Both reject a tree with a file that its marker does not name.
"""

import hashlib
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import BinaryIO

from clt_ray.errors import TornTreeError
from clt_ray.store.documents import FileRecord, MarkerDocument
from clt_ray.store.files import Files

MARKER = MarkerDocument.FILE
BLOCK_BYTES = 2**26
"""Size of the blocks of a file that have hashes of their own; the last block of a file is shorter."""
_EPOCH = "@"

Records = Mapping[str, FileRecord]
Ranges = Mapping[str, Iterable[tuple[int, int]] | None]
"""Byte ranges (start, stop) by the path of a file inside a tree; None for the whole file."""


def commit(files: Files, staging: Path, name: str, epoch: int | None = None) -> None:
    """Moves a local folder into the store as tree `name`, replacing an older tree; errors as `put_part`."""
    _regular_files(staging)
    place = begin(files, name, epoch)
    seal(files, place, put_part(files, staging, place), epoch)


def begin(files: Files, name: str, epoch: int | None = None) -> str:
    """Deletes the tree `name` and returns the folder of a new one, to which `put_part` and `seal` refer."""
    delete(files, name, epoch)
    return name if epoch is None else f"{name}{_EPOCH}{epoch}"


def put_part(files: Files, staging: Path, place: str) -> dict[str, FileRecord]:
    """Moves the files of a local folder into the folder of a tree, beside the files that are already there.

    Several machines may each put a part, with different files. The tree counts once one of them has sealed it with all
    records, which this returns by path.

    Raises:
        ValueError: The folder is missing, is empty, or holds something other than regular files.
    """
    (staging / MARKER).unlink(missing_ok=True)
    records = {path: _record(staging / path) for path in _regular_files(staging)}
    files.put_tree(staging, place)
    shutil.rmtree(staging, ignore_errors=True)
    return records


def seal(files: Files, place: str, records: Records, epoch: int | None = None) -> None:
    """Declares the tree in a folder complete by writing its marker, with the records of all files of all parts."""
    files.write(f"{place}/{MARKER}", MarkerDocument(records, epoch).encode())


def complete(files: Files, prefix: str, base: int = 0) -> list[str]:
    """Returns the sorted names of the trees that begin with `prefix` and whose files have their recorded sizes.

    Trees of an epoch before `base` do not count.
    """
    return sorted({place.partition(_EPOCH)[0] for place in _complete_places(files, prefix, base)})


def adopt(files: Files, base: int, epoch: int) -> None:
    """Makes all complete trees since epoch `base` trees of `epoch`, so that a former holder cannot delete them."""
    for place, marker in _complete_places(files, "", base).items():
        seal(files, place, marker.files, epoch)


def open_tree(files: Files, name: str, base: int = 0, ranges: Ranges | None = None) -> Path:
    """Returns a local folder with the files of a tree after comparing the hash of every file.

    With `ranges`, only these parts of these files are there and were compared.

    Raises:
        TornTreeError: A file is missing, was changed, or does not belong to the tree.
    """
    place, marker = _marked(files, name, base)
    uri = f"{files.uri}/{place}"
    torn = _torn(_inside(files.sizes(place), place), marker.files)
    if torn is not None:
        raise TornTreeError(uri, *torn)
    if ranges is None:
        folder = files.get_tree(place, hashlib.sha256(MarkerDocument(marker.files).encode()).hexdigest())
        hashes = {path: {(0, record.size): record.sha256} for path, record in marker.files.items()}
    else:
        hashes = {path: _blocks(marker.files[path], parts) for path, parts in ranges.items()}
        folder = files.get_ranges(place, hashes)
    for path, blocks in hashes.items():
        with open(folder / path, "rb") as file:
            for (start, stop), expected in blocks.items():
                if (actual := _hash(file, start, stop)) != expected:
                    reason = f"sha256 of bytes {start} to {stop} is {actual}, its marker says {expected}"
                    raise TornTreeError(uri, path, reason)
    return folder


def places(files: Files, name: str) -> list[str]:
    """Returns the folders that hold a tree `name` of any epoch, complete or not."""
    folder, separator, last = name.rpartition("/")
    entries = [entry for entry in files.names(folder) if entry.partition(_EPOCH)[0] == last]
    return [f"{folder}{separator}{entry}" for entry in entries]


def last_epoch(files: Files, folder: str = "checkpoints") -> int:
    """Returns the largest epoch in the names of the trees of a folder, complete or not; 0 without any."""
    return max(map(_epoch_of, files.names(folder)), default=0)


def delete(files: Files, name: str, epoch: int | None = None) -> None:
    """Deletes a tree, which stops counting before its first file is deleted; leaves trees of later epochs alone."""
    for place in places(files, name):
        if epoch is None or _epoch_of(place) <= epoch:
            files.delete(f"{place}/{MARKER}")
            files.delete_tree(place)


def _complete_places(files: Files, prefix: str, base: int) -> dict[str, MarkerDocument]:
    sizes = files.sizes(prefix.rpartition("/")[0])
    paths = [path for path in sizes if path.endswith(f"/{MARKER}") and path.startswith(prefix)]
    markers = {}
    for path, content in files.read_many(paths).items():
        place, marker = path.removesuffix(f"/{MARKER}"), MarkerDocument.decode_if_sound(content)
        if marker is not None and (marker.epoch or 0) >= base and _torn(_inside(sizes, place), marker.files) is None:
            markers[place] = marker
    return markers


def _marked(files: Files, name: str, base: int) -> tuple[str, MarkerDocument]:
    """Returns the newest folder of a tree with a marker that counts, and the marker."""
    paths = [f"{place}/{MARKER}" for place in places(files, name)]
    contents = {path.removesuffix(f"/{MARKER}"): data for path, data in files.read_many(paths).items()}
    markers = {place: MarkerDocument.decode_if_sound(data) for place, data in contents.items()}
    counting = {place: marker for place, marker in markers.items() if marker and (marker.epoch or 0) >= base}
    if not counting:
        damaged = [place for place, marker in markers.items() if marker is None and contents[place]]
        reason = "not JSON" if damaged else "is missing: the tree was never completed"
        raise TornTreeError(f"{files.uri}/{damaged[0] if damaged else name}", MARKER, reason)
    place = max(counting, key=_epoch_of)
    return place, counting[place]


def _epoch_of(place: str) -> int:
    epoch = place.rpartition(_EPOCH)[2] if _EPOCH in place else "0"
    return int(epoch) if epoch.isdigit() else 0


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
    whole, blocks = hashlib.sha256(), []
    with open(path, "rb") as file:
        while block := file.read(BLOCK_BYTES):
            whole.update(block)
            blocks.append(hashlib.sha256(block).hexdigest())
        return FileRecord(file.tell(), whole.hexdigest(), tuple(blocks) if len(blocks) > 1 else None)


def _blocks(record: FileRecord, parts: Iterable[tuple[int, int]] | None) -> dict[tuple[int, int], str]:
    """Returns the ranges of the blocks of a file that hold its parts, in order, and the hash of each."""
    if record.blocks is None or parts is None:
        return {(0, record.size): record.sha256}
    numbers = {number for start, stop in parts for number in range(start // BLOCK_BYTES, -(-stop // BLOCK_BYTES))}
    starts = ((number, number * BLOCK_BYTES) for number in sorted(numbers))
    return {(start, min(start + BLOCK_BYTES, record.size)): record.blocks[number] for number, start in starts}


def _hash(file: BinaryIO, start: int, stop: int) -> str:
    file.seek(start)
    digest = hashlib.sha256()
    while start < stop and (chunk := file.read(min(stop - start, 1 << 20))):
        digest.update(chunk)
        start += len(chunk)
    return digest.hexdigest()
