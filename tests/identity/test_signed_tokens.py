"""Tokens of an identity provider: whose count, who they are, and how often its keys are read."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from ragents_server.caller import Caller
from ragents_server.errors import ConfigurationError, StateUnavailable
from ragents_server.identifying import signed_tokens
from ragents_server.identity.key_sets import KeySet
from ragents_server.identity.signed_tokens import Provider, SignedTokens
from ragents_server.settings import Settings
from tests.identity_provider import CURVE, KEY, OTHER, identity_provider, public, token
from tests.identity_provider import Provider as IdentityProvider

ADA = Caller("acme", "ada", frozenset({"ask", "write"}), frozenset(), "NORMAL", "default")


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
async def server() -> AsyncIterator[IdentityProvider]:
    async with identity_provider() as running:
        yield running


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def tokens(server: IdentityProvider, clock: Clock) -> SignedTokens:
    return SignedTokens(
        Provider("https://id", "ragents", ("RS256", "ES256"), "tenant"), KeySet(server.url, clock=clock)
    )


async def test_a_signed_token_is_its_caller(tokens: SignedTokens) -> None:
    assert await tokens.authenticate(token()) == ADA
    assert await tokens.authenticate(token(CURVE, "curve", "ES256")) == ADA
    full = token(scope=["ask", "admin"], collections=["a"], tools=["date"], priority="HIGH", quota="large")
    expected = Caller("acme", "ada", frozenset({"ask", "admin"}), frozenset("a"), "HIGH", "large", frozenset({"date"}))
    assert await tokens.authenticate(full) == expected


@pytest.mark.parametrize(
    "wrong",
    [
        {"key": OTHER},
        {"kid": None},
        {"kid": "curve"},
        {"algorithm": "RS512"},
        {"key": "secret" * 10, "algorithm": "HS256"},
        {"key": None, "algorithm": "none"},
        {"exp": time.time() - 60},
        {"nbf": time.time() + 600},
        {"iss": "https://evil"},
        {"aud": "others"},
        *({name: None} for name in ("exp", "iss", "aud", "sub", "tenant")),
        *({"tenant": tenant} for tenant in ("", 1, ["acme"], "x" * 257)),
        *({name: value} for name in ("collections", "tools") for value in ("a", [], [1], {})),
        *({"priority": value} for value in ("HIGHEST", 1, ["HIGH"])),
        {"quota": 1},
    ],
    ids="-".join,
)
async def test_a_token_that_proves_too_little_is_nobodys(tokens: SignedTokens, wrong: dict[str, Any]) -> None:
    assert await tokens.authenticate(token(**wrong)) is None


@pytest.mark.parametrize("text", ["", "a", "..", "a.b.c", "\udcff..", "a." * 2 + "x" * 9000])
async def test_what_is_no_token_is_nobodys(tokens: SignedTokens, server: IdentityProvider, text: str) -> None:
    assert await tokens.authenticate(text) is None
    assert server.asked == 0


async def test_the_keys_are_read_once_for_all_and_at_most_every_ten_seconds(
    tokens: SignedTokens, server: IdentityProvider, clock: Clock
) -> None:
    assert await asyncio.gather(*(tokens.authenticate(token()) for _ in range(20))) == [ADA] * 20
    assert server.asked == 1
    server.keys.append(public("new", OTHER))
    fresh = token(OTHER, "new")
    for _ in range(20):
        assert await tokens.authenticate(fresh) is None
    assert server.asked == 1
    clock.now += 10
    assert await tokens.authenticate(fresh) == ADA
    assert server.asked == 2


async def test_a_caller_that_leaves_leaves_the_others_their_reading(
    tokens: SignedTokens, server: IdentityProvider
) -> None:
    first, second = (asyncio.create_task(tokens.authenticate(token())) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    assert await second == ADA
    assert server.asked == 1


async def test_a_key_that_the_provider_drops_ends_and_one_that_cannot_be_read_again_lasts_an_hour(
    tokens: SignedTokens, server: IdentityProvider, clock: Clock
) -> None:
    assert await tokens.authenticate(token()) == ADA
    server.status = 500
    clock.now += 3600
    assert await tokens.authenticate(token()) == ADA
    clock.now += 11
    with pytest.raises(StateUnavailable):
        await tokens.authenticate(token())
    server.status, server.keys = 200, [public("curve", CURVE)]
    clock.now += 10
    assert await tokens.authenticate(token()) is None


def test_what_is_set_by_halves_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "jwks.json"
    path.write_text(json.dumps({"keys": [public("one", KEY)]}))
    whole = {"identity": "jwt", "jwt_issuer": "https://id", "jwt_audience": "ragents", "jwt_keys": str(path)}
    assert signed_tokens(Settings(**whole))
    (tmp_path / "none").write_text('{"keys": [{"kty": "oct", "k": "c2VjcmV0", "kid": "one"}]}')
    wrong = [{"jwt_issuer": ""}, {"jwt_audience": ""}, {"jwt_keys": ""}, {"jwt_keys": "http://id.example/jwks"}]
    for part in (*wrong, {"jwt_keys": str(tmp_path / "absent")}, {"jwt_keys": str(tmp_path / "none")}):
        with pytest.raises(ConfigurationError, match=next(iter(part)).upper()):
            signed_tokens(Settings(**(whole | part)))


async def test_keys_may_come_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "jwks.json"
    path.write_text(json.dumps({"keys": [public("one", KEY)]}))
    settings = Settings(identity="jwt", jwt_issuer="https://id", jwt_audience="ragents", jwt_keys=str(path))
    assert await signed_tokens(settings).authenticate(token()) == ADA


@pytest.mark.parametrize("algorithms", ["", "HS256", "none", "RS256,HS256"])
def test_shared_secrets_never_sign(algorithms: str) -> None:
    with pytest.raises(ValueError, match="must be of"):
        Settings(jwt_algorithms=algorithms)
