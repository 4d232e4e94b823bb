"""The queue in a Redis that evicts nothing: all of it, as durable as that Redis."""

import logging
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from typing import Any

from ragents_server.connections.redis import Argument, Redis, RedisRefused, RedisUnavailable
from ragents_server.errors import Overloaded, StateUnavailable
from ragents_server.jobs.queue import LEASE, REFUSED_WAIT, Bounds, Dead, Job, Lease, Sizes, Stored, Submission
from ragents_server.jobs.redis_scripts import COUNTS, DEAD, batch_keys, run_script

log = logging.getLogger(__name__)

FACTS = ("tenant", "owner", "digest", "total", "done", "cancelled", "created", "updated")


class RedisQueue:
    """Plays `Queue`."""

    def __init__(self, redis: Redis, bounds: Bounds, *, lease: float = LEASE) -> None:
        self._redis = redis
        self._bounds = bounds
        self._lease = int(lease * 1000)
        self._kept = int(bounds.kept * 1000)

    async def submit(self, submission: Submission) -> Stored:
        """The batch, queued. Raises Overloaded."""
        one = submission
        facts = (one.id, one.priority, one.digest, one.tenant, one.user, one.caller)
        bounds = (self._bounds.most, self._bounds.most_of_tenant)
        if await self._run("submit", one.id, *facts, *bounds, *one.questions) == b"full":
            raise Overloaded("the queue has no room for so many questions now", retry_after=REFUSED_WAIT)
        stored = await self.find(one.id)
        if stored is None:
            raise StateUnavailable("the batch was queued, and is gone: the Redis of the queue lost it")
        return stored

    async def find(self, batch: str) -> Stored | None:
        """A batch, whosever it is."""
        async with _known():
            facts = await self._redis.call(batch_keys(batch)[0], "HMGET", batch_keys(batch)[0], *FACTS)
            return None if facts[0] is None else _stored(batch, facts)

    async def outcomes(self, batch: str, first: int, most: int) -> Sequence[bytes | None]:
        """The outcomes of the questions from `first` on, None for those without."""
        meta, _, outcomes = batch_keys(batch)
        async with _known():
            total = int(await self._redis.call(meta, "HGET", meta, "total") or 0)
            wanted = range(first, min(first + most, total))
            return await self._redis.call(outcomes, "HMGET", outcomes, *wanted) if wanted else []

    async def cancel(self, batch: str) -> Stored | None:
        """The batch, none of whose jobs is taken or ended any more."""
        await self._run("cancel", batch, batch, self._kept)
        return await self.find(batch)

    async def take(self, priorities: Sequence[int]) -> Job | None:
        """The job that has waited longest among those of the first of these priorities that has any; None: no job."""
        while (taken := await self._run("take", "", self._lease, *priorities)) is not None:
            name, token, attempt, moment = taken
            priority, _, batch, index = name.decode().split(":")
            meta, questions, _ = batch_keys(batch)
            commands = [("HMGET", meta, "tenant", "caller", "created"), ("HGET", questions, int(index))]
            async with _known():
                (tenant, caller, created), question = await self._redis.pipeline(meta, commands)
                if tenant is not None and question is not None:  # else it was cancelled at this very moment
                    lease = Lease(name.decode(), batch, int(index), tenant.decode(), token)
                    age = max(0.0, (moment - int(created)) / 1000)
                    return Job(lease, int(priority), attempt, age, caller.decode(), question)
        return None

    async def renew(self, leases: Collection[Lease]) -> Collection[Lease]:
        """Lengthens leases; those that still hold."""
        if not leases:
            return ()
        pairs = [one for lease in leases for one in (lease.name, lease.token)]
        told = await self._run("renew", "", self._lease, *pairs)
        return {lease for lease, held in zip(leases, told, strict=True) if held}

    async def finish(self, lease: Lease, outcome: bytes, *, dead: bool = False) -> bool:
        """Ends a job; False, and nothing has changed, where the lease was lost."""
        told = (lease.name, lease.token, lease.index, outcome, int(dead), self._kept)
        return bool(await self._run("finish", lease.batch, *told))

    async def put_off(self, lease: Lease, seconds: float, *, counted: bool) -> bool:
        """Gives a job back for others to take after a pause; False: the lease was lost."""
        return bool(await self._run("put_off", "", lease.name, lease.token, int(seconds * 1000), int(counted)))

    async def sizes(self) -> Sizes:
        """How full it is."""
        async with _known():
            waiting, dead = await self._redis.pipeline(COUNTS, [("HGET", COUNTS, ""), ("ZCARD", DEAD)])
        return Sizes(int(waiting or 0), dead)

    async def dead(self, most: int) -> Sequence[Dead]:
        """The dead letters, the latest first."""
        async with _known():
            names = await self._redis.call(DEAD, "ZREVRANGE", DEAD, 0, most - 1)
        places = [name.decode().split(":") for name in names]
        return [Dead(batch, int(index)) for _, _, batch, index in places]

    async def sweep(self) -> None:
        """Drops old dead letters; what is kept of a batch comes of age by itself."""
        await self._run("sweep", "", self._kept)

    async def _run(self, name: str, batch: str, *arguments: Argument) -> Any:
        async with _known():
            return await run_script(self._redis, name, batch, *arguments)


@asynccontextmanager
async def _known() -> AsyncIterator[None]:
    """What Redis tells, as the contract has it."""
    try:
        yield
    except RedisUnavailable as error:
        raise StateUnavailable("the Redis of the queue is away, or whether it has the change is unknown") from error
    except RedisRefused as error:
        log.warning("the Redis of the queue refuses: %s", error)
        raise StateUnavailable("the Redis of the queue takes no more") from error
    except (ValueError, TypeError, AttributeError) as error:
        log.warning("the Redis of the queue keeps what is not ours: %r", error)
        raise StateUnavailable("what the Redis of the queue keeps is not understood") from error


def _stored(batch: str, facts: Sequence[bytes]) -> Stored:
    tenant, owner, digest, total, done, cancelled, created, updated = facts
    return Stored(
        id=batch,
        tenant=tenant.decode(),
        user=owner.decode(),
        digest=digest,
        total=int(total),
        done=int(done),
        cancelled=cancelled == b"1",
        created=int(created),
        updated=int(updated),
    )
