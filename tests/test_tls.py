"""TLS through real handshakes: who gets a connection, and what happens when the certificate's files change."""

import asyncio
import logging
import signal
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
import trustme
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from ragents_client.v1 import DocumentServiceStub, ListCollectionsRequest, PutDocumentsRequest
from ragents_server.errors import ConfigurationError
from ragents_server.identity.certificates import Certificates
from ragents_server.listeners import refuse_open_listener
from ragents_server.operations import prepare
from ragents_server.server import Server, listening
from ragents_server.settings import Settings
from ragents_server.wiring import opened
from tests.postgres_servers import data_folder, embedded_database
from tests.servers import bearer, keys_file
from tests.services import calls
from tests.services.processes import NOT_SERVING, SERVING, Running, checked, health, serving, watching

AUTHORITY, STRANGERS = trustme.CA(), trustme.CA()


def issued(folder: Path, authority: trustme.CA = AUTHORITY) -> dict[str, Any]:
    """A fresh certificate and key in their files."""
    made = authority.issue_cert("127.0.0.1")
    made.cert_chain_pems[0].write_to_path(folder / "cert.pem")
    made.private_key_pem.write_to_path(folder / "key.pem")
    return {"tls_cert": folder / "cert.pem", "tls_key": folder / "key.pem"}


@asynccontextmanager
async def served(**settings: Any) -> AsyncIterator[Server]:
    """A ready server."""
    async with embedded_database() as url:
        given = Settings(listen="127.0.0.1:0", database=url, embedding_threads=1, parsers=1, **settings)
        async with opened(given) as parts, listening(given, parts) as server:
            await prepare(parts)
            await server.set_ready(True)
            yield server


async def lists(address: str, credentials: grpc.ChannelCredentials | None = None) -> None:
    """A call over a connection of its own."""
    own = [("grpc.use_local_subchannel_pool", 1)]
    async with (
        grpc.aio.insecure_channel(address, own)
        if credentials is None
        else grpc.aio.secure_channel(address, credentials, own)
    ) as channel:
        await DocumentServiceStub(channel).ListCollections(ListCollectionsRequest(), timeout=10)


def trusting(client: trustme.LeafCert | None = None) -> grpc.ChannelCredentials:
    """Of a client that knows the authority, with its own certificate or none."""
    root = AUTHORITY.cert_pem.bytes()
    if client is None:
        return grpc.ssl_channel_credentials(root)
    return grpc.ssl_channel_credentials(root, client.private_key_pem.bytes(), client.cert_chain_pems[0].bytes())


async def shown(address: str) -> bytes:
    """The certificate that a new connection is shown, DER."""
    context = ssl.create_default_context()
    AUTHORITY.configure_trust(context)
    context.set_alpn_protocols(["h2"])
    host, _, port = address.rpartition(":")
    async with asyncio.timeout(10):
        _, writer = await asyncio.open_connection(host, int(port), ssl=context)
    found = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.transport.abort()
    assert isinstance(found, bytes)
    return found


def der(file: Path) -> bytes:
    return ssl.PEM_cert_to_DER_cert(file.read_text())


async def test_calls_are_served_over_tls_only(tmp_path: Path) -> None:
    async with served(**issued(tmp_path)) as server:
        await lists(server.address, trusting())
        for wrong in (None, grpc.ssl_channel_credentials(STRANGERS.cert_pem.bytes())):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await lists(server.address, wrong)
            assert caught.value.code() == grpc.StatusCode.UNAVAILABLE


async def test_a_client_authority_shuts_out_clients_without_its_certificate(tmp_path: Path) -> None:
    AUTHORITY.cert_pem.write_to_path(tmp_path / "ca.pem")
    async with served(**issued(tmp_path), tls_client_ca=tmp_path / "ca.pem") as server:
        await lists(server.address, trusting(AUTHORITY.issue_cert("client")))
        for client in (None, STRANGERS.issue_cert("client")):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await lists(server.address, trusting(client))
            assert caught.value.code() == grpc.StatusCode.UNAVAILABLE


async def test_a_changed_certificate_is_shown_without_a_restart_and_a_broken_one_is_not(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with served(**issued(tmp_path)) as server:
        first = der(tmp_path / "cert.pem")
        assert await shown(server.address) == first
        issued(tmp_path)
        second = der(tmp_path / "cert.pem")
        assert await shown(server.address) == second != first
        with caplog.at_level(logging.WARNING):
            (tmp_path / "key.pem").write_text("-----BEGIN NONSENSE of the house")
            for _ in range(3):
                assert await shown(server.address) == second
            (tmp_path / "key.pem").unlink()
            for _ in range(3):
                assert await shown(server.address) == second
        told = [record.getMessage() for record in caplog.records if "certificate" in record.getMessage()]
        assert len(told) == 2  # one for each state of the files
        assert "of the house" not in caplog.text
        issued(tmp_path)
        assert await shown(server.address) == der(tmp_path / "cert.pem") != second


async def test_probes_ask_a_plaintext_port_where_nothing_else_is_served(tmp_path: Path) -> None:
    async with served(**issued(tmp_path), health_listen="127.0.0.1:0") as server:
        assert server.health_address is not None
        async with grpc.aio.insecure_channel(server.health_address) as channel:
            assert await checked(channel, "ragents-readiness") == SERVING
            await server.set_ready(False)
            assert await checked(channel, "ragents-readiness") == NOT_SERVING
            assert await checked(channel, "ragents-liveness") == SERVING
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await DocumentServiceStub(channel).ListCollections(ListCollectionsRequest(), timeout=10)
            assert caught.value.code() == grpc.StatusCode.UNIMPLEMENTED
        async with grpc.aio.secure_channel(server.address, trusting()) as channel:
            request = health_pb2.HealthCheckRequest(service="ragents-liveness")
            assert (await health_pb2_grpc.HealthStub(channel).Check(request, timeout=10)).status == SERVING


async def test_the_probes_port_tells_of_a_drain_and_lives_to_its_very_end(tmp_path: Path) -> None:
    sent, gate = asyncio.Event(), asyncio.Event()

    async def parts() -> AsyncIterator[PutDocumentsRequest]:
        header, body, end = calls.chunked("slow.txt", b"The quokka lives on Rottnest Island.")
        yield header
        yield body
        sent.set()
        await gate.wait()
        yield end

    with data_folder(ready=True) as data:
        async with (
            serving(data=data, health_listen="127.0.0.1:0", **issued(tmp_path)) as running,
            grpc.aio.insecure_channel(said_before(running, "health for probes")) as probes,
            grpc.aio.secure_channel(running.address, trusting()) as channel,
        ):
            await health(probes, SERVING)
            upload = DocumentServiceStub(channel).PutDocuments(parts(), timeout=60)
            first = asyncio.create_task(anext(aiter(upload)))
            await asyncio.wait_for(sent.wait(), 30)
            told = await watching(probes, SERVING, NOT_SERVING)
            running.process.send_signal(signal.SIGTERM)
            assert (await told)[-1] == NOT_SERVING
            await running.until_it_says("no new calls any more")
            with pytest.raises(grpc.aio.AioRpcError):
                await lists(running.address, trusting())
            assert await checked(probes, "ragents-readiness") == NOT_SERVING
            assert await checked(probes, "ragents-liveness") == SERVING  # a drain is no reason to be killed
            gate.set()
            assert [await first, *[one async for one in upload]][-1].HasField("document")
            assert await running.ended(20) == 0
            with pytest.raises(grpc.aio.AioRpcError):
                await checked(probes, "ragents-liveness")


def said_before(running: Running, words: str) -> str:
    """The last word of a line that the server has said already."""
    return next(line for line in running.log if words in line).split()[-1]


def test_an_open_listener_needs_tls_or_a_mesh_and_credentials(tmp_path: Path) -> None:
    tls, keys = issued(tmp_path), {"keys": keys_file(tmp_path, ada={"tenant": "acme"})}
    for safe in (tls | keys, tls | {"identity": "keys"}, {"plaintext": True, "identity": "keys"}):
        refuse_open_listener(Settings(listen="0.0.0.0:0", **safe))
    for open_to_all in ({}, tls, keys, {"identity": "keys"}, {"plaintext": True}):
        with pytest.raises(ConfigurationError):
            refuse_open_listener(Settings(listen="0.0.0.0:0", **open_to_all))


def test_in_production_loopback_needs_credentials_too() -> None:
    refuse_open_listener(Settings(profile="production", identity="keys"))
    with pytest.raises(ConfigurationError, match="RAGENTS_IDENTITY"):
        refuse_open_listener(Settings(profile="production"))


@pytest.mark.parametrize(("token", "allowed"), [("root", True), ("ada", False)])
async def test_in_production_reflection_is_for_administrators(tmp_path: Path, token: str, allowed: bool) -> None:
    keys = keys_file(tmp_path, ada={"tenant": "acme"}, root={"tenant": "acme", "scopes": ["ask", "admin"]})
    async with served(keys=keys, profile="production") as server, grpc.aio.insecure_channel(server.address) as channel:
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)
        asked = reflection_pb2.ServerReflectionRequest(list_services="")
        call = stub.ServerReflectionInfo(iter([asked]), metadata=bearer(token), timeout=10)
        if allowed:
            assert [one.list_services_response async for one in call]
            return
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            _ = [one async for one in call]
        assert caught.value.code() == grpc.StatusCode.PERMISSION_DENIED


def test_files_that_will_not_do_are_refused_at_the_start(tmp_path: Path) -> None:
    tls = issued(tmp_path)
    for part in tls:
        with pytest.raises(ConfigurationError, match="RAGENTS_TLS_KEY"):
            refuse_open_listener(Settings(**{part: tls[part]}))
    (tmp_path / "text").write_text("secret of the house, no PEM")
    for wrong in (
        {"tls_cert": tmp_path / "absent"},
        {"tls_key": tmp_path / "text"},
        {"tls_client_ca": tmp_path / "text"},
    ):
        with pytest.raises(ConfigurationError, match="RAGENTS_TLS_CERT: cannot be used") as refused:
            refuse_open_listener(Settings(**(tls | wrong)))
        assert "secret" not in str(refused.value)


def test_a_key_of_another_certificate_is_refused(tmp_path: Path) -> None:
    issued(tmp_path)
    AUTHORITY.issue_cert("127.0.0.1").private_key_pem.write_to_path(tmp_path / "key.pem")
    with pytest.raises(ConfigurationError, match="key values mismatch"):
        Certificates(tmp_path / "cert.pem", tmp_path / "key.pem", None).credentials()
