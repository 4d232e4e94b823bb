"""Moves a collection to another embedding model while it is searched: new vectors beside the old, then one switch."""

from collections.abc import Sequence

from ragents_server.index.locks import collection_key, lock_key
from ragents_server.index.statements import Connection, Pool, statements
from ragents_server.index.vectors import PassageEmbedding, Unembedded, ensure_dimension, to_spans, write_vectors


class Reindex:
    """The reindex of one collection to one model; begun again after a crash, it goes on where it was.

        generation = await reindex.begin()
        while not await reindex.switch(generation):
            while batch := await reindex.next_batch(generation, 64):
                await reindex.add(generation, …)
        await reindex.drop_stale()

    Documents may be put, replaced and deleted all the while.
    """

    def __init__(self, pool: Pool, tenant: str, collection: str, *, embedding_model: str, dimension: int) -> None:
        self._pool = pool
        self._place = (tenant, collection)
        self._model = (embedding_model, dimension)

    async def begin(self) -> int | None:
        """The generation to make vectors for; None where there is no such collection.

        What another model's unfinished reindex has made is dropped.
        """
        sql = statements("reindex")
        await self.drop_stale()
        async with self._pool.acquire() as connection:
            await ensure_dimension(connection, self._model[1])
            async with connection.transaction():
                await self._lock_alone(connection)
                state = await connection.fetchrow(sql["state"], *self._place)
                if state is None:
                    return None
                if (state["next_model"], state["next_dimension"]) == self._model:
                    generation: int = state["next_generation"]
                    return generation
                begun: int = await connection.fetchval(sql["begin"], state["id"], *self._model)
                return begun

    async def next_batch(self, generation: int, limit: int) -> list[Unembedded]:
        """Some passages that have no vector of this generation, none when all have."""
        rows = await self._pool.fetch(statements("reindex")["next_batch"], *self._place, generation, limit)
        return [Unembedded(row["id"], row["text"], to_spans(row["sentences"])) for row in rows]

    async def add(self, generation: int, embeddings: Sequence[PassageEmbedding]) -> bool:
        """Store vectors beside the old ones, but for passages that have gone; False: no such reindex is under way.

        A generation that is searched already lacks none, and is True.
        """
        sql = statements("reindex")
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute(statements("collections")["lock"], *self._keys())
            state = await connection.fetchrow(sql["state"], *self._place)
            if state is None or state["next_generation"] != generation:
                return state is not None and state["generation"] == generation  # another process has switched already
            ids = [one.passage for one in embeddings]
            rows = await connection.fetch(sql["absent"], ids, state["id"], generation)
            documents = {row["id"]: row["document"] for row in rows}
            absent = [(one, documents[one.passage]) for one in embeddings if one.passage in documents]
            await write_vectors(connection, absent, generation)
        return True

    def _keys(self) -> tuple[int, int]:
        """Shares the collection; two processes at the same reindex take turns."""
        return collection_key(*self._place), lock_key("reindex", *self._place)

    async def switch(self, generation: int, *, leave: int = 0) -> bool:
        """Search the new vectors from now on; False while more than `leave` passages have none.

        Passages that are left are found by their words, and by `Vectors.claim` of a server that has the new model.
        A generation that is searched already is True.
        """
        sql = statements("reindex")
        async with self._pool.acquire() as connection, connection.transaction():
            await self._lock_alone(connection)
            state = await connection.fetchrow(sql["state"], *self._place)
            if state is None or state["next_generation"] != generation:
                return state is not None and state["generation"] == generation
            if await connection.fetchval(sql["unembedded"], state["id"], generation) > leave:
                return False
            await connection.execute(sql["mark_documents"], state["id"], generation)
            await connection.execute(sql["switch"], state["id"])
        return True

    async def drop_stale(self) -> None:
        """Delete the vectors that are no longer searched; a search under way sees them to its end."""
        sql = statements("reindex")
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute(statements("collections")["lock"], *self._keys())
            await connection.execute(sql["drop_stale"], *self._place)
            await connection.execute(sql["forget_stale"], *self._place)

    async def _lock_alone(self, connection: Connection) -> None:
        await connection.execute(statements("collections")["lock_alone"], collection_key(*self._place))
