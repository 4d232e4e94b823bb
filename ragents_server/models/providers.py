"""Chat models and embeddings of LangChain's providers in our roles; LangChain is imported when one is chosen."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from ragents_server.errors import ConfigurationError, ModelUnavailable
from ragents_server.models.chat import Finish, Message, Piece
from ragents_server.models.embeddings import PassageVectors, Vectors
from ragents_server.models.provider_errors import failure, timed_out
from ragents_server.models.streams import next_piece
from ragents_server.models.untraced import stop_tracing
from ragents_server.models.upstream import Upstream
from ragents_server.signals import trace_headers

if TYPE_CHECKING:
    from langchain_core.embeddings import Embeddings as LangChainModel
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import AIMessage, AIMessageChunk

T = TypeVar("T")

EXTRAS = {
    "langchain": "openai",  # any of them brings it
    "langchain_openai": "openai",
    "langchain_anthropic": "anthropic",
    "langchain_ollama": "ollama",
}
OPENAI = ("openai", "azure_openai")
# Their models embed questions as they embed documents, so that several questions may go in one request.
SYMMETRIC = frozenset({*OPENAI, "ollama", "mistralai"})
NO_KEY = "none"  # the client wants a key even where the server of one's own needs none
CONNECT_TIMEOUT = 10.0
# What providers call the reason of the end, in LangChain's response metadata.
_FINISHES = ("finish_reason", "stop_reason", "done_reason", "stopReason", "finishReason")
_CUT = frozenset({"length", "max_tokens", "MAX_TOKENS"})
_DECLINED = frozenset({"content_filter", "refusal", "SAFETY", "PROHIBITED_CONTENT", "content_filtered"})


@asynccontextmanager
async def open_chat(
    name: str,
    *,
    url: str,
    key: str,
    temperature: float,
    max_tokens: int,
    timeout: float,
    setting: str = "RAGENTS_CHAT_MODEL",
) -> AsyncIterator["LangChainChat"]:
    """The chat model `provider:model` that `setting` names; `url` and `key` are empty for the provider's own.

    Raises ConfigurationError for a provider that is unknown, not installed or without a key.
    """
    async with AsyncExitStack() as stack:
        provider = _provider(setting, name)
        limit = {"num_predict" if provider == "ollama" else "max_tokens": max_tokens}
        options = {**await _options(stack, provider, url, key, timeout), **limit, "temperature": temperature}
        if provider in OPENAI:
            options["stream_usage"] = True  # it is off by default with a base URL

        def make() -> "BaseChatModel":
            from langchain.chat_models import init_chat_model

            made: BaseChatModel = init_chat_model(name, **options)
            made.name = name
            return made

        yield LangChainChat(name, await asyncio.to_thread(_make, setting, key, make), timeout)


class LangChainChat:
    """Plays `ChatModel` with any chat model of LangChain; `timeout` seconds are for the whole call."""

    def __init__(self, model: str, langchain: "BaseChatModel", timeout: float) -> None:
        self.model = model
        self._langchain = langchain
        self._timeout = timeout

    @property
    def langchain(self) -> "BaseChatModel":
        """The model itself, for those that call tools; its `name` is the one it is set by."""
        return self._langchain

    async def __call__(self, messages: Sequence[Message]) -> AsyncGenerator[Piece, None]:
        """Pieces as they come; a stream without a reason of its end was cut, and is ModelUnavailable."""
        deadline = asyncio.get_running_loop().time() + self._timeout
        sent = [(message.role, message.text) for message in messages]
        finished = False
        async with aclosing(self._langchain.astream(sent)) as chunks:  # type: ignore[type-var]
            while (chunk := await next_piece(chunks, self.model, deadline, self._timeout)) is not None:
                piece = _piece(chunk)
                finished = finished or piece.finish is not None
                yield piece
        if not finished:
            raise ModelUnavailable(f"the model {self.model} was cut off while it wrote")


def _piece(chunk: "AIMessageChunk") -> Piece:
    usage: Mapping[str, int] = chunk.usage_metadata or {}  # type: ignore[assignment]
    tokens = usage.get("input_tokens", 0), usage.get("output_tokens", 0)
    return Piece(str(chunk.text), *tokens, finish_of(chunk))


def finish_of(message: "AIMessage") -> Finish | None:
    """Why the model stopped, where the message tells it."""
    if message.additional_kwargs.get("refusal"):
        return Finish.DECLINED
    told = next((message.response_metadata[name] for name in _FINISHES if message.response_metadata.get(name)), None)
    if told is None:
        return None
    reason = str(getattr(told, "name", told))
    return Finish.CUT if reason in _CUT else Finish.DECLINED if reason in _DECLINED else Finish.DONE


@asynccontextmanager
async def open_provider_embeddings(
    name: str, *, url: str, key: str, timeout: float, upstream: Upstream | None = None
) -> AsyncIterator["LangChainEmbeddings"]:
    """The embedding model `provider:model`, asked once for its dimension.

    Raises ConfigurationError as `open_chat` does, and ModelUnavailable when it does not answer.
    """
    async with AsyncExitStack() as stack:
        provider = _provider("RAGENTS_EMBEDDINGS", name)
        options = await _options(stack, provider, url, key, timeout)
        if provider in OPENAI:
            options["check_embedding_ctx_length"] = False  # it would download a tokenizer to count with

        def make() -> "LangChainModel":
            from langchain.embeddings import init_embeddings

            made: LangChainModel = init_embeddings(name, **options)
            return made

        langchain = await asyncio.to_thread(_make, "RAGENTS_EMBEDDINGS", key, make)
        way, symmetric = upstream or Upstream(name), provider in SYMMETRIC
        embeddings = LangChainEmbeddings(name, langchain, timeout, symmetric=symmetric, upstream=way)
        embeddings.dimension = (await embeddings.embed_queries(["dimension"])).shape[1]
        yield embeddings


class LangChainEmbeddings:
    """Plays `Embeddings` with any embedding model of LangChain; `timeout` seconds are for one request.

    Each request goes the way of `upstream`: of many, only the one that fails is made again.
    """

    max_tokens = 512  # no provider's model takes less
    batch = 64  # texts of one request

    def __init__(
        self,
        model: str,
        langchain: "LangChainModel",
        timeout: float,
        *,
        symmetric: bool,
        upstream: Upstream | None = None,
    ) -> None:
        self.model = model
        self.dimension = 0  # not known until the first answer
        self._langchain = langchain
        self._timeout = timeout
        self._upstream = upstream or Upstream(model)
        self.symmetric = symmetric  # questions are embedded as documents are

    async def embed_queries(self, texts: Sequence[str]) -> Vectors:
        """One unit vector a text; in one request where the model makes no difference between question and document."""
        if self.symmetric:
            return await self._embed(texts)
        rows = [await self._unit(partial(self._one, text), 1) for text in texts]
        return np.concatenate(rows) if rows else np.empty((0, self.dimension), np.float32)

    async def embed_passages(
        self, texts: Sequence[str], sentences: Sequence[Sequence[tuple[int, int]]]
    ) -> list[PassageVectors]:
        """Vectors of passages and of their sentences; what neighbouring passages share is embedded once."""
        pieces = [[text[start:end] for start, end in spans] for text, spans in zip(texts, sentences, strict=True)]
        distinct = list(dict.fromkeys([*texts, *(piece for row in pieces for piece in row)]))
        vectors = await self._embed(distinct)
        place = {text: row for row, text in enumerate(distinct)}
        return [
            PassageVectors(vectors[place[text]], vectors[[place[piece] for piece in row]])
            for text, row in zip(texts, pieces, strict=True)
        ]

    async def _embed(self, texts: Sequence[str]) -> Vectors:
        rows = [
            await self._unit(partial(self._langchain.aembed_documents, batch), len(batch))
            for batch in (list(texts[first : first + self.batch]) for first in range(0, len(texts), self.batch))
        ]
        return np.concatenate(rows) if rows else np.empty((0, self.dimension), np.float32)

    async def _one(self, text: str) -> list[list[float]]:
        return [await self._langchain.aembed_query(text)]

    async def _unit(self, ask: Callable[[], Awaitable[list[list[float]]]], count: int) -> Vectors:
        """The answer's vectors at unit length, once they are what was asked for."""
        return await self._upstream.serve(lambda: self._asked(ask, count))

    async def _asked(self, ask: Callable[[], Awaitable[list[list[float]]]], count: int) -> Vectors:
        try:
            async with asyncio.timeout(self._timeout):
                vectors: Vectors = np.array(await ask(), np.float32)
        except TimeoutError:
            raise timed_out(self.model, self._timeout) from None
        except Exception as error:
            raise failure(error, self.model) from error
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True) if vectors.ndim == 2 else np.zeros(1)
        known = self.dimension or vectors.shape[-1]
        if vectors.shape != (count, known) or not (np.isfinite(lengths).all() and (lengths > 0).all()):
            raise ModelUnavailable(f"the model {self.model} gave no vectors that can be used")
        unit: Vectors = vectors / lengths
        return unit


def _provider(setting: str, name: str) -> str:
    provider, colon, model = name.partition(":")
    if not (provider and colon and model):
        raise ConfigurationError(f"{setting}: {name!r} is not PROVIDER:MODEL, such as openai:gpt-4o")
    return provider


async def _options(stack: AsyncExitStack, provider: str, url: str, key: str, timeout: float) -> dict[str, Any]:
    """What the provider's class is made with; retries are the business of whoever calls us."""
    options: dict[str, Any] = {"base_url": url} if url else {}
    if provider == "ollama":
        return {**options, "client_kwargs": {"timeout": timeout}}
    options |= {"max_retries": 0, "timeout": timeout}
    if provider in OPENAI:
        options |= {"http_async_client": await stack.enter_async_context(_http_client(timeout, ours=bool(url)))}
        key = key or (NO_KEY if url else "")  # the provider's own key is not for somebody else's server
    return options | ({"api_key": key} if key else {})


@asynccontextmanager
async def _http_client(timeout: float, *, ours: bool) -> AsyncIterator[Any]:
    """Connections that are ours to close: LangChain's own are shared by the process and never closed.

    A server of `ours` hears which trace a request belongs to; what strangers hear of it is nothing.
    """
    try:
        from openai import DefaultAsyncHttpxClient, Timeout
    except ModuleNotFoundError:
        yield None  # LangChain's package for it is missing too, and is told by its name
        return

    async def hand_on(request: Any) -> None:
        request.headers.update(trace_headers())

    bounds, hooks = Timeout(timeout, connect=min(timeout, CONNECT_TIMEOUT)), [hand_on] if ours else []
    async with DefaultAsyncHttpxClient(timeout=bounds, event_hooks={"request": hooks}) as client:
        yield client


def _make(setting: str, key: str, make: Callable[[], T]) -> T:
    """Makes a model of LangChain's, or says in one line what is wrong with the configuration."""
    stop_tracing()
    try:
        return make()
    except ImportError as error:
        missing = next((one.name for one in _causes(error) if isinstance(one, ImportError) and one.name), None)
        package = (missing or "langchain").partition(".")[0]
        extra = EXTRAS.get(package)
        advice = f"install ragents-grpc[{extra}]" if extra else f"install {package.replace('_', '-')}"
        raise ConfigurationError(f"{setting}: the package {package} is missing; {advice}") from None
    except Exception as error:  # noqa: BLE001 - each provider refuses its options with exceptions of its own
        told = next(iter(str(error).splitlines()), "") or type(error).__name__
        raise ConfigurationError(f"{setting}: {told.replace(key, '********') if key else told}") from None


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
