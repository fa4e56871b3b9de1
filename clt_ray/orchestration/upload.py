"""The archive of a submitted job: the sweep file, the local files that it names, and secrets.

Ray unpacks it into the working directory of the job on every node. What is in a job's runtime environment can be read
by everybody who reaches the job server. Secrets therefore travel in a file of the archive, and `adopt_secrets` puts
them into the environment of the job's processes.
"""

import json
import os
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from clt_ray.errors import ConfigurationError, Problem

SECRETS_FILE = ".clt-ray-secrets.json"

MAX_UPLOAD_BYTES = 256 * 1024 * 1024
"""Most bytes of a job's files. Ray keeps the archive in the head node's memory and copies it to every node."""

EXCLUDED = {".git", ".venv", ".venv-tpu", "__pycache__", ".cache", ".env", ".ssh", "clt-runs", "node_modules"}
"""Names of files and folders that are left out wherever they are."""


def write_archive(archive: Path, root: Path, folder: Path, paths: Sequence[Path], secrets: Mapping[str, str]) -> None:
    """Writes the archive of a job into a folder that only this user may read, since it holds secrets.

    Args:
        archive: The file to write.
        root: Folder that becomes the job's working directory.
        folder: Folder below the root in which the command starts.
        paths: Files, and folders with all that they contain, below the root.
        secrets: Environment variables that only the job's processes see.

    Raises:
        ConfigurationError: A path does not exist, or the files are larger than MAX_UPLOAD_BYTES.
    """
    problems = [Problem("clt-ray submit", "", str(path), "does not exist") for path in paths if not path.exists()]
    files = {file: file.stat().st_size for path in paths for file in _files(path)}
    total = sum(files.values())
    if total > MAX_UPLOAD_BYTES:
        largest = sorted(files, key=lambda file: -files[file])[:3]
        message = f"the job's files have {total >> 20} MiB, and {MAX_UPLOAD_BYTES >> 20} MiB are allowed; the largest: "
        message += ", ".join(f"{file} ({files[file] >> 20} MiB)" for file in largest)
        remedy = "put them where every node reads them, and name them by an absolute path or a URI in the sweep file"
        problems.append(Problem("clt-ray submit", "", None, message, remedy))
    if problems:
        raise ConfigurationError(problems)
    # Without compression and with fixed dates, the same content has the same name on the cluster and is sent once.
    with zipfile.ZipFile(archive, "w") as package:
        package.writestr(zipfile.ZipInfo(f"{folder.relative_to(root).as_posix()}/"), b"")
        for file in sorted(files):
            package.writestr(zipfile.ZipInfo(file.relative_to(root).as_posix()), file.read_bytes())
        if secrets:
            private = zipfile.ZipInfo(SECRETS_FILE)
            private.external_attr = 0o600 << 16
            package.writestr(private, json.dumps(dict(secrets)))


def adopt_secrets() -> None:
    """Puts the secrets of this job into the environment; Ray calls it first in every process of the job."""
    os.environ.update(json.loads(Path(SECRETS_FILE).read_bytes()))


def _files(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
    for folder, names, files in os.walk(path, followlinks=True):
        names[:] = [name for name in names if name not in EXCLUDED]
        yield from (Path(folder, name) for name in files if name not in EXCLUDED and not name.endswith(".pyc"))
