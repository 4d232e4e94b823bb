"""Turns as clients ask for them: the RPC Run, one at a time and many at once, on a server of its own."""

import asyncio
import statistics
import time
from uuid import uuid4

from ragents_client import AsyncClient
from scripts.benchmarks import talk
from scripts.benchmarks.errors import BenchError
from scripts.evaluation.server import running_server
from scripts.figures import Figure

AGENT = "scripts.benchmarks.talk:build"
CALLERS = 16


async def running(*, rounds: int, runs: int) -> list[Figure]:
    """The median latency of one caller, and the turns a second of several; each caller has a thread of its own."""
    latencies: list[float] = []
    rates: list[float] = []
    async with running_server({"AGENTS": AGENT, "AGENT": "talk"}) as client:
        await _talked(client, 1)  # the first turn of all imports LangGraph
        for _ in range(rounds):
            latencies += await _talked(client, runs // 4)
            began = time.perf_counter()
            async with asyncio.TaskGroup() as group:
                for _ in range(CALLERS):
                    group.create_task(_talked(client, -(-runs // CALLERS)))
            rates.append(CALLERS * -(-runs // CALLERS) / (time.perf_counter() - began))
    return [
        Figure("run_1_caller_p50", statistics.median(latencies), "ms"),
        Figure(f"run_{CALLERS}_callers", statistics.median(rates), "turns/s"),
    ]


async def _talked(client: AsyncClient, turns: int) -> list[float]:
    """The milliseconds of each turn of a new thread."""
    thread, taken = uuid4().hex[1:], list[float]()  # not of the length of a server's own ids
    for number in range(turns):
        began = time.perf_counter()
        run = await client.run("talk", talk.asked(number), thread_id=thread)
        taken.append(1e3 * (time.perf_counter() - began))
        if run.answer.text != talk.answered(2 * number):
            raise BenchError("a run was answered otherwise than it must be")
    return taken
