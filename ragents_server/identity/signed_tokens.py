"""Tokens that an identity provider signed (JWT): who their claims say the caller is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jwt

from ragents_server.caller import PRIORITIES, SCOPES, Caller
from ragents_server.identity.key_sets import KeySet

LONGEST = 8192  # characters of a token
LEEWAY = 30  # seconds that clocks may differ
REQUIRED = ["exp", "iss", "aud", "sub"]


@dataclass(frozen=True, slots=True)
class Provider:
    """Whose tokens count, for whom they must be made, and how they may be signed."""

    issuer: str
    audience: str
    algorithms: Sequence[str]
    tenant_claim: str


class SignedTokens:
    """Knows callers by the tokens of one provider."""

    def __init__(self, provider: Provider, keys: KeySet) -> None:
        self._provider = provider
        self._keys = keys

    async def authenticate(self, token: str) -> Caller | None:
        """The token's caller; StateUnavailable while the provider's keys cannot be had."""
        if token.count(".") != 2 or len(token) > LONGEST:
            return None
        try:
            header = jwt.get_unverified_header(token)
        except (jwt.PyJWTError, ValueError):
            return None
        kid = header.get("kid")
        if header.get("alg") not in self._provider.algorithms or not isinstance(kid, str):
            return None
        key = await self._keys.find(kid)
        claims = None if key is None else self._verified(token, key)
        return None if claims is None else caller_of(claims, self._provider.tenant_claim)

    async def aclose(self) -> None:
        """Ends what is under way."""
        await self._keys.aclose()

    def _verified(self, token: str, key: jwt.PyJWK) -> dict[str, Any] | None:
        provider = self._provider
        try:
            return jwt.decode(
                token,
                key,
                algorithms=list(provider.algorithms),
                issuer=provider.issuer,
                audience=provider.audience,
                leeway=LEEWAY,
                options={"require": REQUIRED},
            )
        except (jwt.PyJWTError, ValueError, TypeError):  # whatever it is, it is no proof
            return None


def caller_of(claims: Mapping[str, Any], tenant_claim: str) -> Caller | None:
    """Who the claims say; None where one of them is malformed, for a misread list would grant everything."""
    tenant, user = claims.get(tenant_claim), claims.get("sub")
    quota, priority = claims.get("quota", "default"), claims.get("priority", "NORMAL")
    scope = claims.get("scope", "")
    scopes = set(scope.split() if isinstance(scope, str) else _names(scope) or ())
    collections, tools = (_names(claims[name]) if name in claims else frozenset() for name in ("collections", "tools"))
    if collections is None or tools is None or not isinstance(priority, str) or priority not in PRIORITIES:
        return None
    if not all(isinstance(text, str) and 0 < len(text) <= 256 for text in (tenant, user, quota)):
        return None
    return Caller(
        tenant=str(tenant),
        user=str(user),
        scopes=frozenset(scopes & set(SCOPES)),
        collections=collections,
        priority=priority,
        quota=quota,
        tools=tools,
    )


def _names(given: Any) -> frozenset[str] | None:
    """A list of names that has some, None for anything else."""
    if not isinstance(given, list) or not given or not all(isinstance(one, str) and one for one in given):
        return None
    return frozenset(given)
