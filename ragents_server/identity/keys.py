"""Static API keys: a file that maps the SHA-256 of a token to its caller."""

import re
from collections.abc import Mapping
from pathlib import Path

from ragents_server.caller import Caller
from ragents_server.errors import ConfigurationError
from ragents_server.identity.callers import caller_in, read_rows
from ragents_server.identity.tokens import hash_token

SETTING = "RAGENTS_KEYS"
HASH = re.compile(r"[0-9a-f]{64}")


class Keys:
    """Knows a caller by the hash of the token; a token itself is nowhere kept."""

    def __init__(self, callers: Mapping[str, Caller]) -> None:
        self._callers = dict(callers)

    async def authenticate(self, token: str) -> Caller | None:
        """The token's caller. The look-up is by hash, so its time tells nothing about a token."""
        return self._callers.get(hash_token(token).hex())


def read_keys(path: Path) -> Keys:
    """Reads `{"<sha256>": {"tenant": …, "user": …, "scopes": […], …}}`; ConfigurationError says what is wrong."""
    callers = {}
    for key, row in read_rows(path, setting=SETTING, names="SHA-256 hashes of tokens").items():
        where = f"{SETTING}: key {key[:8]}…"  # shortened in errors
        if not HASH.fullmatch(key):
            raise ConfigurationError(f"{where} is not a SHA-256 in 64 lower-case hexadecimal digits")
        callers[key] = caller_in(row, where)
    return Keys(callers)
