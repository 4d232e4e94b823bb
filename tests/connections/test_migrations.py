"""The migrations runner: once each, in order, by whichever replica is first; and the check for pgvector."""

import asyncio
from collections.abc import AsyncIterator
from importlib.resources import files
from pathlib import Path

import asyncpg
import pytest

from ragents_server.connections.migrations import migrate, read, require_vector
from ragents_server.connections.postgres import open_pool
from ragents_server.errors import ConfigurationError
from tests.postgres_servers import POSTGRESES, debian_database, embedded_database


@pytest.fixture(params=POSTGRESES)
async def url(request: pytest.FixtureRequest) -> AsyncIterator[str]:
    async with POSTGRESES[request.param]() as fresh:
        yield fresh


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "0001_fruit.sql").write_text("CREATE TABLE fruit (name text); INSERT INTO fruit VALUES ('apple');")
    (tmp_path / "0002_more.sql").write_text("INSERT INTO fruit VALUES ('pear'); INSERT INTO fruit VALUES ('fig');")
    (tmp_path / "README").write_text("not a migration")
    return tmp_path


async def fruit(url: str) -> list[str]:
    async with open_pool(url) as pool:
        return [row["name"] for row in await pool.fetch("SELECT name FROM fruit")]


async def test_migrations_are_applied_in_order_and_only_once(url: str, folder: Path) -> None:
    assert await migrate(url, folder) == ["0001_fruit", "0002_more"]
    assert await migrate(url, folder) == []
    assert await fruit(url) == ["apple", "pear", "fig"]


async def test_eight_replicas_that_start_at_once_apply_each_migration_once(url: str, folder: Path) -> None:
    applied = await asyncio.gather(*(migrate(url, folder) for _ in range(8)))
    assert sorted(name for names in applied for name in names) == ["0001_fruit", "0002_more"]
    assert await fruit(url) == ["apple", "pear", "fig"]


async def test_a_migration_that_fails_leaves_nothing_and_can_be_tried_again(url: str, folder: Path) -> None:
    (folder / "0002_more.sql").write_text("INSERT INTO fruit VALUES ('pear'); SELECT 1/0;")
    with pytest.raises(asyncpg.DivisionByZeroError):
        await migrate(url, folder)
    assert await fruit(url) == ["apple"]
    (folder / "0002_more.sql").write_text("INSERT INTO fruit VALUES ('pear')")
    assert await migrate(url, folder) == ["0002_more"]


async def test_an_applied_migration_that_changed_is_refused(url: str, folder: Path) -> None:
    await migrate(url, folder)
    (folder / "0001_fruit.sql").write_text("CREATE TABLE fruit (name text, colour text)")
    with pytest.raises(ConfigurationError, match="0001_fruit was applied to this database with other text"):
        await migrate(url, folder)


async def test_the_previous_release_runs_on_a_newer_schema(url: str, folder: Path) -> None:
    await migrate(url, folder)
    (folder / "0002_more.sql").unlink()
    assert await migrate(url, folder) == []


async def test_migrations_ship_inside_a_package(url: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "shipped_schema" / "migrations").mkdir(parents=True)
    (folder / "shipped_schema" / "__init__.py").touch()
    (folder / "0001_fruit.sql").rename(folder / "shipped_schema" / "migrations" / "0001_fruit.sql")
    monkeypatch.syspath_prepend(folder)
    assert await migrate(url, files("shipped_schema") / "migrations") == ["0001_fruit"]


@pytest.mark.parametrize("name", ["1_short.sql", "0001_again.sql", "0003-dash.sql"])
def test_a_file_that_has_no_place_in_the_order_is_refused(folder: Path, name: str) -> None:
    (folder / name).touch()
    with pytest.raises(ValueError, match=name):
        read(folder)


@pytest.mark.parametrize("server", ["embedded", "ordinary"])
async def test_the_vector_extension_is_added_once_by_eight_replicas(server: str) -> None:
    async with POSTGRESES[server]() as url:
        versions = await asyncio.gather(*(require_vector(url) for _ in range(8)))
    assert len(set(versions)) == 1


async def test_a_server_without_pgvector_is_refused_with_advice() -> None:
    async with debian_database() as url:
        with pytest.raises(ConfigurationError, match="no pgvector: install"):
            await require_vector(url)


async def test_an_old_pgvector_is_refused_with_advice() -> None:
    async with embedded_database() as url, open_pool(url) as pool:
        await require_vector(url)
        await pool.execute("UPDATE pg_extension SET extversion = '0.6.2' WHERE extname = 'vector'")
        with pytest.raises(ConfigurationError, match=r"pgvector 0\.6\.2.*ALTER EXTENSION vector UPDATE"):
            await require_vector(url)


async def test_a_user_who_may_not_add_the_extension_is_told_who_can() -> None:
    async with embedded_database() as url, open_pool(url) as pool:
        name = (await pool.fetchval("SELECT current_database()")).replace("test_", "user_")
        await pool.execute(f"CREATE ROLE {name} LOGIN")
        try:
            with pytest.raises(ConfigurationError, match="superuser has to run CREATE EXTENSION vector"):
                await require_vector(url.replace("ragents@", f"{name}@", 1))
        finally:
            await pool.execute(f"DROP ROLE {name}")
