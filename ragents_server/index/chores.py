"""What keeps the lexical statistics small and right: folding term counts, moving a collection to a fitting pivot."""

from pgvector import SparseVector

from ragents_server.index.lexical import reweighed
from ragents_server.index.locks import collection_key, lock_key
from ragents_server.index.statements import Connection, statements

DRIFT = 1.1  # a pivot that is off by less than this factor changes a rank here and there, and no figure
MOST_TO_REWEIGH = 20_000  # passages; puts wait a few seconds for them. The mean of more hardly moves; a reindex fits it
CHANGES_TO_FOLD = 64
PAGE = 500


def chores_due(epoch: int) -> bool:
    """Whether the change that made this epoch should fold and look at the pivot: often while a collection is young."""
    changes = epoch & 0xFFFFFFFF
    return changes % CHANGES_TO_FOLD == 0 or changes & (changes - 1) == 0


async def do_chores(connection: Connection, tenant: str, collection: str) -> None:
    """Fold the term counts; where passages have become much longer or shorter than the pivot, reweigh them all."""
    sql = statements("collections")
    async with connection.transaction():
        await connection.execute(sql["share"], collection_key(tenant, collection))
        row = await connection.fetchrow(statements("lexical")["pivot"], tenant, collection)
        if row is None:
            return
        await _fold(connection, row["id"])
    if row["passages"] <= MOST_TO_REWEIGH and _has_drifted(row["pivot"], row["mean"]):
        async with connection.transaction():
            await connection.execute(sql["lock_alone"], collection_key(tenant, collection))
            await fit_pivot(connection, tenant, collection)


async def fit_pivot(connection: Connection, tenant: str, collection: str) -> None:
    """Make the pivot the mean length of passages and all weights anew, where they have drifted apart.

    The caller's transaction holds the collection alone.
    """
    row = await connection.fetchrow(statements("lexical")["pivot"], tenant, collection)
    if row is not None and _has_drifted(row["pivot"], row["mean"]):
        await _reweigh(connection, row["id"], row["pivot"], row["mean"])


async def _fold(connection: Connection, collection: int) -> None:
    """Fold the changes of the term counts, unless somebody else is at it."""
    sql = statements("lexical")
    if await connection.fetchval(sql["begin_folding"], lock_key("fold", str(collection))):
        await connection.execute(sql["fold"], collection)


def _has_drifted(pivot: float, mean: float) -> bool:
    """Whether the weights should be made anew."""
    return mean > 0 and not 1 / DRIFT < pivot / mean < DRIFT


async def _reweigh(connection: Connection, collection: int, old: float, new: float) -> None:
    sql = statements("lexical")
    page: list[tuple[int, SparseVector]] = []
    async for row in connection.cursor(sql["weights"], collection, prefetch=PAGE):
        page.append((row["passage"], reweighed(row["weights"], row["length"], old, new)))
        if len(page) == PAGE:
            await connection.executemany(sql["reweigh"], page)
            page.clear()
    await connection.executemany(sql["reweigh"], page)
    await connection.execute(sql["set_pivot"], collection, new)
