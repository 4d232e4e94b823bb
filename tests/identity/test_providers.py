"""An identity provider and a whole server: whose tokens a running process serves, and what a check says of its keys."""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
import trustme

from ragents_client.v1 import DocumentServiceStub, ListCollectionsRequest
from tests.identity_provider import CURVE, OTHER, Provider, identity_provider, public, token
from tests.postgres_servers import data_folder, free_port
from tests.servers import bearer
from tests.services.processes import finished, ready

OK, UNKNOWN, DENIED = grpc.StatusCode.OK, grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED
JWT = {"identity": "jwt", "jwt_issuer": "https://id", "jwt_audience": "ragents"}


@pytest.fixture
def data() -> Iterator[Path]:
    with data_folder(ready=True) as folder:
        yield folder


@pytest.fixture
async def provider() -> AsyncIterator[Provider]:
    async with identity_provider() as running:
        yield running


async def outcome(channel: grpc.aio.Channel, given: str) -> grpc.StatusCode:
    call = DocumentServiceStub(channel).ListCollections(ListCollectionsRequest(), metadata=bearer(given), timeout=20)
    return await call.code()


async def test_a_running_server_serves_who_proves_enough_and_follows_a_rotation(data: Path, provider: Provider) -> None:
    async with ready(data=data, jwt_keys=provider.url, **JWT) as (_, channel):
        assert await outcome(channel, token()) is OK
        assert await outcome(channel, token(CURVE, "curve", "ES256")) is OK
        assert provider.asked == 1
        assert await outcome(channel, token(scope="openid")) is DENIED
        for wrong in (
            token(exp=time.time() - 60),
            token(aud="others"),
            token(iss="https://evil"),
            token(None, algorithm="none"),
            token("secret" * 10, algorithm="HS256"),
            token(OTHER),
            token(OTHER, "new"),
            "nonsense",
        ):
            assert await outcome(channel, wrong) is UNKNOWN
        provider.keys = [public("new", OTHER)]
        async with asyncio.timeout(30):  # it reads them at most every ten seconds
            while await outcome(channel, token(OTHER, "new")) is not OK:  # noqa: ASYNC110 - nothing tells when
                await asyncio.sleep(0.2)
        assert await outcome(channel, token()) is UNKNOWN  # signed by a key that the provider has no more


async def test_while_the_provider_is_away_a_running_server_says_that_it_cannot_tell(data: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}/jwks"
    async with ready(data=data, jwt_keys=url, **JWT) as (running, channel):
        assert await outcome(channel, token()) is grpc.StatusCode.UNAVAILABLE
        assert await outcome(channel, "nonsense") is UNKNOWN
        assert "it cannot be reached: Connection refused" in await running.until_it_says("identity provider")


async def test_a_check_reads_the_providers_keys(data: Path, provider: Provider) -> None:
    status, out, _ = await finished("--check", data=data, jwt_keys=provider.url, **JWT)
    assert status == 0
    assert "identity provider: 2 keys for ES256, RS256: ok" in out.splitlines()
    assert provider.asked == 1


@pytest.mark.parametrize(
    ("answered", "said"),
    [
        ({"status": 503}, "it answers with HTTP 503"),
        ({"text": "<html>sign in, hunter2</html>"}, "its answer is not JSON"),
        ({"text": '{"keys": []}'}, "it has no key for signatures"),
        ({"text": '["hunter2"]'}, "it has no key for signatures"),
        ({"text": "[" + " " * 2**20 + "]"}, "its answer is too large or too slow"),
        ({"keys": [public("curve", CURVE)]}, "its keys are for ES256; see RAGENTS_JWT_ALGORITHMS"),
        ({"silent": True}, "no answer within 5 s"),
    ],
    ids=lambda value: "" if isinstance(value, dict) else value[:32],
)
async def test_a_check_says_what_is_wrong_with_them(
    data: Path, provider: Provider, answered: dict[str, Any], said: str
) -> None:
    for name, value in answered.items():
        setattr(provider, name, value)
    status, out, error = await finished("--check", data=data, jwt_keys=provider.url, jwt_algorithms="RS256", **JWT)
    assert status == 1
    assert f"identity provider: {said}" in out.splitlines()
    assert out.splitlines()[-1] == "not ready"
    assert "hunter2" not in out + error
    assert "Traceback" not in error


async def test_a_check_tells_a_provider_that_is_away_from_one_that_is_not_trusted(data: Path) -> None:
    away = f"https://127.0.0.1:{free_port()}/jwks"
    _, out, _ = await finished("--check", data=data, jwt_keys=away, **JWT)
    assert "identity provider: it cannot be reached: Connection refused" in out.splitlines()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    async with identity_provider(context) as stranger:
        status, out, _ = await finished("--check", data=data, jwt_keys=stranger.url, **JWT)
    assert status == 1
    assert "identity provider: its certificate is not trusted: " in out
