"""Address, model and key of the judge, from the environment only, so that no file or command line contains a key."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from clt_ray.errors import ConfigurationError, Problem
from clt_ray.redaction import redacted

BASE_URL, MODEL, API_KEY = "CLT_RAY_JUDGE_BASE_URL", "CLT_RAY_JUDGE_MODEL", "CLT_RAY_JUDGE_API_KEY"
OPENAI_BASE_URL, OPENAI_API_KEY = "OPENAI_BASE_URL", "OPENAI_API_KEY"
OPENAI = "https://api.openai.com/v1"

WHERE = "environment"


@dataclass(frozen=True)
class Endpoint:
    """A judge model behind an OpenAI-compatible API."""

    base_url: str
    """Address up to and without `/chat/completions`."""
    model: str
    """Model as the API names it, preferably a dated snapshot."""
    api_key: str = field(default="", repr=False)
    """Key of the API; empty for a server that needs none."""

    @property
    def host(self) -> str:
        """Returns host and port, the only part of the address that is recorded, since the rest may contain secrets."""
        return urlsplit(self.base_url).netloc.rpartition("@")[2]


def endpoint(environment: Mapping[str, str]) -> Endpoint:
    """Returns the judge that the environment names.

    The variables are CLT_RAY_JUDGE_BASE_URL, CLT_RAY_JUDGE_MODEL and CLT_RAY_JUDGE_API_KEY. Without the first, the
    address is OPENAI_BASE_URL. Without the last, the key is OPENAI_API_KEY, but only for the server that it belongs
    to: that of OPENAI_BASE_URL, or OpenAI's own.

    Raises:
        ConfigurationError: The address or the model is missing or malformed.
    """
    names = (BASE_URL, OPENAI_BASE_URL, MODEL, API_KEY, OPENAI_API_KEY)
    own_url, openai_url, model, key, openai_key = (environment.get(name, "").strip() for name in names)
    base_url, source = (own_url, BASE_URL) if own_url else (openai_url, OPENAI_BASE_URL)
    problems = []
    if not base_url:
        remedy = f"export {BASE_URL}={OPENAI} (or the address of any compatible server); {OPENAI_BASE_URL} is read too"
        problems.append(Problem(WHERE, BASE_URL, None, "the address of the judge is missing", remedy))
    elif urlsplit(base_url).scheme not in ("http", "https") or not urlsplit(base_url).netloc:
        problems.append(Problem(WHERE, source, redacted(base_url), "not an http address", f"such as {OPENAI}"))
    if not model:
        remedy = f"export {MODEL}=gpt-4o-2024-08-06 (the study's judge was a GPT-4o of unknown date)"
        problems.append(Problem(WHERE, MODEL, None, "the model of the judge is missing", remedy))
    if problems:
        raise ConfigurationError(problems)
    if urlsplit(base_url).netloc == urlsplit(openai_url or OPENAI).netloc:
        key = key or openai_key
    return Endpoint(base_url, model, key)
