"""The judge is read from the environment only, and a key is sent only to the server it belongs to."""

from __future__ import annotations

import pytest

from clt_ray.errors import ConfigurationError
from clt_ray.judging.endpoint import endpoint

LOCAL = "http://127.0.0.1:8000/v1"


def test_the_variables_of_the_judge_come_before_those_of_openai() -> None:
    judge = endpoint(
        {"CLT_RAY_JUDGE_BASE_URL": LOCAL, "CLT_RAY_JUDGE_MODEL": "m", "CLT_RAY_JUDGE_API_KEY": "k",
         "OPENAI_BASE_URL": "https://other.test/v1", "OPENAI_API_KEY": "other"}
    )  # fmt: skip
    assert (judge.base_url, judge.model, judge.api_key) == (LOCAL, "m", "k")
    assert judge.host == "127.0.0.1:8000"


def test_the_variables_of_openai_are_the_default() -> None:
    judge = endpoint({"CLT_RAY_JUDGE_MODEL": "m", "OPENAI_BASE_URL": LOCAL, "OPENAI_API_KEY": "k"})
    assert (judge.base_url, judge.api_key) == (LOCAL, "k")


def test_the_key_of_openai_is_sent_only_to_its_server() -> None:
    keys = {"CLT_RAY_JUDGE_MODEL": "m", "OPENAI_API_KEY": "k"}
    assert endpoint(keys | {"CLT_RAY_JUDGE_BASE_URL": "https://api.openai.com/v1"}).api_key == "k"
    assert endpoint(keys | {"CLT_RAY_JUDGE_BASE_URL": LOCAL}).api_key == ""
    assert endpoint(keys | {"CLT_RAY_JUDGE_BASE_URL": "https://api.openai.com.evil.test/v1"}).api_key == ""
    assert endpoint(keys | {"CLT_RAY_JUDGE_BASE_URL": LOCAL, "OPENAI_BASE_URL": LOCAL}).api_key == "k"


def test_no_secret_of_the_address_or_key_is_shown() -> None:
    judge = endpoint(
        {"CLT_RAY_JUDGE_BASE_URL": "https://user:secret1@judge.test:8443/v1?token=secret2",
         "CLT_RAY_JUDGE_MODEL": "m", "CLT_RAY_JUDGE_API_KEY": "secret3"}
    )  # fmt: skip
    assert judge.host == "judge.test:8443"
    assert "secret3" not in repr(judge)


def test_all_missing_variables_are_reported_together() -> None:
    with pytest.raises(ConfigurationError) as raised:
        endpoint({})
    assert [problem.key for problem in raised.value.problems] == ["CLT_RAY_JUDGE_BASE_URL", "CLT_RAY_JUDGE_MODEL"]
    assert all(problem.remedy for problem in raised.value.problems)


@pytest.mark.parametrize("url", ["localhost:8000", "ftp://judge.test/v1", "https://", "http:///v1"])
def test_an_invalid_address_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="not an http address"):
        endpoint({"OPENAI_BASE_URL": url, "CLT_RAY_JUDGE_MODEL": "m"})


def test_a_refused_address_is_shown_without_its_password() -> None:
    with pytest.raises(ConfigurationError, match="not an http address") as raised:
        endpoint({"OPENAI_BASE_URL": "ftp://me:secret@judge.test/v1", "CLT_RAY_JUDGE_MODEL": "m"})
    assert "ftp://me:***@judge.test/v1" in str(raised.value) and "secret" not in str(raised.value)
