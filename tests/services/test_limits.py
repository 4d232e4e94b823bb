"""What callers see of limits, through a real channel."""

import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import grpc
import pytest

from ragents_client import AsyncClient, RateLimited
from ragents_client.v1 import (
    DocumentServiceStub,
    GetDocumentRequest,
    ListDocumentsRequest,
    QueryRequest,
    QueryServiceStub,
    Question,
)
from tests.openai_server import openai_server
from tests.redis_servers import valkey_server
from tests.servers import bearer, keys_file, running_server
from tests.services.calls import details
from tests.services.processes import READINESS, SERVING, checked

SECONDS = 20
NONE = [("grpc.enable_retries", 0)]
LIST = ListDocumentsRequest()
LIMIT = 4000  # tokens a minute


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, Any]:
    keys = keys_file(
        tmp_path,
        ada={"tenant": "acme", "user": "ada", "scopes": ["ask", "write"]},
        bob={"tenant": "acme", "user": "bob"},
        gold={"tenant": "acme", "user": "gold", "quota": "gold"},
        service={"tenant": "acme", "user": "service", "scopes": ["ask", "act_for_users"]},
    )
    quotas = tmp_path / "quotas.json"
    quotas.write_text('{"gold": {"requests_per_minute": 600, "burst": 50}}')
    slow = {"requests_per_minute": 1, "requests_per_hour": 1000, "burst": 3}  # no token comes during a test
    return {"keys": keys, "quotas": quotas, "rate_limit_wait": 0, **slow}


async def asked(address: str, times: int, user: str = "ada", **metadata: str) -> list[grpc.aio.AioRpcError | Any]:
    """So many calls at once: a call that was answered, or its error."""
    async with grpc.aio.insecure_channel(address, NONE) as channel:
        list_documents = DocumentServiceStub(channel).ListDocuments
        calls = [list_documents(LIST, metadata=bearer(user, **metadata), timeout=SECONDS) for _ in range(times)]
        return [await _told(call) for call in calls]


async def _told(call: Any) -> Any:
    try:
        await call
    except grpc.aio.AioRpcError as error:
        return error
    return call


def refused(told: Iterable[Any]) -> list[grpc.aio.AioRpcError]:
    return [one for one in told if isinstance(one, grpc.aio.AioRpcError)]


async def test_a_refusal_tells_the_limit_the_exact_wait_and_the_state(settings: dict[str, Any]) -> None:
    async with running_server(**settings) as address:
        told = await asked(address, 4)
    (error,) = refused(told)
    assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert error.details() == "1 requests a minute for the user ada"
    found = details(error)
    assert found["ErrorInfo"].reason == "RATE_LIMITED"
    wait = found["RetryInfo"].retry_delay.ToNanoseconds() / 1e9
    assert 50 < wait <= 60
    assert found["QuotaFailure"].violations[0].subject.startswith("1 requests a minute")
    trailers = dict(error.trailing_metadata() or ())
    assert (trailers["x-ratelimit-limit"], trailers["x-ratelimit-remaining"]) == ("1", "0")
    assert (
        int(trailers["grpc-retry-pushback-ms"]) < 0
    )  # the wait is longer than the call: not to be sent again by itself


async def test_every_answer_tells_what_is_left(settings: dict[str, Any]) -> None:
    async with running_server(**settings) as address:
        told = await asked(address, 3)
        left = [dict(await call.trailing_metadata())["x-ratelimit-remaining"] for call in told]
        assert sorted(left) == ["0", "1", "2"]


async def test_each_user_has_its_own_tokens_also_behind_one_service(settings: dict[str, Any]) -> None:
    async with running_server(**settings) as address:
        for who in ({"user": "ada"}, {"user": "bob"}, *({"user": "service", "x_ragents_user": u} for u in "xy")):
            assert len(refused(await asked(address, 5, **who))) == 2


async def test_a_quota_of_its_own_for_a_class_of_callers(settings: dict[str, Any]) -> None:
    async with running_server(**settings) as address:
        assert not refused(await asked(address, 50, "gold"))


async def test_a_failed_call_costs_a_request_too_and_probes_none(settings: dict[str, Any]) -> None:
    async with running_server(**settings) as address, grpc.aio.insecure_channel(address, NONE) as channel:
        get = DocumentServiceStub(channel).GetDocument
        for _ in range(3):
            error = await _told(get(GetDocumentRequest(document_id="0" * 32), metadata=bearer("ada"), timeout=SECONDS))
            assert error.code() == grpc.StatusCode.NOT_FOUND
        for _ in range(20):
            assert await checked(channel, READINESS) == SERVING
        assert len(refused(await asked(address, 1))) == 1


async def test_by_default_a_call_waits_for_its_token(settings: dict[str, Any]) -> None:
    waiting = settings | {"rate_limit_wait": 30, "requests_per_minute": 600, "burst": 2}
    async with running_server(**waiting) as address:
        began = asyncio.get_running_loop().time()
        assert not refused(await asked(address, 8))
        assert asyncio.get_running_loop().time() - began >= 0.6  # six tokens of a tenth of a second


async def test_a_call_does_not_wait_longer_than_its_deadline(settings: dict[str, Any]) -> None:
    async with running_server(**settings | {"rate_limit_wait": 3000}) as address:
        await asked(address, 3)
        async with grpc.aio.insecure_channel(address, NONE) as channel:
            query = QueryServiceStub(channel).Query
            began = asyncio.get_running_loop().time()
            request = QueryRequest(question=Question(text="What is it?"))
            error = await _told(query(request, metadata=bearer("ada"), timeout=5))
            assert details(error)["ErrorInfo"].reason == "RATE_LIMITED"
            assert asyncio.get_running_loop().time() - began < 4


async def test_replicas_share_one_limit_and_each_gives_its_share_while_the_redis_is_away(
    settings: dict[str, Any],
) -> None:
    shared = settings | {"requests_per_hour": 0, "burst": 10}
    async with valkey_server() as server:
        given = shared | {"limits": server.url, "limits_timeout": 2}
        async with running_server(**given) as one, running_server(**given) as two:
            told = await asyncio.gather(*(asked(address, 100) for address in (one, two)))
            assert sum(100 - len(refused(each)) for each in told) == 10
            await asyncio.sleep(2.2)  # the replicas count each other every second
            await server.kill()
            told = await asyncio.gather(*(asked(address, 100, "bob") for address in (one, two)))
            assert [100 - len(refused(each)) for each in told] == [5, 5]


async def test_who_is_not_known_by_a_credential_has_no_limits_unless_they_are_set(tmp_path: Path) -> None:
    slow = {"requests_per_minute": 1, "burst": 3, "rate_limit_wait": 0}
    async with running_server(**slow) as address:
        assert not refused(await asked(address, 20))
    own = tmp_path / "own.json"
    own.write_text('{"local": {}}')
    async with running_server(**slow, quotas=own) as address:
        assert len(refused(await asked(address, 20))) == 17


@pytest.mark.parametrize("agent", ["", "react"])
async def test_a_models_tokens_are_limited_and_what_was_not_used_is_given_back(
    settings: dict[str, Any], agent: str
) -> None:
    async with openai_server(lambda _: "The mole is long [1].") as model:
        many = {"requests_per_minute": 0, "tokens_per_minute": LIMIT, "cache_answer": False}
        given = settings | many | {"chat_model": "openai:stub", "chat_url": model.url, "agents": "simple,react"}
        async with running_server(**given) as address, AsyncClient(address, token="ada") as client:
            await client.put_documents([("mole.txt", b"The mole is long.")])
            with pytest.raises(RateLimited, match=f"{LIMIT} tokens a minute for the user ada") as refused:
                for number in range(100):
                    question = f"How long is mole {number}?"
                    await (client.run(agent, question) if agent else client.query(question))
            assert 0 < (refused.value.retry_after or 0) <= 60
        assert len(model.requests) >= LIMIT / 500  # with estimates alone it would have been fewer
