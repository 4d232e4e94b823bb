"""What keeps the lexical statistics small and right: folding term counts, moving a collection to a fitting pivot."""

from asyncpg import Record

from ragents_server.index.lexical import reweighed
from ragents_server.index.locks import collection_key, lock_key
from ragents_server.index.statements import Connection, statements

DRIFT = 1.05  # a pivot that is off by less than this factor changes a rank here and there, and no figure
CHANGES_TO_FOLD = 64
PAGE = 500
PAGES_AT_ONCE = 4  # somebody's put waits for these; the next chores go on


def chores_due(epoch: int) -> bool:
    """Whether the change that made this epoch should fold and look at the pivot: often while a collection is young."""
    changes = epoch & 0xFFFFFFFF
    return changes % CHANGES_TO_FOLD == 0 or changes & (changes - 1) == 0


async def do_chores(connection: Connection, tenant: str, collection: str) -> None:
    """Fold the term counts; where passages have become longer or shorter than the pivot, go on reweighing them."""
    key = collection_key(tenant, collection)
    if (found := await _fold(connection, key, tenant, collection)) is None:
        return
    if _has_drifted(found):
        await _fit_pivot(connection, key, tenant, collection)
    elif not found["reweighing"]:
        return
    for _ in range(PAGES_AT_ONCE):
        if not await _reweigh(connection, key, tenant, collection):
            return


async def _fold(connection: Connection, key: int, tenant: str, collection: str) -> Record | None:
    """Fold the changes of the term counts, unless somebody else is at it; None where the collection is gone."""
    sql = statements("lexical")
    async with connection.transaction():
        await connection.execute(statements("collections")["share"], key)
        found = await connection.fetchrow(sql["pivot"], tenant, collection)
        if found and await connection.fetchval(sql["begin_folding"], lock_key("fold", str(found["id"]))):
            await connection.execute(sql["fold"], found["id"])
        return found


def _has_drifted(found: Record) -> bool:
    return bool(found["mean"] > 0 and not 1 / DRIFT <= found["pivot"] / found["mean"] <= DRIFT)


async def _fit_pivot(connection: Connection, key: int, tenant: str, collection: str) -> None:
    """From here on puts weigh by the mean; alone for this moment, so that none is under way with the old pivot."""
    sql = statements("lexical")
    async with connection.transaction():
        await connection.execute(statements("collections")["lock_alone"], key)
        found = await connection.fetchrow(sql["pivot"], tenant, collection)
        if found and _has_drifted(found):
            await connection.execute(sql["set_pivot"], found["id"], found["mean"])


async def _reweigh(connection: Connection, key: int, tenant: str, collection: str) -> bool:
    """Move a page of weights to the collection's pivot; False when it was the last."""
    sql = statements("lexical")
    async with connection.transaction():
        await connection.execute(statements("collections")["share"], key)
        found = await connection.fetchrow(sql["pivot"], tenant, collection)
        if found is None:
            return False
        pivot = found["pivot"]
        page = await connection.fetch(sql["misfits"], found["id"], pivot, PAGE)
        moved = [(row["passage"], reweighed(row["weights"], row["length"], row["pivot"], pivot), pivot) for row in page]
        await connection.executemany(sql["reweigh"], moved)
        if not page:
            await connection.execute(sql["reweighed"], found["id"], pivot)
        return bool(page)
