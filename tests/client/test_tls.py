"""mTLS in both clients and the command: which server is believed, which certificate is shown, and what goes wrong."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
import trustme

from ragents_client import Client, Unreachable
from ragents_client.v1 import Answer, QueryResponse, QueryServiceServicer, add_QueryServiceServicer_to_server
from tests.certificates import issued_to

OURS, OTHERS = trustme.CA(), trustme.CA()


@dataclass(frozen=True, slots=True)
class Place:
    """A server that asks for certificates and answers with the name of the one shown; and the files to call it with."""

    address: str
    ca: Path
    cert: Path
    key: Path


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    class Query(QueryServiceServicer):
        def Query(self, request: Any, context: Any) -> QueryResponse:
            return QueryResponse(answer=Answer(text=context.auth_context()["x509_common_name"][0].decode()))

    own = OURS.issue_cert("127.0.0.1")
    pair = (own.private_key_pem.bytes(), own.cert_chain_pems[0].bytes())
    server = grpc.server(ThreadPoolExecutor(4))
    add_QueryServiceServicer_to_server(Query(), server)
    port = server.add_secure_port(
        "127.0.0.1:0", grpc.ssl_server_credentials([pair], OURS.cert_pem.bytes(), require_client_auth=True)
    )
    server.start()
    OURS.cert_pem.write_to_path(tmp_path / "ca.pem")
    cert, key = issued_to(OURS, commons=["ada"]).written(tmp_path)
    yield Place(f"127.0.0.1:{port}", tmp_path / "ca.pem", cert, key)
    server.stop(0).wait(5)


def test_a_client_shows_its_certificate(connect: Any, place: Place) -> None:
    with connect(place.address, ca=place.ca, certificate=place.cert, key=place.key) as rag:
        assert rag.query("who?").text == "ada"
    with connect(place.address, tls=str(place.ca), certificate=str(place.cert), key=str(place.key)) as rag:
        assert rag.query("who?").text == "ada"


def test_the_files_may_come_from_the_environment(
    connect: Any, place: Place, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("RAGENTS_CA", str(place.ca))
    monkeypatch.setenv("RAGENTS_CLIENT_CERT", str(place.cert))
    monkeypatch.setenv("RAGENTS_CLIENT_KEY", str(place.key))
    with connect(place.address, token="secret") as rag:
        assert rag.query("who?").text == "ada"
    cert, key = issued_to(OURS, commons=["bob"]).written(tmp_path, "bob")
    with connect(place.address, certificate=cert, key=key) as rag:  # what is given wins, and only as a pair
        assert rag.query("who?").text == "bob"
    with connect(place.address, tls=False) as rag, pytest.raises(Unreachable):
        rag.query("who?")


def test_the_command_takes_them_wherever_they_stand(ragents: Any, place: Place) -> None:
    files = ("--json", "--ca", str(place.ca), "--cert", str(place.cert), "--key", str(place.key))
    for words in (("ask", "who?", *files), (*files, "ask", "who?")):
        done = ragents("--server", place.address, *words)
        assert done.exit_code == 0, done.output
        assert "ada" in done.output


def test_a_server_that_is_not_trusted_is_told_in_words(connect: Any, place: Place, tmp_path: Path) -> None:
    OTHERS.cert_pem.write_to_path(tmp_path / "others.pem")
    for trusted in ({"ca": tmp_path / "others.pem"}, {"tls": True}):
        with (
            connect(place.address, certificate=place.cert, key=place.key, **trusted) as rag,
            pytest.raises(Unreachable, match=r"The server is not trusted: give the authority .*RAGENTS_CA") as caught,
        ):
            rag.query("who?")
        assert "not trusted" in caught.value.advice
    other_name = place.address.replace(
        "127.0.0.1", "ipv6:[::ffff:127.0.0.1]"
    )  # of the one address; `localhost` has two
    with (
        connect(other_name, ca=place.ca, certificate=place.cert, key=place.key) as rag,
        pytest.raises(Unreachable, match="made for another name"),
    ):
        rag.query("who?")


def test_a_server_that_wants_another_certificate_refuses_the_connection(
    connect: Any, place: Place, tmp_path: Path
) -> None:
    cert, key = issued_to(OTHERS, commons=["ada"]).written(tmp_path, "stranger")
    for shown in ({}, {"certificate": cert, "key": key}):
        with connect(place.address, ca=place.ca, **shown) as rag, pytest.raises(Unreachable, match="certificate"):
            rag.query("who?")


def test_files_that_will_not_do_are_named(place: Place, tmp_path: Path, ragents: Any) -> None:
    other_cert, other_key = issued_to(OURS, commons=["bob"]).written(tmp_path, "bob")
    text, absent = tmp_path / "text", tmp_path / "absent"
    text.write_text("secret of the house, no PEM")
    pair: dict[str, Any] = {"certificate": place.cert, "key": place.key}
    wrong = [
        ({"certificate": place.cert}, "needed together"),
        ({"key": place.key}, "needed together"),
        ({"ca": absent}, f"cannot read {absent}: No such file"),
        ({"ca": text}, f"{text} holds no certificate"),
        ({"ca": place.key}, "holds no certificate"),
        ({"tls": absent}, f"cannot read {absent}"),
        (pair | {"key": absent}, f"cannot read {absent}"),
        (pair | {"certificate": absent}, f"cannot read {absent}"),
        (pair | {"key": other_key}, f"{other_key} is not the key of {place.cert}"),
        (pair | {"certificate": other_cert}, f"{place.key} is not the key of {other_cert}"),
        (pair | {"key": text}, "are no certificate and key, PEM"),
        ({"ca": place.ca, "tls": place.ca}, "given twice"),
        ({"ca": place.ca, "tls": False}, "tls="),
        ({"ca": place.ca, "tls": grpc.ssl_channel_credentials()}, "tls="),
    ]
    for options, said in wrong:
        with pytest.raises(ValueError, match=said) as caught:
            Client(place.address, **options)
        assert "secret" not in str(caught.value)
    done = ragents("ask", "who?", "--cert", str(place.cert), "--key", str(other_key))
    assert done.exit_code == 2
    assert "is not the key of" in " ".join(done.output.replace("│", " ").split())
