"""The keys that an identity provider signs with (JWKS), from a URL or a file; read off the event loop, and kept."""

import asyncio
import json
import logging
import ssl
import time
import urllib.request
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit

import jwt

from ragents_server.errors import ConfigurationError, StateUnavailable

log = logging.getLogger(__name__)

FRESH = 300.0  # seconds after which keys are read again
STALE = 3600.0  # seconds that they count when they cannot be
PAUSE = 10.0  # seconds between two readings at least, whatever tokens come
READ_SECONDS = 5.0
LARGEST = 2**20  # bytes
SIGNING = frozenset({"RSA", "EC", "OKP"})  # never a shared secret


class KeySet:
    """The signing keys by their id."""

    def __init__(self, source: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._source = source
        self._clock = clock
        self._keys: dict[str, jwt.PyJWK] = {}
        self._read_at = self._tried_at = float("-inf")
        self._reading: asyncio.Task[None] | None = None

    async def find(self, key: str) -> jwt.PyJWK | None:
        """The key of this id, None when the provider has none; StateUnavailable when its keys cannot be had."""
        if self._wants(key):
            await asyncio.shield(self._read_now())  # whoever leaves leaves the others theirs
        if self._clock() - self._read_at > STALE:
            raise StateUnavailable("the keys of the identity provider cannot be read now")
        return self._keys.get(key)

    def _wants(self, key: str) -> bool:
        now = self._clock()
        if key in self._keys and now - self._read_at <= FRESH:
            return False
        return self._reading is not None or now - self._tried_at >= PAUSE

    def _read_now(self) -> "asyncio.Task[None]":
        """The reading under way, or one that begins."""
        if self._reading is None:
            self._reading = asyncio.create_task(self._refresh(), name="reading an identity provider's keys")
            self._reading.add_done_callback(self._ended)
        return self._reading

    def _ended(self, reading: "asyncio.Task[None]") -> None:
        self._reading = None
        if not reading.cancelled():
            reading.exception()  # seen, though all who waited have left

    async def _refresh(self) -> None:
        self._tried_at = begun = self._clock()
        try:
            self._keys = await fetched(self._source)
        except (OSError, ValueError, HTTPException) as error:  # TimeoutError is an OSError
            log.warning("the keys of the identity provider cannot be read: %s", why(error))
            return
        self._read_at = begun

    async def aclose(self) -> None:
        """Ends a reading under way."""
        if (reading := self._reading) is not None:
            reading.cancel()
            await asyncio.wait([reading])


async def fetched(source: str) -> dict[str, jwt.PyJWK]:
    """The keys by id; OSError, ValueError or HTTPException when they cannot be had within seconds."""
    async with asyncio.timeout(READ_SECONDS + 1):
        return parsed(await asyncio.to_thread(read, source))


def why(error: Exception) -> str:
    """What is wrong with the provider's keys, without a word of what it answered."""
    if isinstance(error, HTTPError):
        return f"it answers with HTTP {error.code}"
    cause = error.reason if isinstance(error, URLError) else error
    if isinstance(cause, TimeoutError):
        return f"no answer within {READ_SECONDS:g} s"
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {cause.verify_message}"
    if isinstance(cause, OSError):
        return f"it cannot be reached: {cause.strerror or type(cause).__name__}"
    if isinstance(cause, json.JSONDecodeError | UnicodeDecodeError):
        return "its answer is not JSON"
    return str(cause) if isinstance(cause, Unusable) else f"its answer cannot be read ({type(cause).__name__})"


class Unusable(ValueError):
    """A document that is no set of keys; the text is ours."""


class _Straight(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        """Follows nowhere: the keys come from where the setting says."""


def read(source: str) -> bytes:
    """The document; OSError when it cannot be had in READ_SECONDS, ValueError when it is too large."""
    if urlsplit(source).scheme not in ("http", "https"):
        return Path(source).read_bytes()
    until = time.monotonic() + READ_SECONDS
    opener = urllib.request.build_opener(_Straight)
    content = b""
    with opener.open(source, timeout=READ_SECONDS) as response:
        while part := response.read1(2**16):
            content += part
            if len(content) > LARGEST or time.monotonic() > until:
                raise Unusable("its answer is too large or too slow")
    return content


def parsed(document: bytes) -> dict[str, jwt.PyJWK]:
    """The keys for signatures by id; ValueError when there are none. Those of unknown kinds are left out."""
    content = json.loads(document)
    rows = content.get("keys") if isinstance(content, dict) else None
    found = {}
    for row in rows if isinstance(rows, list) else ():
        if not isinstance(row, dict) or row.get("kty") not in SIGNING or row.get("use", "sig") != "sig":
            continue
        try:
            found[str(row["kid"])] = jwt.PyJWK.from_dict(row)
        except (jwt.PyJWTError, KeyError, ValueError, TypeError):
            log.warning("a key of the identity provider is left out: it cannot be read")
    if not found:
        raise Unusable("it has no key for signatures")
    return found


def require_sound(source: str) -> None:
    """ConfigurationError for a place that strangers could speak for, or a file without keys."""
    parts = urlsplit(source)
    if parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in ("127.0.0.1", "::1", "localhost")):
        return
    if parts.scheme == "http":
        raise ConfigurationError("RAGENTS_JWT_KEYS: needs https, or a file; http is for loopback")
    try:
        parsed(Path(source).read_bytes())
    except OSError as error:
        raise ConfigurationError(f"RAGENTS_JWT_KEYS: cannot read the file: {error.strerror}") from None
    except ValueError:
        raise ConfigurationError("RAGENTS_JWT_KEYS: the file is no JWKS with a key for signatures") from None
