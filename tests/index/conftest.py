"""An empty index for each test, in one database a module: to make a database takes longer than most tests."""

from collections.abc import AsyncIterator
from importlib import resources

import pytest
import pytest_asyncio

from ragents_server.connections.migrations import migrate
from tests.index.places import Index, open_index
from tests.postgres_servers import embedded_database


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def migrated() -> AsyncIterator[str]:
    async with embedded_database() as url:
        await migrate(url, resources.files("ragents_server.index") / "migrations")
        yield url


@pytest.fixture
async def index(migrated: str) -> AsyncIterator[Index]:
    async with open_index(migrated) as opened:
        yield opened
        await opened.pool.execute("TRUNCATE collections, term_counts, term_changes CASCADE")
