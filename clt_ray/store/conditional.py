"""Conditional writes of object stores: an object is replaced only if it still has the version that the writer knows.

    gs://           generation     ifGenerationMatch
    s3://           ETag           If-Match, If-None-Match
    az://, abfs://  ETag           If-Match, If-None-Match
    others          SHA-256        none: the content is compared and then replaced, under a lock of this process

For the last line, which includes `memory://`, writes of different processes in the same instant are not excluded from
each other. An S3 ETag is a hash of the content: writing the same content again keeps the version, so documents that
several holders write contain the epoch of their writer.
"""

import hashlib
import json
import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

Info = Mapping[str, Any]

LARGEST_DOCUMENT_BYTES = 16 << 20
"""Larger objects of a store without versions are not read to know their version; no document is that large."""

_lock = threading.Lock()


class Changed(Exception):
    """The object does not have the expected version."""


class Conditional(ABC):
    """Writes objects of one fsspec file system on a condition."""

    VERSION: ClassVar[str]
    """Key of an object's version in what `find` and `info` return about the object."""

    def __init__(self, system: Any) -> None:
        self._system = system

    def listed(self, objects: Mapping[str, Info]) -> dict[str, str]:
        """Returns the version of each object by its path, from what `find` or `info` has returned about it."""
        return {path: str(info[self.VERSION]) for path, info in objects.items() if info.get(self.VERSION)}

    @abstractmethod
    def put(self, path: str, data: bytes, expected: str | None) -> str:
        """Writes an object whose version is `expected`, None for an object that does not exist.

        Returns:
            The new version.

        Raises:
            Changed: The object has another version, and was not written.
        """


class S3(Conditional):
    """Amazon S3 and services with its protocol."""

    VERSION = "ETag"

    def put(self, path: str, data: bytes, expected: str | None) -> str:
        condition = {"mode": "create"} if expected is None else {"IfMatch": expected}
        try:
            return str(self._system.pipe_file(path, data, **condition)["ETag"])
        except FileExistsError as error:
            raise Changed from error
        except OSError as error:
            code = getattr(error.__cause__, "response", {}).get("Error", {}).get("Code", "")
            missing = expected is not None and code in ("NoSuchKey", "404")
            if missing or code in ("PreconditionFailed", "412", "ConditionalRequestConflict"):
                raise Changed from error
            raise


class Gcs(Conditional):
    """Google Cloud Storage."""

    VERSION = "generation"

    def put(self, path: str, data: bytes, expected: str | None) -> str:
        # gcsfs can create on a condition, but not replace. This is the upload of its `pipe_file` with a generation.
        bucket, _, name = path.lstrip("/").partition("/")
        boundary = hashlib.sha256(data).hexdigest()
        head = f"--{boundary}\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n{json.dumps({'name': name})}\r\n"
        middle = f"--{boundary}\r\nContent-Type: application/octet-stream\r\n\r\n"
        try:
            answer = self._system.call(
                "POST",
                f"{self._system._location}/upload/storage/v1/b/{{}}/o",
                bucket,
                uploadType="multipart",
                ifGenerationMatch=expected or "0",
                headers={"Content-Type": f'multipart/related; boundary="{boundary}"'},
                data=head.encode() + middle.encode() + data + f"\r\n--{boundary}--".encode(),
                json_out=True,
            )
        except FileExistsError as error:
            raise Changed from error
        return str(answer["generation"])


class Azure(Conditional):
    """Azure Blob Storage."""

    VERSION = "etag"

    def put(self, path: str, data: bytes, expected: str | None) -> str:
        from azure.core import MatchConditions
        from azure.core.exceptions import ResourceExistsError, ResourceModifiedError, ResourceNotFoundError

        condition: dict[str, Any] = {"mode": "create"}
        if expected is not None:
            condition = {"overwrite": True, "etag": expected, "match_condition": MatchConditions.IfNotModified}
        try:
            return str(self._system.pipe_file(path, data, **condition)["etag"])
        except (FileExistsError, ResourceExistsError, ResourceModifiedError) as error:
            raise Changed from error
        except ResourceNotFoundError as error:
            if expected is None:
                raise
            raise Changed from error


class Compared(Conditional):
    """File systems without conditional writes."""

    def listed(self, objects: Mapping[str, Info]) -> dict[str, str]:
        small = [path for path, info in objects.items() if int(info["size"] or 0) <= LARGEST_DOCUMENT_BYTES]
        return {path: version for path in small if (version := self._version(path)) is not None}

    def put(self, path: str, data: bytes, expected: str | None) -> str:
        with _lock:
            if self._version(path) != expected:
                raise Changed
            self._system.pipe_file(path, data)
        return hashlib.sha256(data).hexdigest()

    def _version(self, path: str) -> str | None:
        try:
            return hashlib.sha256(self._system.cat_file(path)).hexdigest()
        except (FileNotFoundError, IsADirectoryError):
            return None


_BY_PROTOCOL: dict[str, type[Conditional]] = {"s3": S3, "gs": Gcs, "gcs": Gcs, "az": Azure, "abfs": Azure}


def conditional(system: Any) -> Conditional:
    """Returns the conditional writes of an fsspec file system."""
    protocols = (system.protocol,) if isinstance(system.protocol, str) else tuple(system.protocol)
    return next((_BY_PROTOCOL[name] for name in protocols if name in _BY_PROTOCOL), Compared)(system)
