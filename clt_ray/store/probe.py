"""Finds out whether several nodes see the same storage, by a file that one writes and every one reads.

token = write_probe(uri)        on one node
read_probe(uri, token)          on every node: True where the storage is the same
delete_probe(uri, token)        on the node that wrote it
"""

from uuid import uuid4

from clt_ray.store.objects import open_files

FOLDER = "probes"


def write_probe(uri: str) -> str:
    """Writes a small file with random content to a storage, and returns the token that names it.

    Raises:
        ConfigurationError: The package for this kind of storage is missing.
        OSError: The storage cannot be written to.
    """
    token = uuid4().hex
    open_files(uri).write(f"{FOLDER}/{token}", token.encode())
    return token


def read_probe(uri: str, token: str) -> bool:
    """Returns whether the storage at this URI, as this machine sees it, holds the file of `write_probe`."""
    return open_files(uri).read(f"{FOLDER}/{token}") == token.encode()


def delete_probe(uri: str, token: str) -> None:
    """Deletes the file of `write_probe`, and the folder of such files if it is empty then."""
    files = open_files(uri)
    files.delete(f"{FOLDER}/{token}")
    if not files.names(FOLDER):
        files.delete_tree(FOLDER)
