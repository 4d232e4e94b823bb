"""The queue in PostgreSQL: what is free is found by an index, and what others are taking is passed by."""

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from typing import Any

from ragents_server.connections.statements import Pool, read_statements
from ragents_server.errors import Overloaded
from ragents_server.jobs.queue import LEASE, REFUSED_WAIT, Bounds, Dead, Job, Lease, Sizes, Stored, Submission

SUBMITTING = 7236834117920818  # the advisory lock of those that submit: the bounds hold whoever else does
SWEPT = 20  # batches in one statement


class PostgresQueue:
    """Plays `Queue`."""

    def __init__(self, pool: Pool, bounds: Bounds, *, lease: float = LEASE) -> None:
        self._pool = pool
        self._bounds = bounds
        self._lease = timedelta(seconds=lease)
        self._sql = read_statements("ragents_server.jobs", "batches")

    async def submit(self, submission: Submission) -> Stored:
        """The batch, committed; one at a time, so that the bounds hold. Raises Overloaded."""
        sql, one = self._sql, submission
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute(sql["serialize"], SUBMITTING)
            row = await connection.fetchrow(sql["find"], one.id)
            if row is None:
                load = await connection.fetchrow(sql["load"], one.tenant)
                self._require_room(load["waiting"], load["of_tenant"], len(one.questions))
                asked = (one.id, one.tenant, one.user, one.caller, one.digest, one.priority, list(one.questions))
                await connection.execute(sql["submit"], *asked)
                row = await connection.fetchrow(sql["find"], one.id)
        return _stored(row)

    def _require_room(self, waiting: int, of_tenant: int, number: int) -> None:
        if waiting + number > self._bounds.most or of_tenant + number > self._bounds.most_of_tenant:
            raise Overloaded("the queue has no room for so many questions now", retry_after=REFUSED_WAIT)

    async def find(self, batch: str) -> Stored | None:
        """A batch, whosever it is."""
        row = await self._pool.fetchrow(self._sql["find"], batch)
        return None if row is None else _stored(row)

    async def outcomes(self, batch: str, first: int, most: int) -> Sequence[bytes | None]:
        """The outcomes of the questions from `first` on, None for those without."""
        rows = await self._pool.fetch(self._sql["outcomes"], batch, first, first + most)
        return [row["outcome"] for row in rows]

    async def cancel(self, batch: str) -> Stored | None:
        """The batch, none of whose jobs is taken or ended any more."""
        async with self._pool.acquire() as connection, connection.transaction():
            if await connection.fetchval(self._sql["cancel"], batch):
                await connection.execute(self._sql["cancel_items"], batch)
        return await self.find(batch)

    async def take(self, priorities: Sequence[int]) -> Job | None:
        """The job that has waited longest among those of the first of these priorities that has any; None: no job."""
        row = await self._pool.fetchrow(self._sql["take"], list(priorities), self._lease)
        if row is None:
            return None
        batch, index = row["batch"], row["index"]
        lease = Lease(f"{batch}:{index}", batch, index, row["tenant"], row["token"])
        return Job(lease, row["priority"], row["attempts"], row["age"], row["caller"], row["question"])

    async def renew(self, leases: Collection[Lease]) -> Collection[Lease]:
        """Lengthens leases; those that still hold."""
        places = {(lease.batch, lease.index): lease for lease in leases}
        if not places:
            return ()
        batches, indexes = zip(*places, strict=True)
        tokens = [lease.token for lease in places.values()]
        rows = await self._pool.fetch(self._sql["renew"], batches, indexes, tokens, self._lease)
        return {places[row["batch"], row["index"]] for row in rows}

    async def finish(self, lease: Lease, outcome: bytes, *, dead: bool = False) -> bool:
        """Ends a job; False, and nothing has changed, where the lease was lost."""
        held = (lease.batch, lease.index, lease.token)
        return bool(await self._pool.fetchval(self._sql["finish"], *held, outcome, dead))

    async def put_off(self, lease: Lease, seconds: float, *, counted: bool) -> bool:
        """Gives a job back for others to take after a pause; False: the lease was lost."""
        held = (lease.batch, lease.index, lease.token)
        return bool(await self._pool.fetchval(self._sql["put_off"], *held, timedelta(seconds=seconds), counted))

    async def sizes(self) -> Sizes:
        """How full it is."""
        row = await self._pool.fetchrow(self._sql["sizes"])
        return Sizes(row["waiting"], row["dead"])

    async def dead(self, most: int) -> Sequence[Dead]:
        """The dead letters, the latest first."""
        return [Dead(row["batch"], row["index"]) for row in await self._pool.fetch(self._sql["dead"], most)]

    async def sweep(self) -> None:
        """Drops some batches that ended long enough ago, of several replicas each others."""
        await self._pool.execute(self._sql["sweep"], timedelta(seconds=self._bounds.kept), SWEPT)


def _stored(row: Mapping[str, Any]) -> Stored:
    return Stored(
        id=row["id"],
        tenant=row["tenant"],
        user=row["owner"],
        digest=row["digest"],
        total=row["total"],
        done=row["done"],
        cancelled=row["cancelled"],
        created=row["created"],
        updated=row["updated"],
    )
