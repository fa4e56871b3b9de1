"""Weights in safetensors files, read one tensor at a time and written one file at a time.

While loading, the host holds the current tensor and those on their way to the chips (and the part of a file that the
operating system caches), and the chips hold only their parts. Writing holds the tensors of one file: each is asked for
once and freed when its file is closed.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from clt_ray.training.model import INDEX_FILE, SINGLE_FILE

FILE_BYTES = 4 * 2**30
"""Size in bytes of an exported file, from which on the next one is started."""


def stream(files: Iterable[str]) -> Iterator[tuple[str, Tensor]]:
    """Yields the name and value of every tensor in safetensors files, each read when it is asked for."""
    for path in files:
        with safe_open(path, framework="pt") as file:
            for name in file.keys():  # noqa: SIM118 - not a mapping
                yield name, file.get_tensor(name)


def write(folder: Path, tensors: Iterable[tuple[str, Tensor]], limit: int = FILE_BYTES) -> None:
    """Writes tensors as a checkpoint that `from_pretrained` reads.

    Args:
        tensors: Whole tensors on the host, by name; each is asked for after those before it.
        limit: Largest size of a file in bytes; no more than this and one tensor are in memory.
    """
    files: list[dict[str, int]] = []
    held: dict[str, Tensor] = {}

    def flush() -> None:
        if held:
            save_file(held, folder / _part(len(files)), metadata={"format": "pt"})
            files.append({name: value.nbytes for name, value in held.items()})
            held.clear()

    for name, value in tensors:
        if sum(other.nbytes for other in held.values()) + value.nbytes > limit:
            flush()
        held[name] = value.contiguous()
    flush()
    _name(folder, files)


def _part(index: int) -> str:
    return f"part-{index:05d}.safetensors"


def _name(folder: Path, files: Sequence[Mapping[str, int]]) -> None:
    """Renames the files to the names that transformers expects, which contain the number of files."""
    if len(files) == 1:
        (folder / _part(0)).rename(folder / SINGLE_FILE)
        return
    weight_map: dict[str, str] = {}
    for index, sizes in enumerate(files):
        final = f"model-{index + 1:05d}-of-{len(files):05d}.safetensors"
        (folder / _part(index)).rename(folder / final)
        weight_map |= dict.fromkeys(sizes, final)
    total = sum(sum(sizes.values()) for sizes in files)
    document = {"metadata": {"total_size": total}, "weight_map": weight_map}
    (folder / INDEX_FILE).write_text(json.dumps(document, indent=1))
