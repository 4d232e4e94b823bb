"""`ragents-server keys` beside a running server: made, used, listed, revoked, refused."""

import hashlib
import json
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import grpc
import psutil
import pytest

from ragents_client.v1 import (
    AgentServiceStub,
    DeleteCollectionRequest,
    DocumentServiceStub,
    GetThreadRequest,
    ListCollectionsRequest,
    ListThreadsRequest,
    Question,
    RunRequest,
    Turn,
)
from ragents_server.words import parser
from tests.postgres_servers import data_folder, free_port
from tests.servers import bearer
from tests.services.calls import details
from tests.services.processes import Running, family, finished, ready


@pytest.fixture
def data() -> Iterator[Path]:
    with data_folder(ready=True) as folder:
        yield folder


@pytest.fixture
async def server(data: Path) -> AsyncIterator[tuple[Running, grpc.aio.Channel]]:
    """One that trusts nothing it looked up before."""
    async with ready(data=data, identity="keys", keys_ttl=0, log_level="DEBUG") as both:
        yield both


async def created(data: Path, *words: str) -> tuple[str, str]:
    """A key's id and token."""
    status, out, said = await finished("keys", "create", *words, data=data, identity="keys")
    assert status == 0, said
    token, said_id = out.removesuffix("\n"), re.fullmatch(r"made (key_[0-9a-f]{16})\n", said)
    assert re.fullmatch(r"rag_[A-Za-z0-9_-]{43}", token)
    assert said_id is not None, said
    return said_id[1], token


async def status_of(call: Any) -> Any:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value


async def test_a_key_made_beside_the_server_counts_until_it_is_revoked(
    data: Path, server: tuple[Running, grpc.aio.Channel]
) -> None:
    running, channel = server
    documents = DocumentServiceStub(channel)
    error = await status_of(documents.ListCollections(ListCollectionsRequest(), timeout=20))
    assert error.code() == grpc.StatusCode.UNAUTHENTICATED
    key, token = await created(data, "--tenant", "acme", "--label", "of the tests", "--expires-in", "1")
    held: dict[str, Any] = {"metadata": bearer(token), "timeout": 20}
    await documents.ListCollections(ListCollectionsRequest(), **held)
    error = await status_of(documents.DeleteCollection(DeleteCollectionRequest(collection="c"), **held))
    assert error.code() == grpc.StatusCode.PERMISSION_DENIED

    status, out, _ = await finished("keys", "list", data=data)
    assert status == 0
    assert f"{key}\tactive\tacme\tacme\task\t" in out
    status, listed, _ = await finished("keys", "list", "--json", data=data)
    assert [(one["id"], one["state"], one["label"]) for one in json.loads(listed)] == [(key, "active", "of the tests")]

    status, said, _ = await finished("keys", "revoke", key, data=data)
    assert (status, said.split(";")[0]) == (0, f"revoked {key}")
    error = await status_of(documents.ListCollections(ListCollectionsRequest(), **held))
    assert error.code() == grpc.StatusCode.UNAUTHENTICATED
    status, after, _ = await finished("keys", "list", data=data)
    assert f"{key}\trevoked\t" in after

    digest = hashlib.sha256(token.encode()).hexdigest()
    commands = [psutil.Process(process).cmdline() for process in family(running.process.pid)]
    running.process.terminate()
    await running.ended()  # reads the rest of its log
    for text in (str(commands), out, listed, after, said, str(error), "".join(running.log)):
        assert token not in text
        assert digest not in text


async def test_two_users_behind_one_service_do_not_see_each_others_threads(
    data: Path, server: tuple[Running, grpc.aio.Channel]
) -> None:
    _, channel = server
    _, token = await created(data, "--tenant", "acme", "--user", "service", "--scopes", "ask,act_for_users")
    agents = AgentServiceStub(channel)

    def acting(user: str) -> dict[str, Any]:
        return {"metadata": bearer(token, x_ragents_user=user), "timeout": 60}

    turn = Turn(agent="simple", request_id=uuid4().hex, question=Question(text="Who is there?"))
    thread = (await agents.Run(RunRequest(turn=turn), **acting("ada"))).run.thread_id
    assert (await agents.GetThread(GetThreadRequest(thread_id=thread), **acting("ada"))).thread.id == thread
    foreign = await status_of(agents.GetThread(GetThreadRequest(thread_id=thread), **acting("bob")))
    absent = await status_of(agents.GetThread(GetThreadRequest(thread_id=uuid4().hex), **acting("bob")))
    assert foreign.code() == absent.code() == grpc.StatusCode.NOT_FOUND
    assert foreign.details() == absent.details()
    assert details(foreign) == details(absent)
    assert not (await agents.ListThreads(ListThreadsRequest(), **acting("bob"))).threads


async def test_the_first_key_needs_no_server_and_says_what_a_server_needs(data: Path) -> None:
    status, out, said = await finished("keys", "create", "--tenant", "acme", "--json", data=data)
    assert status == 0
    assert json.loads(out).keys() == {"id", "token"}
    assert "RAGENTS_IDENTITY=keys" in said
    status, out, _ = await finished("keys", "revoke", "key_of_nobody", data=data)
    assert (status, out) == (1, "there is no key key_of_nobody\n")


async def test_a_database_that_is_away_is_told_in_one_line() -> None:
    status, out, said = await finished("keys", "list", database=f"postgresql://u:hunter2@127.0.0.1:{free_port()}/d")
    assert (status, out, said.count("\n")) == (1, "", 1)
    assert "hunter2" not in said


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["create"],
        ["create", "--tenant", ""],
        ["create", "--tenant", "a\nb"],
        ["create", "--tenant", "x" * 257],
        ["create", "--tenant", "a", "--scopes", ""],
        ["create", "--tenant", "a", "--scopes", "ask,rule"],
        ["create", "--tenant", "a", "--collections", "a,,b"],
        ["create", "--tenant", "a", "--priority", "HIGHEST"],
        *(["create", "--tenant", "a", "--expires-in", days] for days in ("0", "-1", "nan", "soon", "1e9")),
        ["revoke"],
    ],
    ids=" ".join,
)
def test_words_that_make_no_sense_are_refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parser().parse_args(["keys", *words])
    assert ended.value.code == 2
    assert "usage: ragents-server keys" in capsys.readouterr().err
