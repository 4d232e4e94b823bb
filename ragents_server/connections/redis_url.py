"""Where a Redis is: its URL as what redis-py takes; one server or the first nodes of a cluster, plain or over TLS."""

import ssl
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from ragents_server.errors import ConfigurationError

PORT = 6379
SCHEMES = ("redis", "rediss", "unix", "redis+cluster", "rediss+cluster")
EXPECTED = (
    "expected redis://[user:password@]host[:port][/number], rediss://… (TLS), unix:///path or "
    "redis+cluster://host:port[,host:port]"
)
TLS_OPTIONS = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_check_hostname")
NO = ("0", "f", "false", "n", "no")


@dataclass(frozen=True, slots=True)
class Place:
    """What a URL names; the text of it holds no secret."""

    hosts: tuple[tuple[str, int], ...]  # none where there is a path
    path: str
    cluster: bool
    secure: bool
    options: dict[str, Any] = field(repr=False)  # of redis-py's connections: who we are, which database, certificates

    def __str__(self) -> str:
        return self.path or ", ".join(f"{host}:{port}" for host, port in self.hosts)


def parsed(url: str, setting: str) -> Place:
    """Raises ConfigurationError, which begins with the setting and shows nothing of the URL: it may hold a password."""
    try:
        return _parsed(urlsplit(url))
    except _Wrong as error:
        raise ConfigurationError(f"{setting}: {error}") from None
    except ValueError:  # its text may show a part of the URL
        raise ConfigurationError(f"{setting}: {EXPECTED}") from None


class _Wrong(ValueError):
    """A value with an explanation that shows no secret."""


def _parsed(parts: SplitResult) -> Place:
    if parts.scheme not in SCHEMES or parts.fragment:
        raise _Wrong(EXPECTED)
    secure, cluster = parts.scheme.startswith("rediss"), parts.scheme.endswith("+cluster")
    credentials, _, hosts = parts.netloc.rpartition("@")
    options = _options(parts, secure=secure) | _credentials(credentials)
    if parts.scheme == "unix":
        if not parts.path or hosts:
            raise _Wrong(EXPECTED)
        return Place((), unquote(parts.path), cluster=False, secure=False, options=options)
    if "," in hosts and not cluster:
        raise _Wrong("several hosts are for redis+cluster:// and rediss+cluster://")
    if cluster and options.pop("db"):
        raise _Wrong("a cluster has no numbered databases")
    return Place(tuple(_host(host) for host in hosts.split(",")), "", cluster, secure, options)


def _host(text: str) -> tuple[str, int]:
    parts = urlsplit(f"//{text}")
    if not parts.hostname:
        raise _Wrong(EXPECTED)
    return unquote(parts.hostname), parts.port or PORT


def _credentials(text: str) -> dict[str, Any]:
    user, _, password = text.partition(":")
    return {name: unquote(word) for name, word in (("username", user), ("password", password)) if word}


def _options(parts: SplitResult, *, secure: bool) -> dict[str, Any]:
    """The database's number, and over TLS the certificates, which are verified: by those named or the system's."""
    given = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
    allowed = ("db", *(TLS_OPTIONS if secure else ()))
    if any(name not in allowed for name in given):
        raise _Wrong(f"its options are {', '.join(allowed)}")
    number = given.pop("db", "") or ("" if parts.scheme == "unix" else parts.path.strip("/")) or "0"
    if not number.isdecimal():
        raise _Wrong("the number of the database is not a number")
    options: dict[str, Any] = {"db": int(number), **given}
    if secure:
        checked = given.get("ssl_check_hostname", "").lower() not in NO
        _check_certificates(given)
        options |= {"ssl_cert_reqs": "required", "ssl_check_hostname": checked}
    return options


def _check_certificates(options: dict[str, str]) -> None:
    """At the start, rather than at the first connection."""
    try:
        context = ssl.create_default_context(cafile=options.get("ssl_ca_certs"))
        if "ssl_certfile" in options:
            context.load_cert_chain(options["ssl_certfile"], options.get("ssl_keyfile"))
    except OSError as error:  # ssl.SSLError is one
        raise _Wrong(f"its certificates cannot be read ({error.strerror or type(error).__name__})") from None
