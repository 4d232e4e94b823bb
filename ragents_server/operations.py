"""What the command does with a whole server: serve until stopped, embed a collection anew."""

import asyncio
import gc
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, suppress
from importlib import resources
from importlib.metadata import version

from ragents_client.v1.health_pb2 import COMPONENT_STATE_DOWN
from ragents_server.connections.migrations import migrate, require_vector
from ragents_server.connections.postgres import is_unavailable, open_connection, open_pool
from ragents_server.connections.redis import RedisUnavailable
from ragents_server.errors import NotFound
from ragents_server.health.monitor import Monitor
from ragents_server.identifying import require_credentials
from ragents_server.index.epochs import LEASE
from ragents_server.index.reindex import Reindex
from ragents_server.index.statements import statements
from ragents_server.index.vectors import PassageEmbedding
from ragents_server.listeners import refuse_open_listener
from ragents_server.models.embeddings import Embeddings
from ragents_server.models.prices import read_prices
from ragents_server.server import Server, listening
from ragents_server.settings import Settings
from ragents_server.watching import DATABASE
from ragents_server.wiring import Parts, database, open_embeddings, opened

log = logging.getLogger(__name__)

PREPARE_PAUSE = 2.0  # seconds between tries to reach the database at start
PATIENCE = 5.0  # seconds that it may take to answer
COLLECT_AFTER = 10_000  # objects made and not freed, before cycles are looked for
REINDEX_BATCH = 64  # passages
RESUME_PAUSE = 60.0  # seconds between looks for documents that a killed server left without vectors

Tell = Callable[[bool], Awaitable[None]]  # whether calls would be served


async def serve(settings: Settings, stopped: Callable[[], Awaitable[bool]]) -> int:
    """Serves until `stopped` returns; True asks for a lame duck before the end."""
    require_sound(settings)
    async with opened(settings) as parts, listening(settings, parts) as server:
        spare_collector()
        log.info("ragents-server %s listens on %s", version("ragents-grpc"), server.address)
        async with kept(server.set_ready, parts, server.monitor):
            lame_duck = await stopped()
            await drain(server, parts, settings.lame_duck if lame_duck else 0, settings.grace)
    log.info("stopped")
    return 0


async def drain(server: Server, parts: Parts, lame_duck: float, grace: float) -> None:
    """Ends what is under way: calls, and questions of batches, of which no more are taken from now on."""
    async with asyncio.TaskGroup() as group:
        group.create_task(parts.queueing.workers.drain(grace))
        group.create_task(server.drain(lame_duck, grace, parts.agency.turns))


def spare_collector() -> None:
    """What the start has made stays for good: to look through it again and again took a fifth of a cached answer."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER)


@asynccontextmanager
async def kept(tell: Tell, parts: Parts, monitor: Monitor) -> AsyncIterator[None]:
    """Makes the server ready and tells whether it is; keeps watch over the database and documents without vectors."""
    task = asyncio.create_task(_keep(tell, parts, monitor), name="keeping the server ready")
    waiting = asyncio.current_task()
    if waiting is not None:  # a wrong configuration found late ends the server, not only the task
        task.add_done_callback(lambda done: None if done.cancelled() or not done.exception() else waiting.cancel())
    try:
        yield
    except asyncio.CancelledError:
        if task.done() and not task.cancelled() and (error := task.exception()):
            raise error from None
        raise
    finally:
        task.cancel()
        await asyncio.wait([task])


async def _keep(tell: Tell, parts: Parts, monitor: Monitor) -> None:
    await until_prepared(parts)
    async with parts.queueing.workers.working(), asyncio.TaskGroup() as group:
        group.create_task(_watch(tell, parts, monitor))
        group.create_task(_resume(parts))
        group.create_task(parts.agency.keeping.keep())


async def until_prepared(parts: Parts) -> None:
    """Returns once the stores are up to this release; ConfigurationError when they never will be."""
    while not await _prepared(parts):  # noqa: ASYNC110 - nothing tells when a database comes up
        await asyncio.sleep(PREPARE_PAUSE)


async def _prepared(parts: Parts) -> bool:
    """Whether the database answered and has this release's schema; ConfigurationError when it never will."""
    try:
        await prepare(parts)
    except RedisUnavailable as error:
        log.warning("the Redis of the checkpoints does not answer yet, trying again: %s", error)
        return False
    except Exception as error:
        if not is_unavailable(error):
            raise
        log.warning("the database does not answer yet, trying again: %s", type(error).__name__)
        return False
    return True


async def prepare(parts: Parts) -> None:
    """Brings the stores up to this release; ConfigurationError for one that will never do."""
    await prepare_database(parts)
    await parts.agency.prepare()
    with suppress(RedisUnavailable):  # limits are shared out by each server meanwhile
        await parts.limits.prepare()


async def prepare_database(parts: Parts) -> None:
    """Brings the database up to this release; what a killed server left in the embedded one is free at once."""
    await migrate_schema(parts.url)
    await parts.pool.expire_connections()  # those made before the extension know none of its types
    for store in parts.stores:
        await store.vectors.prepare()
        if parts.embedded:
            await store.vectors.end_leases()


async def migrate_schema(url: str) -> None:
    """Brings the database's schema up to this release."""
    await require_vector(url)
    for package in ("index", "checkpoints", "identity", "jobs"):
        await migrate(url, resources.files("ragents_server") / package / "migrations")


async def end_leases(url: str) -> None:
    """Frees what a killed server left, in a database that no server works with yet."""
    async with open_connection(url, command_timeout=PATIENCE) as database:
        await database.execute(statements("vectors")["end_leases"])


async def _watch(tell: Tell, parts: Parts, monitor: Monitor) -> None:
    """Tells the probes when the database is there and when it is not, and closes the way to it meanwhile."""
    ready = False
    async with aclosing(monitor.states(DATABASE)) as states:
        async for state in states:
            if (state != COMPONENT_STATE_DOWN) != ready:
                ready = not ready
                if not ready:
                    log.warning("the database does not answer: NOT_SERVING")
                parts.pool.away = not ready
                await tell(ready)


async def _resume(parts: Parts) -> None:
    """Makes the vectors that a killed server could not."""
    while True:
        taken = 0
        try:
            taken = await parts.pipeline.resume()
        except Exception as error:  # noqa: BLE001 - the next look tries again
            log.warning("making left-over vectors failed, trying again later: %s", type(error).__name__)
        if not taken:
            await asyncio.sleep(RESUME_PAUSE)


def require_sound(settings: Settings) -> None:
    """ConfigurationError for what needs no back end to be seen."""
    refuse_open_listener(settings)
    require_credentials(settings)
    read_prices(settings.model_prices)


async def reindex(settings: Settings, tenant: str, collection: str) -> int:
    """Embeds a collection's stored text with the model that is set now, beside the vectors that are searched meanwhile.

    Runs beside a server; 1 when there is no such collection. Killed and begun again, it goes on where it was.
    """
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(database(settings, beside_server=True))
        await migrate_schema(url)
        pool = await stack.enter_async_context(open_pool(url, size=2, command_timeout=settings.database_timeout))
        embeddings = await stack.enter_async_context(open_embeddings(settings, settings.embeddings))
        index = Reindex(pool, tenant, collection, embedding_model=embeddings.model, dimension=embeddings.dimension)
        generation = await index.begin()
        if generation is None:
            say(f"there is no collection {collection} of the tenant {tenant}")
            return 1
        done = 0
        while not await index.switch(generation):
            done = await _embed_missing(index, generation, embeddings, done)
        await asyncio.sleep(LEASE)  # now no server takes the old vectors for the present ones
        await index.drop_stale()
        say(f"{collection}: {done} passages embedded by {embeddings.model} ({embeddings.dimension} dimensions)")
    return 0


async def _embed_missing(index: Reindex, generation: int, embeddings: Embeddings, done: int) -> int:
    """Makes the vectors that are missing now; how many are done in all."""
    while batch := await index.next_batch(generation, REINDEX_BATCH):
        made = await embeddings.embed_passages([one.text for one in batch], [one.sentences for one in batch])
        rows = [
            PassageEmbedding(one.passage, vectors.passage, vectors.sentences)
            for one, vectors in zip(batch, made, strict=True)
        ]
        if not await index.add(generation, rows):
            raise NotFound("the collection was deleted, or another reindex took its place")
        done += len(batch)
        say(f"{done} passages embedded …")
    return done


def say(line: str) -> None:
    print(line)  # noqa: T201 - the command's own voice
