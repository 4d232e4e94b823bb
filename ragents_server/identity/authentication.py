"""The role: who holds a credential."""

from collections.abc import Sequence
from typing import Protocol

from ragents_server.caller import Caller


class Authenticator(Protocol):
    """Knows callers by their credentials."""

    async def authenticate(self, token: str) -> Caller | None:
        """The token's caller, None for one that is not known; StateUnavailable when that cannot be told now."""
        ...


class Chain:
    """Several authenticators: the first that knows the token tells its caller."""

    def __init__(self, authenticators: Sequence[Authenticator]) -> None:
        self._authenticators = tuple(authenticators)

    async def authenticate(self, token: str) -> Caller | None:
        """The token's caller, None when none of them knows it."""
        for authenticator in self._authenticators:
            if (caller := await authenticator.authenticate(token)) is not None:
                return caller
        return None
