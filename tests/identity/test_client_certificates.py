"""Callers by certificate, through real handshakes and real headers."""

import json
import logging
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
import trustme

from ragents_client import AsyncClient
from ragents_client.v1 import (
    CacheServiceStub,
    ClearCacheRequest,
    DocumentServiceStub,
    ListCollectionsRequest,
)
from ragents_server.caller import Caller
from ragents_server.errors import ConfigurationError, Unauthenticated
from ragents_server.identifying import require_credentials
from ragents_server.identity.client_certificates import CertifiedCallers, ClientCertificates, Shown
from ragents_server.identity.forwarded import proxies_in
from ragents_server.settings import Settings
from tests.certificates import issued_to
from tests.servers import bearer, keys_file, running_server
from tests.services.processes import finished

AUTHORITY = trustme.CA()
ADA, WRITER, SERVICE = "spiffe://mesh/ada", "spiffe://mesh/writer", "spiffe://mesh/service"
CALLERS: dict[str, Any] = {
    ADA: {"tenant": "acme", "user": "ada"},
    WRITER: {"tenant": "acme", "user": "writer", "scopes": ["ask", "write"]},
    SERVICE: {"tenant": "acme", "scopes": ["ask", "act_for_users"]},
    "ada.host": {"tenant": "acme", "scopes": ["write"]},
    "ada": {"tenant": "acme", "scopes": ["act_for_users"]},
}
OK, UNKNOWN, DENIED = grpc.StatusCode.OK, grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED


def callers_file(folder: Path, rows: Any = CALLERS) -> Path:
    path = folder / "certificates.json"
    path.write_text(rows if isinstance(rows, str) else json.dumps(rows))
    return path


@asynccontextmanager
async def certified(folder: Path, **settings: Any) -> AsyncIterator[str]:
    """A server that asks for certificates, and knows one token too."""
    made = AUTHORITY.issue_cert("127.0.0.1")
    made.cert_chain_pems[0].write_to_path(folder / "cert.pem")
    made.private_key_pem.write_to_path(folder / "key.pem")
    AUTHORITY.cert_pem.write_to_path(folder / "ca.pem")
    tls = {"tls_cert": folder / "cert.pem", "tls_key": folder / "key.pem", "tls_client_ca": folder / "ca.pem"}
    async with known(folder, **tls, **settings) as address:
        yield address


@asynccontextmanager
async def known(folder: Path, **settings: Any) -> AsyncIterator[str]:
    keys = keys_file(folder, token={"tenant": "acme", "scopes": ["ask"]})
    async with running_server(
        identity="certificates", certificates=callers_file(folder), keys=keys, **settings
    ) as address:
        yield address


def showing(**names: Any) -> grpc.ChannelCredentials:
    return issued_to(AUTHORITY, **names).credentials(AUTHORITY.cert_pem.bytes())


async def outcome(stub: Any, request: Any, metadata: Any) -> tuple[grpc.StatusCode, str]:
    try:
        await stub(request, metadata=metadata, timeout=10)
    except grpc.aio.AioRpcError as error:
        return error.code(), error.details() or ""
    return OK, ""


async def outcomes(
    address: str, credentials: grpc.ChannelCredentials | None, metadata: Any = ()
) -> tuple[grpc.StatusCode, grpc.StatusCode, str]:
    """Of a call that needs the scope `ask` and of one that needs `write`, and what the first was told."""
    own = [("grpc.use_local_subchannel_pool", 1)]
    async with (
        grpc.aio.insecure_channel(address, own)
        if credentials is None
        else grpc.aio.secure_channel(address, credentials, own)
    ) as channel:
        ask, told = await outcome(DocumentServiceStub(channel).ListCollections, ListCollectionsRequest(), metadata)
        write, _ = await outcome(CacheServiceStub(channel).ClearCache, ClearCacheRequest(), metadata)
    return ask, write, told


def forwarded(*values: str) -> tuple[tuple[str, str], ...]:
    return tuple(("x-forwarded-client-cert", value) for value in values)


async def test_a_certificate_is_a_credential_by_itself(tmp_path: Path) -> None:
    async with certified(tmp_path) as address:
        assert await outcomes(address, showing(uris=[ADA])) == (OK, DENIED, "")
        assert await outcomes(address, showing(uris=[WRITER], hosts=["ada.host"], commons=["ada"])) == (OK, OK, "")
        ask, write, _ = await outcomes(address, showing(hosts=["ada.host"], commons=["ada"]))
        assert (ask, write) == (DENIED, OK)
        ask, write, told = await outcomes(address, showing(commons=["ada"]))
        assert (ask, write) == (DENIED, DENIED)
        assert "scope" in told


@pytest.mark.parametrize(
    "names",
    [
        {"uris": ["spiffe://mesh/stranger"], "hosts": ["ada.host"], "commons": ["ada"]},
        {"uris": [ADA, WRITER]},
        {"hosts": ["ada.host", "other.host"]},
        {"hosts": ["ada.host\0.evil"]},
        {"commons": ["ada\0.evil"]},
        {"commons": ["ada", "other"]},
        {"commons": [ADA]},
        {},
    ],
    ids=str,
)
async def test_a_certificate_that_is_not_known_is_refused_with_reason_and_advice(
    tmp_path: Path, names: dict[str, Any]
) -> None:
    async with certified(tmp_path) as address:
        ask, write, told = await outcomes(address, showing(**names))
    assert (ask, write) == (UNKNOWN, UNKNOWN)
    assert told.startswith("the certificate")


async def test_the_shipped_client_calls_by_its_certificate_alone(tmp_path: Path) -> None:
    cert, key = issued_to(AUTHORITY, uris=[WRITER]).written(tmp_path)
    async with (
        certified(tmp_path) as address,
        AsyncClient(address, ca=tmp_path / "ca.pem", certificate=cert, key=key) as rag,
    ):
        assert [one async for one in rag.list_collections()] == []
        await rag.clear_cache()


async def test_a_token_is_judged_alone(tmp_path: Path) -> None:
    async with certified(tmp_path) as address:
        writer = showing(uris=[WRITER])
        assert await outcomes(address, writer, bearer("token")) == (OK, DENIED, "")
        for wrong in (bearer("wrong"), (("authorization", ""),), (("authorization", "Basic x"),)):
            ask, write, _ = await outcomes(address, writer, wrong)
            assert (ask, write) == (UNKNOWN, UNKNOWN)
        stranger = showing(uris=["spiffe://mesh/stranger"])
        assert await outcomes(address, stranger, bearer("token")) == (OK, DENIED, "")


async def test_a_service_may_name_the_user_it_acts_for(tmp_path: Path) -> None:
    async with certified(tmp_path) as address:
        for_bob = (("x-ragents-user", "bob"),)
        assert (await outcomes(address, showing(uris=[SERVICE]), for_bob))[0] is OK
        assert (await outcomes(address, showing(uris=[ADA]), for_bob))[0] is DENIED


async def test_a_header_from_a_peer_that_is_not_believed_says_nothing(tmp_path: Path) -> None:
    header = forwarded(f"By=x;Hash=ab;URI={WRITER}")
    async with known(tmp_path, forwarded_certificates="10.0.0.0/8,::1/128,unix") as address:
        assert (await outcomes(address, None, header))[0] is UNKNOWN
        assert await outcomes(address, None, (*header, *bearer("token"))) == (OK, DENIED, "")
    async with certified(tmp_path) as address:  # nobody is believed: the connection's own certificate counts
        assert await outcomes(address, showing(uris=[ADA]), header) == (OK, DENIED, "")


async def test_a_proxys_word_counts_for_its_client_alone(tmp_path: Path) -> None:
    async with certified(tmp_path, forwarded_certificates="127.0.0.0/8") as address:
        proxy = showing(uris=[WRITER])
        assert await outcomes(address, proxy, forwarded(f"URI={WRITER},By=x;URI={ADA}")) == (OK, DENIED, "")
        quoted = f'By=x;Hash=ab;Subject="CN=x\\,URI={WRITER},O=y";URI={ADA}'
        assert await outcomes(address, proxy, forwarded(quoted)) == (OK, DENIED, "")
        ask, _, told = await outcomes(address, proxy)  # a client without a certificate is not the proxy
        assert (ask, told) == (UNKNOWN, "the call carries no credential")


@pytest.mark.parametrize(
    "values",
    [
        [f"URI={ADA}", f"URI={WRITER}"],
        [f"URI={ADA};URI={WRITER}"],
        [f'By="x,URI={ADA}'],
        [f"URI={ADA},"],
        ["nonsense"],
        [f'By="{"x" * 8192}";URI={ADA}'],
        ["URI=spiffe://mesh/stranger"],
        ["By=x;Hash=ab"],
    ],
    ids=lambda values: values[0][:40],
)
async def test_a_proxys_header_that_is_in_doubt_is_never_another_identity(tmp_path: Path, values: list[str]) -> None:
    async with certified(tmp_path, forwarded_certificates="127.0.0.0/8,::1") as address:
        ask, write, told = await outcomes(address, showing(uris=[WRITER]), forwarded(*values))
    assert (ask, write) == (UNKNOWN, UNKNOWN)
    assert told.startswith("the certificate")


async def test_over_ipv6_a_proxy_is_believed_by_its_own_network(tmp_path: Path) -> None:
    header = forwarded(f"URI={ADA}")
    for networks, expected in (("::1/128", OK), ("127.0.0.0/8", UNKNOWN)):
        async with known(tmp_path, listen="[::1]:0", forwarded_certificates=networks) as address:
            assert (await outcomes(address, None, header))[0] is expected


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


async def test_the_file_is_read_again_when_it_changes_and_a_broken_one_changes_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock = Clock()
    callers = CertifiedCallers(callers_file(tmp_path), clock=clock)
    expected = Caller("acme", "ada", frozenset({"ask"}), frozenset(), "NORMAL", "default")
    assert await callers.find(ADA) == expected
    callers_file(tmp_path, {"eve": {"tenant": "evil"}})
    assert await callers.find(ADA) == expected  # within a second
    clock.now += 1
    assert await callers.find(ADA) is None
    assert await callers.find("eve") is not None
    with caplog.at_level(logging.WARNING):
        for broken in ("{", None):
            callers_file(tmp_path, broken) if broken else (tmp_path / "certificates.json").unlink()
            for _ in range(3):
                clock.now += 1
                assert await callers.find("eve") is not None
    assert len(caplog.records) == 2
    callers_file(tmp_path)
    clock.now += 1
    assert await callers.find(ADA) == expected


async def test_a_trusted_peers_handshake_is_not_even_looked_at(tmp_path: Path) -> None:
    certificates = ClientCertificates(CertifiedCallers(callers_file(tmp_path)), proxies_in("unix"))
    assert await certificates.authenticate(Shown("unix:", dict, ())) is None
    found = await certificates.authenticate(Shown("unix:", dict, (f"URI={ADA}",)))
    assert found is not None
    assert found.user == "ada"
    with pytest.raises(Unauthenticated, match="of spiffe://mesh/eve is not known"):
        await certificates.authenticate(Shown("unix:/run/x", dict, ("URI=spiffe://mesh/eve",)))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"certificates": None}, "RAGENTS_CERTIFICATES: needed"),
        ({"identity": ""}, "RAGENTS_IDENTITY: "),
        ({"identity": "keys", "certificates": None, "forwarded_certificates": "::1"}, "RAGENTS_IDENTITY: "),
        ({"tls_client_ca": None}, "RAGENTS_TLS_CLIENT_CA: needed .*RAGENTS_FORWARDED_CERTIFICATES"),
        ({"forwarded_certificates": "mesh"}, "RAGENTS_FORWARDED_CERTIFICATES: 'mesh'"),
        ({"forwarded_certificates": "0.0.0.0/0"}, "RAGENTS_FORWARDED_CERTIFICATES: a network of all"),
        ({"rows": "{}"}, "RAGENTS_CERTIFICATES: .* must map names of certificates"),
        ({"rows": '{"": {"tenant": "acme"}}'}, "RAGENTS_CERTIFICATES: a name must be"),
        ({"rows": '{"ada": {"tenat": "acme"}}'}, "RAGENTS_CERTIFICATES: 'ada' needs a tenant"),
    ],
)
def test_what_is_set_by_halves_is_refused(tmp_path: Path, settings: dict[str, Any], said: str) -> None:
    path = callers_file(tmp_path, settings.pop("rows", CALLERS))
    whole = {"identity": "certificates", "certificates": path, "tls_client_ca": tmp_path / "ca.pem"}
    with pytest.raises(ConfigurationError, match=said) as caught:
        require_credentials(Settings(**(whole | settings)))
    assert not re.search(r"\n", str(caught.value))


def test_certificates_or_proxies_suffice(tmp_path: Path) -> None:
    path = callers_file(tmp_path)
    for shown in ({"tls_client_ca": tmp_path / "ca.pem"}, {"forwarded_certificates": "127.0.0.0/8, unix"}):
        require_credentials(Settings(identity="certificates", certificates=path, **shown))


@pytest.mark.parametrize("words", [(), ("--check",)])
async def test_a_server_that_nobody_shows_certificates_to_does_not_start(
    tmp_path: Path, words: tuple[str, ...]
) -> None:
    settings = {"identity": "certificates", "certificates": callers_file(tmp_path), "profile": "production"}
    status, _, said = await finished(*words, data=tmp_path, **settings)
    assert status == 78
    assert said.startswith("ragents-server: RAGENTS_TLS_CLIENT_CA: needed")
    assert len(said.splitlines()) == 1
