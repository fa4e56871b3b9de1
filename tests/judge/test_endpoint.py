"""The judge comes from the environment alone, and a key goes only where it is meant to go."""

from __future__ import annotations

import pytest

from clt_ray.errors import ConfigurationError
from clt_ray.judge.endpoint import endpoint

LOCAL = "http://127.0.0.1:8000/v1"


def test_own_variables() -> None:
    found = endpoint(
        {"CLT_RAY_JUDGE_BASE_URL": LOCAL, "CLT_RAY_JUDGE_MODEL": "m", "CLT_RAY_JUDGE_API_KEY": "k",
         "OPENAI_BASE_URL": "https://other.test/v1", "OPENAI_API_KEY": "other"}
    )  # fmt: skip
    assert (found.base_url, found.model, found.api_key) == (LOCAL, "m", "k")
    assert found.host == "127.0.0.1:8000"


def test_variables_of_openai() -> None:
    found = endpoint({"CLT_RAY_JUDGE_MODEL": "m", "OPENAI_BASE_URL": LOCAL, "OPENAI_API_KEY": "k"})
    assert (found.base_url, found.api_key) == (LOCAL, "k")


def test_key_of_openai_goes_to_openai_and_to_nobody_else() -> None:
    keys = {"CLT_RAY_JUDGE_MODEL": "m", "OPENAI_API_KEY": "k"}
    assert endpoint(keys | {"CLT_RAY_JUDGE_BASE_URL": "https://api.openai.com/v1"}).api_key == "k"
    assert endpoint(keys | {"CLT_RAY_JUDGE_BASE_URL": LOCAL}).api_key == ""
    assert endpoint(keys | {"CLT_RAY_JUDGE_BASE_URL": "https://api.openai.com.evil.test/v1"}).api_key == ""
    assert endpoint(keys | {"CLT_RAY_JUDGE_BASE_URL": LOCAL, "OPENAI_BASE_URL": LOCAL}).api_key == "k"


def test_no_secret_is_shown_or_recorded() -> None:
    found = endpoint(
        {"CLT_RAY_JUDGE_BASE_URL": "https://user:secret1@judge.test:8443/v1?token=secret2",
         "CLT_RAY_JUDGE_MODEL": "m", "CLT_RAY_JUDGE_API_KEY": "secret3"}
    )  # fmt: skip
    assert found.host == "judge.test:8443"
    assert "secret3" not in repr(found)


def test_everything_that_is_missing_is_named_at_once() -> None:
    with pytest.raises(ConfigurationError) as raised:
        endpoint({})
    assert [problem.key for problem in raised.value.problems] == ["CLT_RAY_JUDGE_BASE_URL", "CLT_RAY_JUDGE_MODEL"]
    assert all(problem.remedy for problem in raised.value.problems)


@pytest.mark.parametrize("url", ["localhost:8000", "ftp://judge.test/v1", "https://", "http:///v1"])
def test_address_that_is_none(url: str) -> None:
    with pytest.raises(ConfigurationError, match="not an http address"):
        endpoint({"OPENAI_BASE_URL": url, "CLT_RAY_JUDGE_MODEL": "m"})
