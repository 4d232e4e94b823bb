"""The bench `tracing`: what a traced call costs beside Opik's SDK and OTLP, and what callers notice of it."""

import asyncio
import os
import socket
import statistics
import sys
import time
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from ragents_client import AsyncClient
from scripts.benchmarks.errors import BenchError
from scripts.benchmarks.load import Taken
from scripts.benchmarks.processes import memory_mb
from scripts.benchmarks.texts import SEED, Author, Made
from scripts.evaluation.server import answers, end, free_port, open_folder, start
from scripts.figures import Figure

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
PEERS = ROOT / ".venv-opik/bin/python"
FEW, MANY = 3, 13  # spans of a call
CALLERS, PAUSE = 2, 0.03  # and seconds between a caller's calls: about half of what the server could do
DOCUMENTS = 40  # of a passage each
SECONDS = 120.0  # for a process of traced calls
CPU, FURTHER = 0.5, 0.1  # ms of a call of FEW spans, and of one span more
SLOWER = 1.05  # times: p99 beside that without traces
GROWTH = 60.0  # MB more than without traces, while Opik is silent: 16 MiB of messages may wait
NOTES = {
    "tracing_cpu": f"CPU of all threads for calls of {FEW} or {MANY} spans that do nothing else, a question and an "
    "answer in each, at some hundreds a second, until all is sent; ours, Opik's SDK 2.2 and OpenTelemetry's SDK with "
    "its OTLP exporter, by turns, medians. Ours redacts; the others do not",
    "tracing_p99": f"{CALLERS} callers who pause {PAUSE * 1e3:.0f} ms, each question new (seed {SEED}), three servers "
    "by turns: without traces, sending them, and sending to a port that takes connections and never answers. Medians "
    "of the rounds; a server that sends has the work of telling to do besides",
}


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured."""

    rounds: int  # of processes
    calls: int  # of each
    turns: int  # of each server
    questions: int  # a turn


FULL, SHORT = Plan(5, 3000, 21, 200), Plan(1, 200, 1, 20)


async def measured(*, short: bool) -> list[Figure]:
    """All figures; the short form has no targets for callers, whose time needs many calls."""
    plan = SHORT if short else FULL
    async with sink() as url:
        return [*await _cpu(plan, url), *await _noticed(plan, url, short=short)]


@asynccontextmanager
async def sink() -> AsyncIterator[str]:
    """The URL of a server that takes traces, in a process of its own, whose CPU does not count."""
    command = [sys.executable, "-m", "scripts.benchmarks.trace_sink"]
    process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, cwd=ROOT)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield f"http://127.0.0.1:{int(await process.stdout.readline())}"
    finally:
        process.stdin.close()
        await process.wait()


async def _cpu(plan: Plan, url: str) -> list[Figure]:
    ours = [sys.executable, "-m", "scripts.benchmarks.traced_calls"]
    ways = {("ours", FEW): [*ours, url], ("ours", MANY): [*ours, url]}
    if PEERS.exists():
        for peer in ("sdk", "otlp"):
            ways[peer, FEW] = [str(PEERS), str(HERE / "traced_peers.py"), peer, url]
    spent: dict[tuple[str, int], list[float]] = {way: [] for way in ways}
    for _ in range(plan.rounds):
        for (name, spans), command in ways.items():
            calls = plan.calls if name == "ours" else plan.calls // 4
            spent[name, spans].append(await _spent([*command, str(calls), str(spans)]))
    found = {way: statistics.median(each) for way, each in spent.items()}
    further = (found["ours", MANY] - found["ours", FEW]) / (MANY - FEW)
    figures = [
        Figure.at_most("tracing_cpu_3_spans", found["ours", FEW], CPU, "ms"),
        Figure.at_most("tracing_cpu_further_span", further, FURTHER, "ms"),
    ]
    for peer in ("sdk", "otlp"):
        if (peer, FEW) in found:
            figures.append(Figure(f"tracing_cpu_3_spans_{peer}", found[peer, FEW], "ms"))
            figures.append(Figure(f"tracing_cpu_{peer}_over_ours", found[peer, FEW] / found["ours", FEW], "x"))
    return figures


async def _spent(command: Sequence[str]) -> float:
    """CPU milliseconds a call, as the process tells."""
    quiet = {"OPIK_SENTRY_ENABLE": "false", "OPIK_ANALYTICS_ENABLE": "false", "OPIK_CONSOLE_LOGGING_LEVEL": "ERROR"}
    environment = {**os.environ, **quiet, "OPIK_URL_OVERRIDE": "http://127.0.0.1:9"}
    process = await asyncio.create_subprocess_exec(*command, stdout=PIPE, stderr=PIPE, cwd=ROOT, env=environment)
    try:
        async with asyncio.timeout(SECONDS):
            out, said = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise BenchError(f"traced calls failed: {said.decode()[-500:]}")
    return float(out.split()[-1])


async def _noticed(plan: Plan, url: str, *, short: bool) -> list[Figure]:
    with socket.create_server(("127.0.0.1", 0), backlog=64) as hole:  # it is connected to, and says nothing
        targets = {"off": "", "on": f"{url}/api", "blackholed": f"http://127.0.0.1:{hole.getsockname()[1]}/api"}
        async with AsyncExitStack() as stack:
            servers = {name: await stack.enter_async_context(_server(target)) for name, target in targets.items()}
            author = Author()
            passages = [author.passage() for _ in range(DOCUMENTS)]
            documents = [(f"{number}.txt", one.text.encode()) for number, one in enumerate(passages)]
            for client, _ in servers.values():
                await client.put_documents(documents)
            taken = await _by_turns(plan, {name: client for name, (client, _) in servers.items()}, author, passages)
            grown = memory_mb(servers["blackholed"][1]) - memory_mb(servers["off"][1])
    p99 = {name: statistics.median(one.percentile(0.99) for one in rounds) for name, rounds in taken.items()}
    figures = [Figure("tracing_p99_off", p99["off"], "ms")]
    for name in ("on", "blackholed"):
        ratio = statistics.median(
            a.percentile(0.99) / b.percentile(0.99) for a, b in zip(taken[name], taken["off"], strict=True)
        )
        label, bound = f"tracing_p99_{name}_over_off", name == "blackholed" and not short
        figures.append(Figure.at_most(label, ratio, SLOWER, "x") if bound else Figure(label, ratio, "x"))
    return [*figures, Figure.at_most("tracing_memory_blackholed", grown, GROWTH, "MB")]


@asynccontextmanager
async def _server(target: str) -> AsyncIterator[tuple[AsyncClient, int]]:
    """A client of a server that sends its traces there, and its process' number."""
    with open_folder() as folder:
        log, address = folder / "log", f"127.0.0.1:{free_port()}"
        settings = {"DATA": f"{folder}/data", "LISTEN": address, "LAME_DUCK": "0", "LOG_LEVEL": "ERROR"}
        settings |= {"REQUESTS_PER_MINUTE": "0", "REQUESTS_PER_HOUR": "0"} | ({"OPIK_URL": target} if target else {})
        process = await start(settings, log)
        try:
            async with AsyncClient(address, wait_for_ready=True) as client:
                await answers(client, process, log)
                yield client, process.pid
        finally:
            await end(process)


async def _by_turns(
    plan: Plan, clients: dict[str, AsyncClient], author: Author, passages: Sequence[Made]
) -> dict[str, list[Taken]]:
    taken: dict[str, list[Taken]] = {name: [] for name in clients}
    for turn in range(plan.turns + 1):
        order = list(clients)[turn % 3 :] + list(clients)[: turn % 3]  # none is always the first
        for name in order:
            asked = [author.question(passages) for _ in range(plan.questions)]
            one = await _paced(clients[name], asked)
            if turn:  # the first warms up
                taken[name].append(one)
    return taken


async def _paced(client: AsyncClient, questions: Sequence[str]) -> Taken:
    """The latencies of callers who pause between their calls."""
    left, latencies = iter(questions), list[float]()
    began = time.perf_counter()

    async def caller() -> None:
        for one in left:
            asked = time.perf_counter()
            await client.query(one)
            latencies.append(time.perf_counter() - asked)
            await asyncio.sleep(PAUSE)

    async with asyncio.TaskGroup() as group:
        for _ in range(CALLERS):
            group.create_task(caller())
    return Taken(sorted(latencies), time.perf_counter() - began)
