"""No secret leaves a server: not in its logs at their most talkative, in a status, in the settings, in arguments."""

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import psutil
import pytest
import trustme

from ragents_client.v1 import (
    CACHE_MODE_NONE,
    AgentServiceStub,
    DocumentServiceStub,
    ListCollectionsRequest,
    QueryRequest,
    QueryServiceStub,
    Question,
    RunRequest,
    Turn,
)
from ragents_server.settings import is_secret, read_settings
from tests.certificates import issued_to
from tests.identity_provider import OTHER, identity_provider, token
from tests.openai_server import Fault, openai_server
from tests.postgres_servers import data_folder, free_port
from tests.servers import bearer, keys_file
from tests.services import calls
from tests.services.processes import SERVING, environment, family, finished, health, serving

AUTHORITY, STRANGERS = trustme.CA(), trustme.CA()
QUESTION = Question(text="Where does the quokka live?", cache_mode=CACHE_MODE_NONE)
SECRETS = {
    name: f"hunter2-{name.replace('_', '-')}"
    for name in ("chat_key", "chat_fallback_key", "embedding_key", "checkpoint_key")
}
TOKEN, WRONG = "hunter2-token", "hunter2-wrong-token"
ECHOED = json.dumps({"error": {"message": f"Incorrect key: {' '.join(SECRETS.values())}", "type": "auth"}})


@pytest.fixture
def data() -> Iterator[Path]:
    with data_folder(ready=True) as folder:
        yield folder


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Any]:
    """Settings of a server that knows tokens, callers by certificate, and none without a certificate."""
    own = AUTHORITY.issue_cert("127.0.0.1")
    own.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    own.private_key_pem.write_to_path(tmp_path / "key.pem")
    AUTHORITY.cert_pem.write_to_path(tmp_path / "ca.pem")
    (tmp_path / "certificates.json").write_text('{"ada": {"tenant": "acme", "scopes": ["ask", "write"]}}')
    return {
        "tls_cert": tmp_path / "cert.pem",
        "tls_key": tmp_path / "key.pem",
        "tls_client_ca": tmp_path / "ca.pem",
        "certificates": tmp_path / "certificates.json",
        "keys": keys_file(tmp_path, **{TOKEN: {"tenant": "acme", "scopes": ["ask", "write"]}}),
    }


def settings_of(data: Path, files: dict[str, Any], provider: str, model: str) -> dict[str, Any]:
    """All kinds of identity, and a secret wherever one may stand; the two Redis are away."""
    return {
        **files,
        **SECRETS,
        "data": data,
        "log_level": "DEBUG",
        "identity": "keys,jwt,certificates",
        "jwt_issuer": "https://id",
        "jwt_audience": "ragents",
        "jwt_keys": provider,
        "chat_model": "openai:m",
        "chat_url": model,
        "chat_fallbacks": f"openai:n@{model}",
        "cache": f"redis://:hunter2-cache@127.0.0.1:{free_port()}/0",
        "limits": f"redis://:hunter2-limits@127.0.0.1:{free_port()}/0",
    }


def secrets_of(files: dict[str, Any], *tokens: str) -> list[str]:
    """Every text that may stand nowhere."""
    key = [line for line in files["tls_key"].read_text().splitlines() if not line.startswith("-----")]
    signatures = [one.rpartition(".")[2] for one in tokens]
    return ["hunter2", *key, *tokens, *(one for one in signatures if one)]


def leaked(secrets: list[str], text: str) -> list[str]:
    """The lines that hold one of them."""
    return [line for line in text.splitlines() if any(secret in line for secret in secrets)]


def told(error: grpc.aio.AioRpcError) -> str:
    """All that a status says, its details' bytes included."""
    metadata = [*(error.initial_metadata() or ()), *(error.trailing_metadata() or ())]
    return f"{error.details()}\n{error.debug_error_string()}\n" + "\n".join(
        f"{key} {value!r}" for key, value in metadata
    )


def channel_of(address: str, authority: trustme.CA, common: str) -> grpc.aio.Channel:
    credentials = issued_to(authority, commons=[common]).credentials(AUTHORITY.cert_pem.bytes())
    return grpc.aio.secure_channel(address, credentials, [("grpc.use_local_subchannel_pool", 1)])


async def refused(call: Any) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value.code(), told(caught.value)


async def provoked(address: str, right: str, wrong: str) -> str:
    """All that callers are told who bring wrong credentials, or ask a model that fails."""
    texts = []
    async with channel_of(address, AUTHORITY, "ada") as ours, channel_of(address, STRANGERS, "ada") as theirs:
        documents, questions, agents = DocumentServiceStub(ours), QueryServiceStub(ours), AgentServiceStub(ours)
        _ = [one async for one in documents.PutDocuments(iter(calls.whole("q.txt", b"The quokka lives on Rottnest.")))]
        for given in (WRONG, wrong, TOKEN[:-1]):
            code, text = await refused(documents.ListCollections(ListCollectionsRequest(), metadata=bearer(given)))
            assert code is grpc.StatusCode.UNAUTHENTICATED
            texts.append(text)
        code, text = await refused(DocumentServiceStub(theirs).ListCollections(ListCollectionsRequest(), timeout=10))
        assert code is grpc.StatusCode.UNAVAILABLE
        texts.append(text)
        for given in (bearer(TOKEN), bearer(right), ()):
            code, text = await refused(questions.Query(QueryRequest(question=QUESTION), metadata=given, timeout=30))
            assert code is grpc.StatusCode.UNAVAILABLE
            assert "MODEL_UNAVAILABLE" in text
            texts.append(text)
        turn = Turn(agent="react", request_id="r1", question=QUESTION)
        texts.append((await refused(agents.Run(RunRequest(turn=turn), metadata=bearer(TOKEN), timeout=30)))[1])
    return "\n".join(texts)


@pytest.mark.parametrize("status", [401, 500])
async def test_a_running_server_tells_no_secret(data: Path, files: dict[str, Any], status: int) -> None:
    right, wrong = token(), token(OTHER)
    secrets = secrets_of(files, right, wrong)
    async with identity_provider() as provider, openai_server(lambda _: Fault(status, ECHOED)) as model:
        async with serving(**settings_of(data, files, provider.url, model.url)) as running:
            async with channel_of(running.address, AUTHORITY, "ada") as channel:
                await health(channel, SERVING)
            said = await provoked(running.address, right, wrong)
            arguments = [psutil.Process(one).cmdline() for one in family(running.process.pid)]
            running.process.send_signal(signal.SIGTERM)
            assert await running.ended() == 0
        assert set(model.keys) == {SECRETS["chat_key"], SECRETS["chat_fallback_key"]}  # it had them to tell
    assert not leaked(secrets, said)
    assert f"HTTP/1.1 {status}" in "".join(running.log)  # the model's answer is talked about
    assert not leaked(secrets, "".join(running.log))
    assert not leaked(secrets, repr(arguments))


async def test_a_check_and_the_settings_text_tell_no_secret(
    data: Path, files: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with identity_provider() as provider, openai_server(lambda _: Fault(401, ECHOED)) as model:
        given = settings_of(data, files, provider.url, model.url)
        status, out, said = await finished("--check", **given)
    assert status == 1
    assert "chat model: the model" in out
    assert not leaked(secrets_of(files), out + said)
    for name, value in environment(**given).items():
        monkeypatch.setenv(name, value)
    settings = read_settings()
    held = [name for name, kind in type(settings).model_fields.items() if is_secret(kind) and getattr(settings, name)]
    assert {*SECRETS, "cache", "limits"} <= set(held)
    for text in (repr(settings), str(settings), repr(settings.model_dump()), settings.model_dump_json()):
        assert not leaked(secrets_of(files), text)
