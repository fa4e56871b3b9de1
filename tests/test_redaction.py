"""Secrets leave a URI before it is shown; the rest of the URI stays."""

from __future__ import annotations

import shlex
from string import ascii_letters, digits
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clt_ray.redaction import redacted, redacted_text, without_credentials

WORDS = st.text(ascii_letters + digits, min_size=1, max_size=8)
SCHEMES = st.sampled_from(["postgresql", "mysql+pymysql", "mssql+pyodbc", "https", "http", "s3", "redis"])
PASSWORDS = st.one_of(
    st.text(ascii_letters + digits + "-._~!$&'()*+,;=:@", min_size=1, max_size=20),
    st.text(min_size=1, max_size=12).map(lambda text: quote(text, safe="")),
)
SECRET_NAMES = st.sampled_from(
    ["password", "passwd", "PWD", "sslpassword", "token", "access_token", "api_key", "apikey", "AccountKey", "key",
     "client_secret", "sig", "X-Amz-Signature", "X-Amz-Security-Token", "X-Amz-Credential", "pass%77ord"]
)  # fmt: skip
PLAIN_NAMES = st.sampled_from(["sslmode", "driver", "se", "X-Amz-Date", "monkey", "design", "authSource", "options"])
SECRET_VALUES = st.text(min_size=1, max_size=12).map(lambda text: quote(text, safe="") + "x")
ADDRESSES = st.tuples(WORDS, st.sampled_from(["", ":5432", ":80"])).map("".join)
PATHS = st.lists(WORDS, max_size=3).map(lambda parts: "".join(f"/{part}" for part in parts))


@st.composite
def uris(draw: st.DrawFn) -> tuple[str, str]:
    """Draws a URI with a password and secret parameters, and the same URI as it may be shown."""
    start, user = f"{draw(SCHEMES)}://", draw(st.one_of(st.just(""), WORDS))
    end = draw(ADDRESSES) + draw(PATHS)
    uri = f"{start}{user}:{draw(PASSWORDS)}@{end}"
    expected = f"{start}{user}:***@{end}"
    separator = draw(st.sampled_from(["?", "#"]))
    for secret in draw(st.lists(st.booleans(), max_size=4)):
        name, value = draw(SECRET_NAMES if secret else PLAIN_NAMES), draw(SECRET_VALUES if secret else WORDS)
        uri += f"{separator}{name}={value}"
        expected += f"{separator}{name}={'***' if secret else value}"
        separator = "&"
    return uri, expected


@given(uris())
def test_nothing_of_a_secret_survives_and_everything_else_does(drawn: tuple[str, str]) -> None:
    uri, expected = drawn
    assert redacted(uri) == expected


@given(uris(), WORDS)
def test_uris_in_command_lines_and_messages_are_redacted(drawn: tuple[str, str], word: str) -> None:
    uri, expected = drawn
    for form in ("{}", "--tracking-uri={}", "{}.", "MLflow at {}: refused", "({}), and", "open {} or {}"):
        text = f"{word} {form}"
        assert redacted_text(text.replace("{}", uri)) == text.replace("{}", expected)
    command = shlex.join([word, "--tracking-uri", uri])
    assert redacted_text(command).count("***") >= expected.count("***")
    if "'" not in uri:
        assert redacted_text(f"'{uri}' {word}") == f"'{expected}' {word}"


@given(st.one_of(uris().map(lambda drawn: drawn[0]), st.text(), st.text("ab:/?#&;=@[]'\" ")))
def test_redaction_never_fails_and_applying_it_twice_changes_nothing_more(text: str) -> None:
    for redaction in (redacted, redacted_text, without_credentials):
        assert redaction(redaction(text)) == redaction(text)


@given(uris())
def test_links_hold_no_credentials_at_all(drawn: tuple[str, str]) -> None:
    uri, expected = drawn
    scheme, _, rest = expected.partition("://")
    assert without_credentials(uri) == f"{scheme}://{rest.partition('@')[2]}"


@pytest.mark.parametrize(
    "uri",
    [
        "sqlite:///clt-runs/mlflow.db",
        "sqlite:////home/user@lab/runs:1/mlflow.db",
        "http://127.0.0.1:5000/#/experiments/1/runs?searchFilter=name%20%3D%20%27a%27",
        "http://host:5000/users/me@lab",
        "http://[::1]:5000/me@lab",
        "postgresql://mlflow@db.lab/mlflow",
        "wasbs://container@account.blob.core.windows.net/runs",
        "gs://bucket/runs",
        "databricks",
        "",
    ],
)
def test_uris_without_secrets_stay_as_they_are(uri: str) -> None:
    assert redacted(uri) == uri
    assert redacted_text(f"MLflow: {uri}") == f"MLflow: {uri}"


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("https://dapi123@dbc.example.com/", "https://***@dbc.example.com/"),
        ("postgresql://clt:pa/ss#w?rd@db.lab/mlflow", "postgresql://clt:***@db.lab/mlflow"),
        ("postgresql://clt:12/34@db.lab/mlflow", "postgresql://clt:***@db.lab/mlflow"),
        ("mssql+pyodbc:///?odbc_connect=SERVER%3Da%3BPWD%3Dhush&timeout=3",
         "mssql+pyodbc:///?odbc_connect=***&timeout=3"),
        ("https://lab/?next=https%3A%2F%2Fme%3Ahush%40db%2F", "https://lab/?next=***"),
        ("https://lab/#/runs?page=2&access_token=hush", "https://lab/#/runs?page=2&access_token=***"),
    ],
)  # fmt: skip
def test_secrets_in_unusual_places_are_redacted(uri: str, shown: str) -> None:
    assert redacted(uri) == shown


def test_a_quoted_password_may_contain_spaces_and_quotation_marks() -> None:
    for password in ("two words", "it's", 'say "hush"'):
        command = shlex.join(["clt-ray", "report", "--tracking-uri", f"postgresql://clt:{password}@db.lab/mlflow"])
        shown = redacted_text(command)
        assert "postgresql://clt:***@db.lab/mlflow" in shown, shown
        assert not any(part in shown for part in ("words", "two", "hush")), shown
