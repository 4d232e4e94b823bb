"""How the client speaks to servers: what is sent again, which server is asked, and how a token travels."""

import asyncio
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from ragents_client import AsyncClient, Client, ClientClosed, Draining, MessageTooLarge, RagentsError, Unreachable
from ragents_client.channel import hosts_of, is_loopback, service_config
from ragents_client.contract import all_methods
from ragents_client.testing import ReceivedCall, scripted_server
from ragents_client.v1 import Answer, QueryResponse, QueryServiceServicer, add_QueryServiceServicer_to_server

ANSWER = Answer(text="Mole 2 [1].")


def test_only_what_does_nothing_twice_is_sent_again() -> None:
    unmarked = health_pb2.DESCRIPTOR.services_by_name["Health"].methods_by_name["Check"]  # has no idempotency_level
    (method,) = json.loads(service_config([*all_methods(), unmarked]))["methodConfig"]
    names = {f"{one['service']}/{one['method']}" for one in method["name"]}
    assert "ragents.v1.QueryService/Query" in names
    assert "grpc.health.v1.Health/Check" not in names
    assert method["retryPolicy"]["retryableStatusCodes"] == ["UNAVAILABLE", "RESOURCE_EXHAUSTED"]
    assert json.loads(service_config([unmarked]))["methodConfig"] == []


@pytest.mark.parametrize(
    ("address", "hosts", "loopback"),
    [
        ("localhost:50051", ["localhost"], True),
        ("127.0.0.1:50051", ["127.0.0.1"], True),
        ("[::1]:50051", ["::1"], True),
        ("::1", ["::1"], True),
        ("ipv6:[::1]:50051", ["::1"], True),
        ("dns:///localhost:50051", ["localhost"], True),
        ("dns://8.8.8.8/ragents:50051", ["ragents"], False),
        ("ipv4:127.0.0.1:1,10.0.0.1:1", ["127.0.0.1", "10.0.0.1"], False),
        ("unix:/run/ragents.sock", [], True),
        ("ragents-headless:50051", ["ragents-headless"], False),
        ("localhost.example.com:50051", ["localhost.example.com"], False),
        ("xds:///localhost", ["xds"], False),
    ],
)
def test_an_address_is_loopback_only_when_all_of_it_is(address: str, hosts: list[str], loopback: bool) -> None:
    assert hosts_of(address) == hosts
    assert is_loopback(address) is loopback


@pytest.mark.parametrize("kind", [Client, AsyncClient])
def test_a_token_is_not_sent_in_the_clear_unless_asked_for(kind: Any) -> None:
    with pytest.raises(ValueError, match="unencrypted to ragents:50051") as caught:
        kind("ragents:50051", token="secret")
    assert "secret" not in str(caught.value)
    kind("ragents:50051", token="secret", insecure_token=True)
    kind("ragents:50051", token="secret", tls=True)
    kind("ragents:50051")


@pytest.mark.parametrize("kind", [Client, AsyncClient])
def test_a_token_is_never_shown(kind: Any) -> None:
    client = kind("localhost:1", token="secret")
    assert "localhost:1" in repr(client)
    assert not [name for name, value in vars(client).items() if "secret" in repr(value)]


@contextmanager
def checked_server(status: int, text: str) -> Iterator[str]:
    """A server with the standard health service, whose answers name it."""

    class Query(QueryServiceServicer):
        def Query(self, request: Any, context: Any) -> QueryResponse:
            return QueryResponse(answer=Answer(text=text))

    server = grpc.server(ThreadPoolExecutor(4))
    add_QueryServiceServicer_to_server(Query(), server)
    checks = health.HealthServicer()
    checks.set("", status)
    health_pb2_grpc.add_HealthServicer_to_server(checks, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}"
    checks.enter_graceful_shutdown()
    server.stop(0).wait(5)


def test_only_healthy_servers_are_asked_each_in_turn(connect: Any) -> None:
    serving, not_serving = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING
    with (
        checked_server(serving, "a") as a,
        checked_server(not_serving, "b") as b,
        checked_server(serving, "c") as c,
        connect(f"ipv4:{a},{b},{c}") as rag,
    ):
        answers = {rag.query("who?").text for _ in range(8)}
        while len(answers) < 2:  # the second healthy one may still be connecting
            answers.add(rag.query("who?").text)
    assert answers == {"a", "c"}


def test_a_server_that_comes_later_is_waited_for_where_asked(connect: Any) -> None:
    with scripted_server({}) as server:
        address = server.address
    with connect(address) as rag, pytest.raises(Unreachable):
        rag.query("who?")
    port = int(address.rpartition(":")[2])
    started: list[Any] = []
    timer = threading.Timer(0.3, lambda: started.append(scripted_server({"Query": ANSWER}, port)))
    timer.start()
    with connect(address, wait_for_ready=True) as rag:
        assert rag.query("who?", timeout=30) == ANSWER
    timer.join()
    started[0].close()


def test_the_servers_own_wait_holds_the_next_attempt_back(connect: Any) -> None:
    def drain(call: ReceivedCall) -> Any:
        call.context.set_trailing_metadata((("grpc-retry-pushback-ms", "-1"),))  # negative: do not try again
        call.context.abort(grpc.StatusCode.UNAVAILABLE, "going")

    with scripted_server({"Query": drain}) as server, connect(server.address) as rag, pytest.raises(Unreachable):
        rag.query("who?")
    assert server.count("Query") == 1


def refusing(code: grpc.StatusCode, pushback: int, times: int = 1) -> Any:
    """Refuses so often, then answers."""
    left = [pushback] * times

    def serve(call: ReceivedCall) -> Any:
        if left:
            call.context.set_trailing_metadata((("grpc-retry-pushback-ms", str(left.pop())),))
            call.context.abort(code, "not now")
        return ANSWER

    return serve


@pytest.mark.parametrize("code", [grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.UNAVAILABLE])
def test_a_refusal_that_names_a_wait_is_sent_again_after_it(connect: Any, code: grpc.StatusCode) -> None:
    with scripted_server({"Query": refusing(code, 700)}) as server, connect(server.address) as rag:
        began = time.monotonic()
        assert rag.query("who?") == ANSWER
        assert time.monotonic() - began >= 0.7
        assert server.count("Query") == 2


@pytest.mark.parametrize("code", [grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.UNAVAILABLE])
def test_a_refusal_that_is_not_to_be_sent_again_is_told_at_once(connect: Any, code: grpc.StatusCode) -> None:
    with scripted_server({"Query": refusing(code, -1)}) as server, connect(server.address) as rag:
        with pytest.raises(RagentsError):
            rag.query("who?")
        assert server.count("Query") == 1


def test_an_answer_beyond_the_usual_4_mb_arrives(connect: Any) -> None:
    text = "x" * 8_000_000
    with scripted_server({"Query": Answer(text=text)}) as server, connect(server.address) as rag:
        assert rag.query("who?").text == text


def test_a_request_beyond_the_limit_is_named(connect: Any) -> None:
    with scripted_server({}) as server, connect(server.address) as rag, pytest.raises(MessageTooLarge):
        rag.query("x" * 65_000_000)


def test_tls_carries_the_token_and_only_to_who_the_certificate_names(connect: Any) -> None:
    seen: list[dict[str, Any]] = []

    class Query(QueryServiceServicer):
        def Query(self, request: Any, context: Any) -> QueryResponse:
            seen.append(dict(context.invocation_metadata()))
            return QueryResponse(answer=ANSWER)

    roots = Path(__file__).with_name("localhost.pem")
    pair = (roots.with_suffix(".key").read_bytes(), roots.read_bytes())
    server = grpc.server(ThreadPoolExecutor(4))
    add_QueryServiceServicer_to_server(Query(), server)
    port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([pair]))
    server.start()
    with connect(f"localhost:{port}", tls=roots, token="secret") as rag:
        assert rag.query("who?") == ANSWER
    assert seen[0]["authorization"] == "Bearer secret"
    for trust in (True, False):  # the usual roots do not know it; plaintext it does not speak
        with connect(f"localhost:{port}", tls=trust) as rag, pytest.raises(Unreachable):
            rag.query("who?")
    server.stop(0).wait(5)


async def test_closing_a_client_ends_its_calls_without_cancelling_their_tasks() -> None:
    arrived, over = threading.Event(), threading.Event()

    def hang(call: ReceivedCall) -> Any:
        arrived.set()
        over.wait(30)
        return Draining("over")

    with scripted_server({"Query": hang}) as server:
        rag = AsyncClient(server.address)
        asking = asyncio.create_task(rag.query("who?"))
        assert await asyncio.to_thread(arrived.wait, 30)
        await rag.aclose()
        with pytest.raises(ClientClosed, match="during the call"):
            await asking
        over.set()


def test_closing_a_blocking_client_ends_its_calls() -> None:
    over = threading.Event()

    def hang(call: ReceivedCall) -> Any:
        threading.Thread(target=rag.close).start()
        over.wait(30)
        return Draining("over")

    with scripted_server({"Query": hang}) as server, Client(server.address) as rag:
        with pytest.raises(ClientClosed, match="during the call"):
            rag.query("who?")
        over.set()


async def test_cancelling_a_task_cancels_it() -> None:
    arrived, left = threading.Event(), threading.Event()

    def hang(call: ReceivedCall) -> Any:
        call.context.add_callback(left.set)
        arrived.set()
        left.wait(30)
        return Draining("left")

    with scripted_server({"Query": hang}) as server:
        async with AsyncClient(server.address) as rag:
            asking = asyncio.create_task(rag.query("who?"))
            assert await asyncio.to_thread(arrived.wait, 30)
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking
            assert await asyncio.to_thread(left.wait, 30)


def test_the_library_alone_imports_nothing_of_the_command_or_the_server() -> None:
    heavy = ("typer", "rich", "click", "grpc_status", "grpc_health", "grpc_reflection", "ragents_server", "numpy")
    program = f"import sys; sys.modules.update(dict.fromkeys({heavy})); import ragents_client, ragents_client.testing"
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_both_clients_are_typed_as_they_behave(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        "from collections.abc import AsyncIterator, Iterator\n"
        "from typing import assert_type\n"
        "from ragents_client import AsyncClient, AsyncStream, Client, PutEvent, Stream\n"
        "from ragents_client.v1 import Answer, Document, Event\n"
        "def waits(rag: Client) -> None:\n"
        "    assert_type(rag.query('?', top_k=3), Answer)\n"
        "    assert_type(rag.stream_query('?'), Stream[Event])\n"
        "    assert_type(rag.list_documents('c'), Iterator[Document])\n"
        "    assert_type(rag.put_documents('docs'), list[PutEvent])\n"
        "    rag.query('?', tok_k=3)  # type: ignore[call-arg]\n"
        "async def awaits(rag: AsyncClient) -> None:\n"
        "    assert_type(await rag.query('?', top_k=3), Answer)\n"
        "    assert_type(rag.stream_query('?'), AsyncStream[Event])\n"
        "    assert_type(rag.list_documents('c'), AsyncIterator[Document])\n"
        "    assert_type(await rag.put_documents('docs'), list[PutEvent])\n"
        "    await rag.query('?', top_k='3')  # type: ignore[arg-type]\n"
    )
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path / "cache"), str(program)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, done.stdout
