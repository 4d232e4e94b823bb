"""Chat models and embeddings of LangChain's providers, through real HTTP to an OpenAI-compatible server."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import aclosing
from email.utils import formatdate
from typing import Any

import numpy as np
import pytest

from ragents_server.errors import ConfigurationError, ContextTooLong, ModelQuota, ModelUnavailable, RagentsError
from ragents_server.models.chat import ChatModel, Finish, Message, Piece
from ragents_server.models.embeddings import Embeddings
from ragents_server.models.provider_errors import failure
from ragents_server.models.providers import LangChainEmbeddings, open_chat, open_provider_embeddings
from tests.openai_server import Fault, OpenAIServer, Reply, openai_server

ASKED = [Message("system", "Be brief."), Message("user", "Hello?")]


@pytest.fixture
async def server() -> AsyncIterator[OpenAIServer]:
    async with openai_server() as running:
        yield running


def chat(server: OpenAIServer, name: str = "openai:stub", **options: Any) -> Any:
    options = {"url": server.url, "key": "k", "temperature": 0.7, "max_tokens": 2000, "timeout": 20.0, **options}
    return open_chat(name, **options)


async def pieces(model: ChatModel) -> list[Piece]:
    return [piece async for piece in model(ASKED)]


async def failed(server: OpenAIServer, **options: Any) -> RagentsError:
    async with chat(server, **options) as model:
        with pytest.raises(RagentsError) as caught:
            await pieces(model)
    return caught.value


async def test_text_comes_in_pieces_with_usage_and_the_reason_of_its_end(server: OpenAIServer) -> None:
    server.answers = lambda messages: Reply(["Good ", "day", "."])
    async with chat(server) as model:
        role: ChatModel = model
        got = await pieces(role)
    assert [piece.text for piece in got if piece.text] == ["Good ", "day", "."]
    assert sum(piece.input_tokens for piece in got) == 3
    assert sum(piece.output_tokens for piece in got) == 3
    assert [piece.finish for piece in got if piece.finish] == [Finish.DONE]


async def test_the_settings_reach_the_server(server: OpenAIServer) -> None:
    async with chat(server, key="secret", temperature=0.25, max_tokens=321) as model:
        await pieces(model)
    [body] = server.requests
    assert (body["model"], body["temperature"], body["stream"]) == ("stub", 0.25, True)
    assert 321 in (body.get("max_tokens"), body.get("max_completion_tokens"))
    assert [(one["role"], one["content"]) for one in body["messages"]] == [("system", "Be brief."), ("user", "Hello?")]
    assert server.keys == ["secret"]


async def test_the_providers_own_key_is_not_sent_to_another_server(
    server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-real")
    async with chat(server, key="") as model:
        await pieces(model)
    assert server.keys == ["none"]


@pytest.mark.parametrize(
    ("finish", "meaning"), [("length", Finish.CUT), ("content_filter", Finish.DECLINED), ("stop", Finish.DONE)]
)
async def test_the_reason_of_the_end_is_told(server: OpenAIServer, finish: str, meaning: Finish) -> None:
    server.answers = lambda messages: Reply(["A"], finish=finish)
    async with chat(server) as model:
        assert [piece.finish for piece in await pieces(model) if piece.finish] == [meaning]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 500, 502, 503, 529])
async def test_a_failing_model_is_unavailable_and_its_words_stay_here(
    server: OpenAIServer, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    body = '{"error": {"message": "Incorrect API key provided: sk-abc", "code": "x"}}'
    server.answers = lambda messages: Fault(status, body)
    error = await failed(server, key="sk-abc")
    assert type(error) is ModelUnavailable
    assert len(server.requests) == 1, "there are no retries here"
    assert "sk-abc" not in error.message
    assert "sk-abc" not in caplog.text
    assert (status in (401, 403)) == any(record.levelname == "ERROR" for record in caplog.records)


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"Retry-After": "7"}, 7),
        ({"retry-after-ms": "1500"}, 1.5),
        ({}, 5),
        ({"Retry-After": "soon"}, 5),
        ({"Retry-After": "nan"}, 5),
        ({"Retry-After": "1e9"}, 3600),
        ({"Retry-After": "-3"}, 0),
    ],
)
async def test_a_spent_quota_says_when_to_come_back(server: OpenAIServer, headers: dict[str, str], wait: float) -> None:
    server.answers = lambda messages: Fault(429, headers=headers)
    error = await failed(server)
    assert isinstance(error, ModelQuota)
    assert error.retry_after == wait


async def test_a_quota_may_name_a_date(server: OpenAIServer) -> None:
    server.answers = lambda messages: Fault(429, headers={"Retry-After": formatdate(4102444800, usegmt=True)})
    assert (await failed(server)).retry_after == 3600


@pytest.mark.parametrize(
    "fault",
    [
        Fault(400, '{"error": {"message": "too many", "code": "context_length_exceeded"}}'),
        Fault(400, '{"error": {"message": "This model\'s maximum context length is 4096 tokens."}}'),
        Fault(413, "{}"),
    ],
)
async def test_a_text_too_long_for_the_model_is_told_as_such(server: OpenAIServer, fault: Fault) -> None:
    server.answers = lambda messages: fault
    assert isinstance(await failed(server), ContextTooLong)


@pytest.mark.parametrize("body", ["not JSON", "[]", '{"choices": 3}', "data: {\n\n", 'data: {"choices": "x"}\n\n'])
async def test_garbage_is_unavailable(server: OpenAIServer, body: str) -> None:
    server.answers = lambda messages: Fault(200, body)
    assert type(await failed(server)) is ModelUnavailable


@pytest.mark.parametrize("cut", ["quietly", "hard"])
async def test_half_an_answer_is_an_error(server: OpenAIServer, cut: Any) -> None:
    server.answers = lambda messages: Reply(["The harbour ", "froze"], cut=cut)
    assert type(await failed(server)) is ModelUnavailable


async def test_an_error_told_inside_the_stream_is_an_error(server: OpenAIServer) -> None:
    server.answers = lambda messages: Fault(200, 'data: {"error": {"message": "out of memory"}}\n\n')
    assert type(await failed(server)) is ModelUnavailable


async def test_nobody_there_is_unavailable() -> None:
    assert type(await failed(OpenAIServer(url="http://127.0.0.1:9/v1"))) is ModelUnavailable


async def test_a_model_that_hangs_is_unavailable_in_time(server: OpenAIServer) -> None:
    server.answers = lambda messages: Fault(hang=True)
    error = await failed(server, timeout=0.3)
    assert error.message == "the model openai:stub was not done within 0.3 s"
    await asyncio.wait_for(server.left.wait(), 10)


async def test_the_time_is_for_the_whole_call(server: OpenAIServer) -> None:
    server.answers = lambda messages: Reply(["The"], hold=True)
    assert "within 0.3 s" in (await failed(server, timeout=0.3)).message


async def test_a_cancelled_call_hangs_up(server: OpenAIServer) -> None:
    server.answers = lambda messages: Fault(hang=True)
    async with chat(server) as model:
        task = asyncio.create_task(pieces(model))
        await asyncio.wait_for(server.held.wait(), 10)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.wait_for(server.left.wait(), 10)


async def test_a_reader_that_leaves_hangs_up(server: OpenAIServer) -> None:
    server.answers = lambda messages: Reply(["The harbour"], hold=True)
    async with chat(server) as model:
        async with aclosing(model(ASKED)) as got:
            assert (await anext(got)).text == "The harbour"
        await asyncio.wait_for(server.left.wait(), 10)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("gpt-4o", "RAGENTS_CHAT_MODEL: 'gpt-4o' is not PROVIDER:MODEL, such as openai:gpt-4o"),
        ("nobody:gpt", "RAGENTS_CHAT_MODEL: Unable to infer model provider"),
        ("openai:gpt", "RAGENTS_CHAT_MODEL: Missing credentials"),
        ("groq:llama", "RAGENTS_CHAT_MODEL: the package langchain_groq is missing; install langchain-groq"),
    ],
)
async def test_a_model_that_cannot_be_made_is_told_in_one_line(
    server: OpenAIServer, name: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(ConfigurationError) as caught:
        async with chat(server, name, url="", key=""):
            pass
    assert str(caught.value).startswith(told)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("module", ["langchain_openai", "langchain"])
async def test_a_missing_package_names_the_extra(
    server: OpenAIServer, monkeypatch: pytest.MonkeyPatch, module: str
) -> None:
    from langchain.chat_models import base

    base._get_chat_model_creator.cache_clear()
    monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.delitem(sys.modules, "langchain.chat_models")
    with pytest.raises(ConfigurationError, match=rf"{module} is missing; install ragents-grpc\[openai\]"):
        async with chat(server):
            pass


def test_nothing_is_traced_even_where_the_environment_asks_for_it() -> None:
    program = """if True:
        import asyncio
        from ragents_server.models.providers import open_chat
        async def main():
            async with open_chat("openai:x", url="http://127.0.0.1:9", key="k", temperature=0, max_tokens=1, timeout=1):
                from langsmith.utils import tracing_is_enabled
                assert not tracing_is_enabled()
        asyncio.run(main())"""
    tracing = {"LANGSMITH_TRACING": "true", "LANGCHAIN_TRACING_V2": "true", "LANGSMITH_ENDPOINT": "http://127.0.0.1:9"}
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120, env={**os.environ, **tracing})


def test_the_providers_module_imports_no_langchain() -> None:
    program = "import sys, ragents_server.models.providers; assert not any('langchain' in name for name in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def embedding(server: OpenAIServer, **options: Any) -> Any:
    options = {"url": server.url, "key": "", "timeout": 20.0, **options}
    return open_provider_embeddings("openai:tiny", **options)


async def test_vectors_are_unit_vectors_and_the_dimension_is_asked_for(server: OpenAIServer) -> None:
    async with embedding(server) as model:
        role: Embeddings = model
        assert (role.model, role.dimension) == ("openai:tiny", 16)
        vectors = await role.embed_queries(["one", "two"])
        assert (await role.embed_queries([])).shape == (0, 16)
    assert (vectors.shape, vectors.dtype) == ((2, 16), np.float32)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-6)
    assert [body["input"] for body in server.requests] == [["dimension"], ["one", "two"]]


async def test_passages_and_their_sentences_go_together_and_nothing_twice(server: OpenAIServer) -> None:
    texts, spans = ["It froze. It thawed.", "It thawed. It rained."], [[(0, 9), (10, 20)], [(0, 10), (11, 21)]]
    async with embedding(server) as model:
        first, second = await model.embed_passages(texts, spans)
        [alone] = await model.embed_queries(["It thawed."])
        assert await model.embed_passages([], []) == []
        [bare] = await model.embed_passages(["No sentences."], [[]])
    assert server.requests[1]["input"] == [*texts, "It froze.", "It thawed.", "It rained."]
    assert np.array_equal(first.sentences[1], second.sentences[0])
    assert np.array_equal(first.sentences[1], alone)
    assert first.passage.shape == (16,)
    assert bare.sentences.shape == (0, 16)


async def test_many_texts_go_in_requests_of_bounded_size(server: OpenAIServer) -> None:
    async with embedding(server) as model:
        texts = [f"text {i}" for i in range(150)]
        vectors = await model.embed_queries(texts)
        alone = await model.embed_queries([texts[149]])
    assert [len(body["input"]) for body in server.requests] == [1, 64, 64, 22, 1]
    assert np.array_equal(vectors[149], alone[0])


@pytest.mark.parametrize(
    "vectors", [[], [[0.0] * 16], [[1.0] * 8], [[1.0] * 16] * 2, [[float("nan")] * 16], [["x"] * 16]]
)
async def test_vectors_that_cannot_be_used_are_unavailable(server: OpenAIServer, vectors: Any) -> None:
    async with embedding(server) as model:
        server.embed = lambda texts: vectors
        with pytest.raises(ModelUnavailable):
            await model.embed_queries(["a question"])


@pytest.mark.parametrize(
    ("fault", "kind"), [(Fault(429), ModelQuota), (Fault(503), ModelUnavailable), (Fault(200, "?"), ModelUnavailable)]
)
async def test_a_failing_embedding_model_is_told_as_a_chat_model_is(
    server: OpenAIServer, fault: Fault, kind: type[RagentsError]
) -> None:
    async with embedding(server) as model:
        server.embed = lambda texts: fault
        with pytest.raises(RagentsError) as caught:
            await model.embed_queries(["a question"])
    assert type(caught.value) is kind


async def test_an_embedding_model_that_hangs_is_unavailable_in_time(server: OpenAIServer) -> None:
    async with embedding(server, timeout=0.5) as model:
        server.embed = lambda texts: Fault(hang=True)
        with pytest.raises(ModelUnavailable, match=r"within 0\.5 s"):
            await model.embed_queries(["a question"])


async def test_questions_are_asked_one_by_one_where_they_are_not_embedded_as_documents_are() -> None:
    from langchain_core.embeddings import Embeddings as LangChainModel

    class Apart(LangChainModel):
        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            return [[1.0, 0.0] for _ in texts]

        def embed_query(self, text: str) -> list[float]:
            return [0.0, 1.0]

    model = LangChainEmbeddings("own:apart", Apart(), 5, symmetric=False)
    assert (await model.embed_queries(["a", "b"])).tolist() == [[0, 1], [0, 1]]
    [passage] = await model.embed_passages(["a"], [[]])
    assert passage.passage.tolist() == [1, 0]


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (KeyError("choices"), ModelUnavailable),
        (ValueError("the prompt is too long: 9000 tokens"), ContextTooLong),
        (ConnectionError("maximum"), ModelUnavailable),
    ],
)
def test_other_providers_exceptions_are_understood_by_what_they_carry(error: Exception, kind: type) -> None:
    assert type(failure(error, "any:model")) is kind
