"""Opens the place behind a path or URI: a local disk, or an object store."""

from __future__ import annotations

from pathlib import Path

from clt_ray.store.files import Files
from clt_ray.store.local import LocalFiles
from clt_ray.store.objects import ObjectFiles


def open_files(uri: str) -> Files:
    """Returns the files under a local path or any URI that fsspec knows; nothing is created before the first write."""
    scheme, separator, rest = uri.partition("://")
    if not separator or scheme in ("file", "local"):
        return LocalFiles(Path(rest if separator else uri).expanduser().absolute())
    return ObjectFiles.open(uri)
