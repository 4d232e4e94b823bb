"""A program for the tests: an embedded PostgreSQL, and writers that print each row when sent and when acknowledged."""

import asyncio
import sys
from pathlib import Path

from ragents_server.connections.launcher import embedded_postgres
from ragents_server.connections.postgres import open_pool

WRITERS = 8


def say(*words: object) -> None:
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


async def main(data: str, rows: int) -> None:
    async with embedded_postgres(Path(data)) as url, open_pool(url, size=WRITERS) as pool:
        await pool.execute("CREATE TABLE IF NOT EXISTS entry (id bigint PRIMARY KEY)")

        async def write(first: int) -> None:
            for number in range(first, rows, WRITERS):
                say("sent", number)
                await pool.execute("INSERT INTO entry VALUES ($1)", number)
                say("done", number)

        await asyncio.gather(*map(write, range(WRITERS)))
        say("rows", await pool.fetchval("SELECT count(*) FROM entry"))


if __name__ == "__main__":
    if sys.argv[3] == "uvloop":
        import uvloop

        runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
    else:
        runner = asyncio.Runner()
    with runner:
        runner.run(main(sys.argv[1], int(sys.argv[2])))
