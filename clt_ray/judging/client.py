"""Sends one request to the judge, and retries it until it is answered or refused.

| Response of the server | Effect |
|---|---|
| a chat completion | it is the reply, whatever its text |
| 408, 409, 425, 429, 5xx; no connection; timeout; a body that is no chat completion | retry after a pause |
| 401, 403, 404, or 429 because the account is empty | every request would be refused: `JudgeStopped` |
| any other refusal, for instance 400 for a prompt that is too long | the request has no reply: `Unanswered` |

Pauses double from one second, with full jitter. They are never shorter than the server's Retry-After, which delays all
requests. The openai library can retry by itself, but its retries would not count towards the limit of requests per
minute, and it accepts a malformed body as an answer.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import openai
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, stop_after_attempt
from tenacity.wait import wait_random_exponential

from clt_ray.judging.endpoint import API_KEY, BASE_URL, MODEL, OPENAI_API_KEY, Endpoint
from clt_ray.judging.protocol import Message
from clt_ray.judging.replies import JudgeStopped, Reply, Settings, Unanswered

ATTEMPTS = 8
"""Number of times that a request is sent; with doubling pauses this spans about two minutes of server downtime."""
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 1.0, 60.0
PATIENCE_SECONDS = 600.0
"""Longest Retry-After that is waited for in seconds; a server that asks for more has a daily limit."""
TIMEOUT_SECONDS = 120.0
"""Longest time for one reply in seconds, from sending the request to the last byte."""

_PASSING = frozenset({408, 409, 425, 429})
_HOPELESS = {
    401: f"check the key in {API_KEY} ({OPENAI_API_KEY} is only sent to the server it belongs to)",
    403: f"the key in {API_KEY} may not use this model",
    404: f"check {BASE_URL} and {MODEL}",
}
_NO_KEY = "none"
"""Sent to servers that need no key, because the openai library requires one."""


class _PassingError(Unanswered):
    """A temporary failure, after which the request is sent again."""

    def __init__(self, reason: str, retry_after: float = 0.0) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


class Pace:
    """A rate limit for all requests, spread evenly, because servers also count over windows far below a minute."""

    def __init__(
        self,
        per_minute: float | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        """Creates the rate limit: None for no limit; `sleep` waits for a number of seconds of `clock`."""
        self._interval = 60.0 / per_minute if per_minute else 0.0
        self._clock, self._sleep = clock, sleep
        self._free_at = clock()

    async def turn(self) -> None:
        """Returns when the caller may send one request."""
        while (wait := self._free_at - self._clock()) > 0:
            await self._sleep(wait)
        self._free_at = self._clock() + self._interval

    def pause(self, seconds: float) -> None:
        """Delays all requests until `seconds` from now."""
        self._free_at = max(self._free_at, self._clock() + seconds)


class Client:
    """A client of the judge at an endpoint."""

    def __init__(
        self,
        endpoint: Endpoint,
        settings: Settings,
        pace: Pace,
        *,
        timeout_seconds: float = TIMEOUT_SECONDS,
        attempts: int = ATTEMPTS,
        first_pause_seconds: float = FIRST_PAUSE_SECONDS,
    ) -> None:
        """Creates the client; nothing is sent before the first `ask`, and `attempts` counts the first one too."""
        self._endpoint, self._settings, self._pace = endpoint, settings, pace
        self._timeout_seconds = timeout_seconds
        self._client = openai.AsyncOpenAI(
            base_url=endpoint.base_url, api_key=endpoint.api_key or _NO_KEY, max_retries=0, timeout=timeout_seconds
        )
        pauses = wait_random_exponential(multiplier=first_pause_seconds, max=LONGEST_PAUSE_SECONDS)
        self._retrying = AsyncRetrying(
            retry=retry_if_exception_type(_PassingError),
            wait=lambda state: _retry_after_of(state) + pauses(state),
            stop=stop_after_attempt(attempts),
            reraise=True,
        )
        self.sent = 0
        """Number of requests sent, including retries."""

    async def ask(self, messages: Sequence[Message]) -> Reply:
        """Returns the judge's reply; raises `Unanswered` if it gets none, `JudgeStopped` if no request would."""
        return await self._retrying.copy()(self._ask_once, messages)

    async def close(self) -> None:
        await self._client.close()

    async def _ask_once(self, messages: Sequence[Message]) -> Reply:
        await self._pace.turn()
        self.sent += 1
        try:
            # The library's own timeout restarts with every chunk of a reply.
            async with asyncio.timeout(self._timeout_seconds):
                completion = await self._client.chat.completions.create(
                    model=self._settings.model,
                    messages=[dict(message) for message in messages],  # type: ignore[misc]
                    temperature=self._settings.temperature,
                    max_completion_tokens=self._settings.max_tokens,
                )
        except (TimeoutError, openai.APITimeoutError) as error:
            raise _PassingError(f"no reply within {self._timeout_seconds:g} s") from error
        except openai.APIStatusError as error:
            raise self._refusal(error) from error
        except (openai.APIConnectionError, openai.APIResponseValidationError, ValueError) as error:
            raise _PassingError(f"{type(error).__name__}: {_line(error.__cause__ or error)}") from error
        return _reply(completion)

    def _refusal(self, error: openai.APIStatusError) -> Exception:
        reason = _line(error)
        if error.status_code in _HOPELESS:
            return JudgeStopped(f"the judge at {self._endpoint.host}: {reason}\n    {_HOPELESS[error.status_code]}")
        if error.code == "insufficient_quota":
            return JudgeStopped(f"the judge at {self._endpoint.host}: {reason}\n    the account has no credit left")
        if error.status_code not in _PASSING and error.status_code < 500:
            return Unanswered(reason)
        seconds = _retry_after(error.response.headers)
        if seconds > PATIENCE_SECONDS:
            return JudgeStopped(
                f"the judge at {self._endpoint.host} asks to come back in {seconds / 3600:.1f} h: {reason}\n"
                "    its replies so far are stored; run the same command again later to continue"
            )
        self._pace.pause(seconds)
        return _PassingError(reason, seconds)


def _retry_after_of(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    return error.retry_after if isinstance(error, _PassingError) else 0.0


def _reply(completion: Any) -> Reply:
    """Returns a chat completion as a reply; the library builds its object from any JSON without checking it."""
    try:
        choice = completion.choices[0]
        text, refusal = choice.message.content or "", getattr(choice.message, "refusal", None)
        usage = getattr(completion, "usage", None)
        reply = Reply(
            text=text,
            finish_reason="content_filter" if refusal else choice.finish_reason or "stop",
            model=completion.model or "",
            fingerprint=getattr(completion, "system_fingerprint", None) or "",
            prompt_tokens=usage and usage.prompt_tokens,
            completion_tokens=usage and usage.completion_tokens,
        )
    except (AttributeError, IndexError, KeyError, TypeError) as error:
        raise _PassingError("the body is no chat completion") from error
    words = (reply.text, reply.finish_reason, reply.model, reply.fingerprint)
    numbers = (reply.prompt_tokens, reply.completion_tokens)
    if not all(isinstance(word, str) for word in words) or not all(isinstance(n, int | None) for n in numbers):
        raise _PassingError("the body is no chat completion")
    return reply


def _retry_after(headers: Any) -> float:
    """Returns the seconds that the server asks to wait; 0 when it names none or a date."""
    try:
        return max(0.0, float(headers.get("retry-after", 0)))
    except ValueError:
        return 0.0


def _line(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), "")[:300]
