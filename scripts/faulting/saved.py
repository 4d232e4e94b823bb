"""What is saved of threads, read past the servers and held against what was said there."""

from collections.abc import AsyncIterator, Iterable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Any

from ragents_server.caller import Caller
from ragents_server.checkpoints.postgres import open_postgres_saver
from ragents_server.checkpoints.redis import open_redis_saver
from ragents_server.connections.postgres import open_pool
from ragents_server.connections.redis import open_redis
from ragents_server.threads.threads import Threads
from scripts.faulting.chatter import Chatter
from scripts.faulting.conversations import Place, judge, judge_roles


class Saved:
    """The state of threads."""

    def __init__(self, pool: Any, saver: Any) -> None:
        self.saver = saver
        self._threads = Threads(pool)

    async def messages(self, place: Place) -> list[tuple[str, str]]:
        """Role and text of all that the last answered turn left; what a turn that was left has begun comes after."""
        stored = await self._threads.get(Caller(tenant=place.key.tenant, user=place.key.user), place.thread)
        if stored is None or stored.base is None:
            return []
        config = {"thread_id": stored.key, "checkpoint_ns": "", "checkpoint_id": stored.base}
        saved = await self.saver.aget_tuple({"configurable": config})
        return [(one.type, str(one.text)) for one in saved.checkpoint["channel_values"]["messages"]]


@asynccontextmanager
async def saved_in(database: str, redis: str = "") -> AsyncIterator[Saved]:
    """In the database, or in this Redis beside it."""
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(open_pool(database, size=2))
        saver: AbstractAsyncContextManager[Any] = open_postgres_saver(pool)
        if redis:
            client = await stack.enter_async_context(open_redis(redis, setting="the checkpoints", timeout=5))
            saver = open_redis_saver(client)
        yield Saved(pool, await stack.enter_async_context(saver))


async def judge_all(chatter: Chatter, places: Iterable[Place], state: AbstractAsyncContextManager[Saved]) -> None:
    """Holds threads against what was said there: the exchanges that are told, and the messages that are saved."""
    async with state as saved:
        for place in places:
            said = chatter.conversations.in_thread(place)
            if not any(one.run for one in said):
                continue  # no turn of it ever began
            kept = await chatter.speakers.kept(place, 0)
            judge(said, kept, chatter.findings)
            judge_roles(await saved.messages(place), kept, chatter.findings)
