"""The client against a real server that fails in all the ways in which servers fail."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import Any

import pytest

from clt_ray.judging.client import Client, Pace
from clt_ray.judging.endpoint import endpoint
from clt_ray.judging.protocol import messages, parse
from clt_ray.judging.replies import GIVE_UP_AFTER, JudgeStopped, Reply, Settings, Unanswered, ask_all
from tests.support.judge_server import (
    KEY,
    SNAPSHOT,
    Answer,
    Behaviour,
    JudgeServer,
    completion,
    rating,
    refusal,
    serving,
)

ATTEMPTS = 3


class RecordedPace(Pace):
    """Records the pauses it is asked for without waiting."""

    def __init__(self) -> None:
        super().__init__()
        self.pauses: list[float] = []

    def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)


def client(server: JudgeServer, pace: Pace | None = None, timeout_seconds: float = 30.0) -> Client:
    judge = endpoint(server.environment)
    return Client(
        judge, Settings(judge.model), pace or Pace(), timeout_seconds=timeout_seconds, attempts=ATTEMPTS,
        first_pause_seconds=0.0,
    )  # fmt: skip


def ask(behaviour: Behaviour, **choices: Any) -> tuple[Reply, JudgeServer]:
    """Returns the reply to one request, and the server it was sent to."""

    async def once(asking: Client) -> Reply:
        try:
            return await asking.ask(messages("Where?", "Here."))
        finally:
            await asking.close()

    with serving(behaviour) as server:
        return asyncio.run(once(client(server, **choices))), server


def ask_many(
    behaviour: Behaviour, count: int, concurrency: int
) -> tuple[dict[str, Reply], dict[str, str], JudgeServer]:
    """Returns replies and failures of concurrent requests by key, and the server they were sent to."""
    requests = {str(index): messages("Where?", f"Here {index}.") for index in range(count)}
    kept: dict[str, Reply] = {}

    async def all_requests(asking: Client) -> tuple[dict[str, Reply], dict[str, str]]:
        try:
            return await ask_all(requests, asking.ask, kept.__setitem__, concurrency)
        finally:
            await asking.close()

    with serving(behaviour) as server:
        replies, failures = asyncio.run(all_requests(client(server)))
    assert kept == replies
    return replies, failures, server


def first(*answers: Answer) -> Behaviour:
    """Returns a server behaviour that gives these answers in turn and then repeats the last one."""
    return lambda body, before: answers[min(before, len(answers) - 1)]


def test_the_request_and_the_reply_have_all_their_parts() -> None:
    reply, server = ask(first(rating(4)))
    (body,) = server.bodies
    assert body["model"] == "some/judge"
    assert body["temperature"] == 0.0
    assert [message["role"] for message in body["messages"]] == ["system", "user"]
    assert server.keys == {f"Bearer {KEY}"}
    assert reply == Reply("A fair answer.\nRating: [[4]]", "stop", SNAPSHOT, "fp_7", 100, 20)


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503, 504])
def test_a_temporary_refusal_is_retried(status: int) -> None:
    reply, server = ask(first(refusal(status), rating(4)))
    assert parse(reply.text).rating == 4
    assert server.requests == 2


def test_retry_after_delays_all_requests() -> None:
    pace = RecordedPace()
    _, server = ask(first(refusal(429, retry_after="0.05"), refusal(503, retry_after="soon"), rating(4)), pace=pace)
    assert pace.pauses == [0.05, 0.0]
    assert server.requests == 3


def test_a_lasting_refusal_is_reported() -> None:
    with pytest.raises(Unanswered, match="500 - broken"):
        ask(first(refusal(500, "broken")))


@pytest.mark.parametrize("hang", [Answer(hang=True), Answer(body=b'{"choices":', hang=True)], ids=["all", "the rest"])
def test_a_reply_that_does_not_arrive_in_time_is_retried(hang: Answer) -> None:
    reply, server = ask(first(hang, rating(4)), timeout_seconds=0.5)
    assert parse(reply.text).rating == 4
    assert server.requests == 2


def test_a_broken_connection_is_retried() -> None:
    reply, _ = ask(first(Answer(hang_up=True), rating(4)))
    assert parse(reply.text).rating == 4


def test_an_unreachable_server_is_reported() -> None:
    with serving(first(rating(4))) as server:
        pass
    with pytest.raises(Unanswered, match="Connect"):
        asyncio.run(client(server).ask(messages("Where?", "Here.")))


MALFORMED = {
    "not json": b"<html>Bad gateway</html>",
    "cut json": b'{"id": "x", "choices": [{"message"',
    "empty": b"",
    "null": b"null",
    "list": b"[]",
    "no choices": b'{"model": "m", "choices": []}',
    "null choices": b'{"model": "m", "choices": null}',
    "text choices": b'{"model": "m", "choices": "Rating: [[5]]"}',
    "no message": b'{"model": "m", "choices": [{"index": 0}]}',
    "content is a list": b'{"model": "m", "choices": [{"message": {"content": [1]}}]}',
    "error with status 200": b'{"error": {"message": "overloaded"}}',
}


@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED.keys())
@pytest.mark.parametrize("kind", ["application/json", "text/html"])
def test_a_body_that_is_no_completion_is_retried(body: bytes, kind: str) -> None:
    malformed = Answer(body=body, headers={"Content-Type": kind})
    reply, server = ask(first(malformed, rating(4)))
    assert parse(reply.text).rating == 4
    assert server.requests == 2
    with pytest.raises(Unanswered):
        ask(first(malformed))


@pytest.mark.parametrize(
    ("status", "code", "reason"),
    [
        (401, "invalid_api_key", "CLT_RAY_JUDGE_API_KEY"),
        (403, None, "may not use"),
        (404, "model_not_found", "CLT_RAY_JUDGE_MODEL"),
        (429, "insufficient_quota", "no credit"),
    ],
)
def test_a_refusal_of_every_request_stops_at_once(status: int, code: str | None, reason: str) -> None:
    with pytest.raises(JudgeStopped, match=reason), serving(first(refusal(status, "wrong", code))) as server:
        asyncio.run(client(server).ask(messages("Where?", "Here.")))
    assert server.requests == 1
    assert KEY not in reason


def test_a_daily_limit_is_not_waited_for() -> None:
    with pytest.raises(JudgeStopped, match=r"come back in 24\.0 h"):
        ask(first(refusal(429, "daily limit", retry_after="86400")))


def test_a_refusal_of_a_single_request_is_not_retried() -> None:
    with pytest.raises(Unanswered, match="400 - too long"), serving(first(refusal(400, "too long"))) as server:
        asyncio.run(client(server).ask(messages("Where?", "Here.")))
    assert server.requests == 1


def test_a_server_may_omit_tokens_and_names() -> None:
    bare = {"choices": [{"message": {"role": "assistant", "content": "Good.\nRating: [[4]]"}}]}
    reply, _ = ask(first(Answer(body=json.dumps(bare).encode())))
    assert reply == Reply("Good.\nRating: [[4]]", "stop", "", "", None, None)


def test_a_judge_that_refuses_gives_no_rating() -> None:
    reply, _ = ask(first(completion(None, refusal="I cannot judge this.")))
    assert parse(reply.text, finish_reason=reply.finish_reason).rating is None


def test_requests_are_concurrent_up_to_the_limit() -> None:
    together = threading.Barrier(4)

    def behaviour(body: dict[str, Any], before: int) -> Answer:
        together.wait(timeout=30)
        return rating(4)

    replies, failures, server = ask_many(behaviour, count=8, concurrency=4)
    assert (len(replies), failures, server.most_at_once) == (8, {}, 4)


def test_a_failing_request_does_not_affect_the_others() -> None:
    def behaviour(body: dict[str, Any], before: int) -> Answer:
        return refusal(400, "too long") if "Here 3." in body["messages"][1]["content"] else rating(4)

    replies, failures, _ = ask_many(behaviour, count=8, concurrency=2)
    assert len(replies) == 7
    assert failures == {"3": "Error code: 400 - too long"}


def test_a_judge_that_answers_nothing_is_given_up() -> None:
    with pytest.raises(JudgeStopped, match="in a row unanswered: Error code: 400 - nonsense"):
        ask_many(first(refusal(400, "nonsense")), count=GIVE_UP_AFTER + 20, concurrency=2)


def test_a_wrong_key_is_one_error_for_all_requests_in_flight() -> None:
    with pytest.raises(JudgeStopped, match="401 - wrong key"):
        ask_many(first(refusal(401, "wrong key")), count=20, concurrency=8)
