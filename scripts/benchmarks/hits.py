"""A cached answer beside bare grpc.aio: the same bytes there and back, each server alone on a core, by turns.

h2load does not see what was answered. So the server's own count of hits must rise by exactly the calls, each response
must have a cached answer's length, and a client that reads gets the same answer before and after.
"""

import statistics
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc

from ragents_client import AsyncClient
from ragents_client.v1 import CACHE_LAYER_ANSWER, CACHE_OUTCOME_HIT, Answer, QueryRequest, QueryResponse, Question
from scripts.benchmarks.bare import Bare, answering
from scripts.benchmarks.cores import pin, two_cores
from scripts.benchmarks.errors import BenchError
from scripts.benchmarks.h2load import Load, framed, load
from scripts.benchmarks.processes import cpu_seconds
from scripts.benchmarks.service import Service, serving
from scripts.benchmarks.texts import Author
from scripts.evaluation.server import open_folder
from scripts.figures import Figure

COLLECTION = "hits"
METHOD = "/ragents.v1.QueryService/Query"
CONNECTIONS = 50
WARMING = 250  # calls
SAME_LOOP, DEFAULT_LOOP = 0.85, 0.95  # of the echo's calls a second, at least
SHARE = 0.8  # of its core that the generator takes at most
AGE = 16  # bytes that the answer's age takes at most, and that its growth may change a response by


@dataclass(frozen=True, slots=True)
class _Taken:
    """What one server took in one round."""

    load: Load
    cpu: float  # microseconds a call

    @property
    def share(self) -> float:
        """Of its core's time, that the server had."""
        return self.cpu / 1e6 * self.load.rate


Rounds = Sequence[Mapping[str, _Taken]]


async def hits(*, rounds: int, calls: int) -> list[Figure]:
    """Each server by turns, another one first each round; so many calls a round to each."""
    with open_folder() as folder:
        async with serving(folder) as service:
            question = await _filled(service)
            before = await _cached(service.client.address, question)
            (folder / "body").write_bytes(framed(question))
            (folder / "reply").write_bytes(before.SerializeToString())
            async with _servers(service, folder / "reply") as servers:
                bench = _Bench(service.client, servers, folder / "body", before.ByteSize())
                await bench.warm()
                taken = [await bench.round(number, calls) for number in range(rounds)]
            if (await _cached(service.client.address, question)).answer != before.answer:
                raise BenchError("the cached answer is another one after the load than before")
    return [*_figures(taken), Figure("cached_response", before.ByteSize(), "bytes")]


@dataclass(frozen=True, slots=True)
class _Bench:
    """What is loaded, and with what; `size` of a cached response in bytes."""

    client: AsyncClient
    servers: Mapping[str, Bare]
    body: Path
    size: int

    async def warm(self) -> None:
        """So that no server meets its first calls in a round."""
        for server in self.servers.values():
            await self._taken(server, WARMING)

    async def round(self, number: int, calls: int) -> Mapping[str, _Taken]:
        """Each server once."""
        names = list(self.servers)
        first = number % len(names)
        before = await self._hits()
        taken = {name: await self._taken(self.servers[name], calls) for name in names[first:] + names[:first]}
        if (found := await self._hits() - before) != calls:
            raise BenchError(f"of {calls} calls {found} were answered from the cache")
        if any(abs(one.load.bytes - self.size) > AGE for one in taken.values()):
            raise BenchError("a response did not have the length of the cached answer")
        return taken

    async def _taken(self, server: Bare, calls: int) -> _Taken:
        spent = cpu_seconds(server.pid)
        done = await load(server.address, METHOD, self.body, calls=calls, connections=CONNECTIONS, core=two_cores()[1])
        return _Taken(done, 1e6 * (cpu_seconds(server.pid) - spent) / calls)

    async def _hits(self) -> int:
        layers = await self.client.get_cache_stats()
        return next(layer.hits for layer in layers if layer.layer == CACHE_LAYER_ANSWER)


async def _filled(service: Service) -> bytes:
    """A document and the first asking of a question; the request's bytes."""
    author = Author()
    made = author.passage()
    await service.client.put_documents([("one.txt", made.text.encode())], collection=COLLECTION)
    asked = Question(text=f"What is {made.text.split()[4]}?", collections=[COLLECTION])
    return QueryRequest(question=asked).SerializeToString()


async def _cached(address: str, question: bytes) -> QueryResponse:
    """What a client reads that sends these bytes twice: the second time a hit."""
    async with grpc.aio.insecure_channel(address) as channel:
        call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(METHOD)
        await call(question)
        response = QueryResponse.FromString(await call(question))
    if response.cache.outcome != CACHE_OUTCOME_HIT or response.answer == Answer():
        raise BenchError("a question asked again was not answered from the cache")
    return response


@asynccontextmanager
async def _servers(service: Service, reply: Path) -> AsyncIterator[Mapping[str, Bare]]:
    """Ours and the bare ones, all on the first core."""
    async with AsyncExitStack() as stack:
        servers = {"cached": Bare(service.client.address, service.pid)}
        for loop in ("default", "uvloop"):
            servers[loop] = await stack.enter_async_context(answering(METHOD, reply, loop=loop))
        for server in servers.values():
            pin(server.pid, two_cores()[0])
        yield servers


def _figures(rounds: Rounds) -> list[Figure]:
    share = max(one.load.share for taken in rounds for one in taken.values())
    return [
        Figure.at_least("cached_over_echo_default_loop", _ratio(rounds, "default"), DEFAULT_LOOP, "times"),
        Figure.at_least("cached_over_echo_same_loop", _ratio(rounds, "uvloop"), SAME_LOOP, "times"),
        Figure("cached_over_echo_default_loop_cpu", _cpu_ratio(rounds, "default"), "times"),
        Figure("cached_over_echo_same_loop_cpu", _cpu_ratio(rounds, "uvloop"), "times"),
        *(figure for name in ("cached", "default", "uvloop") for figure in _shown(rounds, name)),
        Figure.at_most("generator_share_of_its_core", share, SHARE),
    ]


def _ratio(rounds: Rounds, loop: str) -> float:
    """Of calls a second, round by round: what slows the machine for a while slows both."""
    return statistics.median(taken["cached"].load.rate / taken[loop].load.rate for taken in rounds)


def _cpu_ratio(rounds: Rounds, loop: str) -> float:
    """Of calls a CPU second: the same on a core that is the server's alone, and nearly so on one that is not."""
    return statistics.median(taken[loop].cpu / taken["cached"].cpu for taken in rounds)


def _shown(rounds: Rounds, name: str) -> list[Figure]:
    """A server's share of its core is near 1 where nothing but its own work held it up."""
    named = name if name == "cached" else f"echo_{name}"
    return [
        Figure(f"{named}_rate", statistics.median(taken[name].load.rate for taken in rounds), "calls/s"),
        Figure(f"{named}_cpu", statistics.median(taken[name].cpu for taken in rounds), "CPU us/call"),
        Figure(f"{named}_share_of_its_core", statistics.median(taken[name].share for taken in rounds)),
    ]
