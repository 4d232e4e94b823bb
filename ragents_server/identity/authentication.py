"""The role: who holds a credential, a token or a certificate."""

from collections.abc import Sequence
from typing import Protocol

from ragents_server.caller import Caller
from ragents_server.identity.client_certificates import ClientCertificates


class Authenticator(Protocol):
    """Knows callers by their credentials."""

    async def authenticate(self, token: str) -> Caller | None:
        """The token's caller, None for one that is not known; StateUnavailable when that cannot be told now."""
        ...


class Chain:
    """Several authenticators: the first that knows the token tells its caller. Certificates count without a token."""

    def __init__(self, authenticators: Sequence[Authenticator], certificates: ClientCertificates | None = None) -> None:
        self._authenticators = tuple(authenticators)
        self.certificates = certificates

    async def authenticate(self, token: str) -> Caller | None:
        """The token's caller, None when none of them knows it."""
        for authenticator in self._authenticators:
            if (caller := await authenticator.authenticate(token)) is not None:
                return caller
        return None
