"""Removes secrets from URIs before they are shown, logged or written into a report.

**Contract.** `redacted` replaces the password of `user:password@host` and the values of query parameters with secret
names by `***` and keeps every other character. `redacted_text` does the same for every URI inside a longer text, such
as a command line or an error message. `without_credentials` returns a URI that a page can link to. All three accept any
string, malformed URIs included, and applying them twice changes nothing more.

**Example.** `redacted("postgresql://clt:s3cret@db.lab/mlflow?sslmode=require")` is
`"postgresql://clt:***@db.lab/mlflow?sslmode=require"`.

URIs are cut at their delimiters instead of being parsed with `urlsplit` and put together again: `urlsplit` raises on
malformed hosts and normalises what it accepts, and redaction must neither fail nor change the rest of a URI.
"""

import re
from typing import Final
from urllib.parse import unquote_plus

HIDDEN: Final = "***"

_SECRET_NAMES: Final = re.compile(
    r"passw|passphrase|pwd|secret|token|credential|signature"
    r"|(^|[^a-z])(sig|sas|auth|pass)($|[^a-z])"
    r"|(^|[^a-z]|api|access|account|private|shared|ssl)key$",
    re.IGNORECASE,
)
_PARAMETER: Final = re.compile(r"(?P<name>[?&#;][^=&#?;]*)=(?P<value>[^&#]+)")
_SCHEME: Final = r"[A-Za-z][A-Za-z0-9+.\-]*://"
_QUOTED: Final = re.compile(rf"(?P<quote>['\"])(?P<uri>{_SCHEME}[^\n]*?)(?P=quote)")
_BARE: Final = re.compile(rf"(?P<uri>{_SCHEME}\S+?)(?P<after>['\"`)\]}}>,.:;]*(?=\s|$))")
# A raw slash, question mark or hash sign belongs to a password as SQLAlchemy reads it: everything up to the next @.
_RAW_PASSWORD: Final = re.compile(r"[^:/?#@\[]*:(?P<password>[^@]*)@")


def redacted(uri: str) -> str:
    """Returns the URI with its password and the values of secret query parameters replaced by `***`.

    A user name alone stays (`postgresql://mlflow@host`), except for http and https, where it is usually an access
    token. A text without a scheme is returned as it is.
    """
    scheme, separator, rest = uri.partition("://")
    if not separator:
        return uri
    user, password, rest = _credentials(scheme, rest)
    if password:
        user = f"{user}:{HIDDEN}"
    elif user and _is_http(scheme):
        user = HIDDEN
    return f"{scheme}://{user}{'@' if user else ''}{_without_secret_values(rest)}"


def redacted_text(text: str) -> str:
    """Returns the text with every URI in it redacted.

    A URI ends at white space, without the punctuation before it, or at the closing quotation mark where one opens
    directly before it.
    """
    text = _QUOTED.sub(lambda match: f"{match['quote']}{redacted(match['uri'])}{match['quote']}", text)
    return _BARE.sub(lambda match: f"{redacted(match['uri'])}{match['after']}", text)


def without_credentials(uri: str) -> str:
    """Returns the URI without user name and password, and with secret query values replaced, for use in a link.

    A browser would send the `***` of `redacted` as a password.
    """
    scheme, separator, rest = uri.partition("://")
    return f"{scheme}://{_without_secret_values(_credentials(scheme, rest)[2])}" if separator else uri


def _credentials(scheme: str, rest: str) -> tuple[str, str, str]:
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    if "@" in authority:
        userinfo, _, host = authority.rpartition("@")
        user, _, password = userinfo.partition(":")
        return user, password, host + rest[len(authority) :]
    match = _RAW_PASSWORD.match(rest)
    if match is None or (_is_http(scheme) and re.fullmatch(r".*:\d*", authority)):
        # Of an http address, digits after the colon are a port.
        return "", "", rest
    return rest[: match.start("password") - 1], match["password"], rest[match.end() :]


def _is_http(scheme: str) -> bool:
    return scheme.lower().rpartition("+")[2] in ("http", "https")


def _without_secret_values(rest: str) -> str:
    def hidden(match: re.Match[str]) -> str:
        secret = is_secret_name(match["name"][1:]) or _holds_secret(match["value"])
        return f"{match['name']}={HIDDEN}" if secret else match.group()

    return _PARAMETER.sub(hidden, rest)


def is_secret_name(name: str) -> bool:
    """Returns whether the name of a parameter or a variable says that its value is a secret."""
    return _SECRET_NAMES.search(unquote_plus(name).strip()) is not None


def _holds_secret(value: str) -> bool:
    """Whether a value is itself a connection string or a URI with a secret, as in SQLAlchemy's `odbc_connect`."""
    decoded = unquote_plus(value)
    names = (part.partition("=")[0] for part in re.split(r"[;&?\s]", decoded) if "=" in part)
    return any(map(is_secret_name, names)) or redacted(decoded) != decoded
