"""Reads from Redis, measured in a process of their own, with nothing else in it; on asyncio's own loop."""

import asyncio
import json
import sys

from scripts.benchmarks.errors import BenchError
from scripts.benchmarks.layer_reads import layer_reads
from scripts.benchmarks.reads import reads
from scripts.figures import Figure, as_data

PATIENCE = 300.0  # seconds


async def redis_reads(*, rounds: int, calls: int) -> list[Figure]:
    """Merged reads, then whole look-ups, each against plain GETs; so many calls of each caller a round."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", __name__, str(rounds), str(calls), stdout=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(PATIENCE):
            printed, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise BenchError("reads from Redis could not be measured")
    rows = json.loads(printed).items()
    return [Figure(name, row["value"], row["unit"], row["target"] or "", row["ok"]) for name, row in rows]


async def _both(rounds: int, calls: int) -> list[Figure]:
    return [*await reads(rounds=rounds, calls=calls), *await layer_reads(rounds=rounds, calls=calls)]


if __name__ == "__main__":
    print(json.dumps(as_data(asyncio.run(_both(*map(int, sys.argv[1:]))))))
