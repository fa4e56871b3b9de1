"""An HTTP proxy that delays, refuses, breaks and holds requests to a storage server.

with FaultProxy(port_of_the_server) as proxy:
    proxy.latency_seconds = 0.04
    proxy.inject(503, 503, "reset")        # what the next three requests get instead of an answer
    with proxy.hold("PUT", "status.json"): # the next such request waits until the end of the block
"""

from __future__ import annotations

import itertools
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal, Self
from urllib.parse import unquote

Fault = int | Literal["reset", "lose reply"]
"""A status code; a connection that is reset before the request is sent on; or the loss of a reply to a request."""

S3_ERROR = b'<?xml version="1.0"?><Error><Code>SlowDown</Code><Message>injected</Message></Error>'
HOP_HEADERS = {"connection", "transfer-encoding", "expect", "keep-alive", "content-length"}
PATIENCE_SECONDS = 120.0


@dataclass
class _Hold:
    method: str
    part: str
    seen: Iterator[int]
    occurrence: int
    arrived: threading.Event = field(default_factory=threading.Event)
    released: threading.Event = field(default_factory=threading.Event)


class FaultProxy:
    """Forwards requests on 127.0.0.1 to a server on another port of 127.0.0.1."""

    def __init__(self, target: int, latency_seconds: float = 0.0) -> None:
        self.target, self.latency_seconds = target, latency_seconds
        self.requests: list[str] = []
        """Method and path of every request, in the order of arrival."""
        self.faults: deque[Fault] = deque()
        self.broken: Fault | None = None
        """What every request gets while this is set."""
        self._holds: list[_Hold] = []
        proxy = self

        class Handler(_Handler):
            owner = proxy

        self._server = _Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def inject(self, *faults: Fault) -> None:
        """Gives the next requests these faults instead of an answer, one each."""
        self.faults.extend(faults)

    @contextmanager
    def hold(self, method: str, part: str, occurrence: int = 1) -> Iterator[threading.Event]:
        """Holds a request until the block ends; yields the event "it has arrived".

        Args:
            method: Its method.
            part: What its path, or the beginning of its content, contains.
            occurrence: The number of the request among those of this method and part, from 1.
        """
        hold = _Hold(method, part, itertools.count(1), occurrence)
        self._holds.append(hold)
        try:
            yield hold.arrived
        finally:
            self._holds.remove(hold)
            hold.released.set()

    def wait_while_held(self, method: str, subject: str) -> None:
        """Blocks the thread of a request as long as it is held."""
        for hold in list(self._holds):
            if method == hold.method and hold.part in subject and next(hold.seen) == hold.occurrence:
                hold.arrived.set()
                hold.released.wait(PATIENCE_SECONDS)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, request: object, client_address: object) -> None:
        """Says nothing about clients that were killed in the middle of a request."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    owner: FaultProxy
    upstream: HTTPConnection | None = None

    def handle_request(self) -> None:
        body = self._body()
        self.owner.requests.append(f"{self.command} {self.path}")
        # Google's uploads name the object in their content.
        self.owner.wait_while_held(self.command, unquote(self.path) + body[:400].decode(errors="replace"))
        time.sleep(self.owner.latency_seconds)
        fault = self.owner.broken or (self.owner.faults.popleft() if self.owner.faults else None)
        if fault == "reset":
            self.close_connection = True
            self.connection.close()
        elif isinstance(fault, int):
            self._answer(fault, [("Content-Type", "application/xml"), ("Retry-After", "0")], S3_ERROR)
        else:
            status, headers, content = self._forward(body)
            if fault == "lose reply":
                self.close_connection = True
                self.connection.close()
            else:
                self._answer(status, headers, content)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = do_PATCH = handle_request

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        chunks = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(chunks)

    def _forward(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP_HEADERS}
        for attempt in range(2):
            try:
                self.upstream = self.upstream or HTTPConnection("127.0.0.1", self.owner.target, timeout=60)
                self.upstream.request(self.command, self.path, body, headers | {"Content-Length": str(len(body))})
                answer = self.upstream.getresponse()
                return answer.status, answer.getheaders(), answer.read()
            except (HTTPException, OSError):
                # The server closes connections that were idle.
                self.upstream = None
                if attempt:
                    raise
        raise AssertionError

    def _answer(self, status: int, headers: list[tuple[str, str]], content: bytes) -> None:
        self.send_response_only(status)
        length = str(len(content))
        for name, value in headers:
            if name.lower() == "content-length" and self.command == "HEAD":
                length = value
            elif name.lower() not in HOP_HEADERS:
                self.send_header(name, value)
        self.send_header("Content-Length", length)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Prints nothing."""
