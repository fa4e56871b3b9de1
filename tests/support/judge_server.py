"""An HTTP server on 127.0.0.1 in the place of a judge's, which behaves or fails as a test says."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

SNAPSHOT = "judge-2026-01-01"
KEY = "a-secret-key"


@dataclass(frozen=True)
class Answer:
    """What the server sends."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    hang: bool = False
    """Send the headers and then nothing, until the client goes away."""
    hang_up: bool = False
    """Close the connection without an answer."""


Behaviour = Callable[[dict[str, Any], int], Answer]
"""(body of the request, times that this body has come before) -> what to send."""


def completion(text: str | None, finish_reason: str = "stop", **more: Any) -> Answer:
    """A well-formed chat completion."""
    message = {"role": "assistant", "content": text}
    document = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": SNAPSHOT,
        "system_fingerprint": "fp_7",
        "choices": [{"index": 0, "message": message, "finish_reason": finish_reason}],
        "usage": {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120},
    }
    return Answer(body=json.dumps(document | more).encode())


def refusal(status: int, message: str = "no", code: str | None = None, **headers: str) -> Answer:
    """Returns an error in the form of the OpenAI API."""
    error = {"message": message, "type": "error", "code": code}
    return Answer(status, json.dumps({"error": error}).encode(), {k.replace("_", "-"): v for k, v in headers.items()})


def rating(number: int) -> Answer:
    return completion(f"A fair answer.\nRating: [[{number}]]")


def judged_answer(body: dict[str, Any]) -> str:
    """Returns the answer to be judged, which stands between the lines with the code of the prompt."""
    user = body["messages"][-1]["content"]
    fenced = re.search(r"^\[answer (\w+) begins\]\n(.*)\n\[answer \1 ends\]$", user, re.DOTALL | re.MULTILINE)
    assert fenced, user
    return fenced[2]


class JudgeServer:
    """Answers requests as a test says, and counts them."""

    def __init__(self, behaviour: Behaviour) -> None:
        self.behaviour = behaviour
        self.bodies: list[dict[str, Any]] = []
        self.keys: set[str] = set()
        self.most_at_once = 0
        self._at_once = 0
        self._lock = threading.Lock()
        self.closing = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"

    @property
    def requests(self) -> int:
        return len(self.bodies)

    @property
    def environment(self) -> dict[str, str]:
        return {
            "CLT_RAY_JUDGE_BASE_URL": self.url,
            "CLT_RAY_JUDGE_MODEL": "some/judge",
            "CLT_RAY_JUDGE_API_KEY": KEY,
        }

    def answer(self, body: dict[str, Any], key: str) -> Answer:
        with self._lock:
            before = self.bodies.count(body)
            self.bodies.append(body)
            self.keys.add(key)
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            return self.behaviour(body, before)
        finally:
            with self._lock:
                self._at_once -= 1

    @contextmanager
    def running(self) -> Iterator[JudgeServer]:
        thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self.closing.set()
            self._server.shutdown()
            self._server.server_close()
            thread.join()


def serving(behaviour: Behaviour) -> Any:
    """A running server, as a context."""
    return JudgeServer(behaviour).running()


def _handler(judge: JudgeServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            assert self.path == "/v1/chat/completions"
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            answer = judge.answer(body, self.headers.get("Authorization", ""))
            if answer.hang_up:
                self.close_connection = True
                return
            self.send_response(answer.status)
            for name, value in {"Content-Type": "application/json", **answer.headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body) + answer.hang))
            self.end_headers()
            self.wfile.write(answer.body)
            if answer.hang:
                self.wfile.flush()
                judge.closing.wait()
                self.close_connection = True

        def log_message(self, format: str, *arguments: object) -> None:
            """Not on the test's output."""

    return Handler
