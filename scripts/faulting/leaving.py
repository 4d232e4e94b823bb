"""Callers of two tenants who leave in the middle of their calls, and others who stay and look at what they are told."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import grpc

from ragents_client import v1
from ragents_client.v1.agent_service_pb2_grpc import AgentServiceStub
from ragents_client.v1.document_service_pb2_grpc import DocumentServiceStub
from ragents_client.v1.query_service_pb2_grpc import QueryServiceStub
from scripts.faulting.planting import TOPICS, Tenant, question_of
from scripts.faulting.replicas import Replica

TIMEOUT = 30.0  # seconds
AT_ONCE = 64
STAYING = 0.05  # share of calls that are not cancelled
LONGEST = 0.03  # seconds until a call is cancelled
THREADS = 24  # of each tenant and agent, that those who leave talk in
KINDS = ("Query", "StreamQuery", "Retrieve", "Run", "StreamRun", "PutDocuments", "SubmitBatch", "GetBatch")
SHARES = (28, 22, 22, 8, 8, 7, 1, 4)
AGENTS = ("simple", "langgraph")
BATCHES = {"SubmitBatch", "GetBatch"}  # which tell nothing of documents but in a batch that is done
MODES = (v1.CACHE_MODE_USE, v1.CACHE_MODE_USE, v1.CACHE_MODE_NONE)


@dataclass(frozen=True, slots=True)
class Begun:
    """A call under way: its kind, whose it is, whether its reply names the tenant's own word."""

    kind: str
    tenant: Tenant
    call: Any
    streams: bool
    tells: bool


@dataclass(slots=True)
class Came:
    """What came of all calls; `foreign`: a word of the other tenant's in any reply, also before a cancel."""

    cancelled: Counter[str] = field(default_factory=Counter)  # those that had not ended
    ended: int = 0  # before they could be cancelled
    stayed: int = 0
    told: int = 0  # replies that were looked at
    foreign: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)


class Leaving:
    """The load; the same seed draws the same calls, tenants and moments."""

    def __init__(self, replica: Replica, tenants: Sequence[Tenant], batches: Sequence[str], seed: int) -> None:
        self.came = Came()
        self._tenants = tenants
        self._batches = dict(zip([one.key.tenant for one in tenants], batches, strict=True))
        self._draw = random.Random(seed)
        self._numbers = count(1)
        self._queries: Any = QueryServiceStub(replica.channel)
        self._documents: Any = DocumentServiceStub(replica.channel)
        self._agents: Any = AgentServiceStub(replica.channel)

    async def run(self, calls: int, *, staying: float = STAYING) -> None:
        """So many calls, a few at once; of those that stay all are checked."""
        slots = asyncio.Semaphore(AT_ONCE)
        async with asyncio.TaskGroup() as group:
            for _ in range(calls):
                kind = self._draw.choices(KINDS, SHARES)[0]
                tenant = self._draw.choice(self._tenants)
                stays = self._draw.random() < staying
                delay = self._draw.choice((0.0, self._draw.uniform(0, LONGEST), self._draw.uniform(0, LONGEST)))
                after_first = self._draw.random() < 0.2
                await slots.acquire()
                begin = self._beginning(kind, tenant, stays=stays)
                work = self._stay(begin) if stays else self._leave(begin, delay, after_first=after_first)
                group.create_task(work).add_done_callback(lambda _: slots.release())

    def _beginning(self, kind: str, tenant: Tenant, *, stays: bool) -> Callable[[], Begun]:
        """The call, which begins when this is called."""
        number = next(self._numbers)
        topic = self._draw.choice(TOPICS)
        text = f"{question_of(topic)} It is asked for the {number}th time."
        asked = v1.Question(text=question_of(topic) if number % 3 else text, cache_mode=self._draw.choice(MODES))
        agent = self._draw.choice(AGENTS)
        # Who stays needs a thread of its own: those who leave keep theirs busy.
        thread = f"{agent}-{self._draw.randrange(THREADS)}" if not stays else ""
        turn = v1.Turn(agent=agent, thread_id=thread, request_id=f"turn-{number}", question=v1.Question(text=text))
        kinds: dict[str, Callable[[], tuple[Any, Any]]] = {
            "Query": lambda: (self._queries.Query, v1.QueryRequest(question=asked)),
            "StreamQuery": lambda: (self._queries.StreamQuery, v1.StreamQueryRequest(question=asked)),
            "Retrieve": lambda: (self._queries.Retrieve, v1.RetrieveRequest(question=asked)),
            "Run": lambda: (self._agents.Run, v1.RunRequest(turn=turn)),
            "StreamRun": lambda: (self._agents.StreamRun, v1.StreamRunRequest(turn=turn)),
            "PutDocuments": lambda: (self._documents.PutDocuments, _upload(tenant, number % 50)),
            "SubmitBatch": lambda: (
                self._queries.SubmitBatch,
                v1.SubmitBatchRequest(request_id=f"batch-{number}", questions=[asked]),
            ),
            "GetBatch": lambda: (
                self._queries.GetBatch,
                v1.GetBatchRequest(batch_id=self._batches[tenant.key.tenant]),
            ),
        }

        def begin() -> Begun:
            method, request = kinds[kind]()
            call = method(request, timeout=TIMEOUT, metadata=tenant.key.metadata)
            streams = kind in ("StreamQuery", "StreamRun", "PutDocuments")
            return Begun(kind, tenant, call, streams, tells=kind not in ("SubmitBatch", "PutDocuments"))

        return begin

    async def _stay(self, begin: Callable[[], Begun]) -> None:
        begun = begin()
        said = b""
        self.came.stayed += 1
        try:
            async for response in _responses(begun):
                said += response
        except grpc.aio.AioRpcError as error:
            self.came.failed.append(f"{begun.kind}: {error.code().name} {error.details()}")
            return
        self._look(begun, said)
        if begun.tells and begun.tenant.secret.encode() not in said:
            self.came.wrong.append(f"{begun.kind} of {begun.tenant.key.tenant}: {said[:300]!r}")

    async def _leave(self, begin: Callable[[], Begun], delay: float, *, after_first: bool) -> None:
        """Cancels the call after a while, or when something of it has come, and looks at what had come by then."""
        begun = begin()
        said: list[bytes] = []
        first = asyncio.Event()

        async def read() -> None:
            async for response in _responses(begun):
                said.append(response)
                first.set()

        reading = asyncio.ensure_future(read())
        if after_first and begun.streams:
            with suppress(TimeoutError):
                async with asyncio.timeout(1):
                    await first.wait()
        elif delay:
            await asyncio.sleep(delay)
        else:
            await asyncio.sleep(0)  # it has begun
        if begun.call.cancel():
            self.came.cancelled[begun.kind] += 1
        else:
            self.came.ended += 1
        await asyncio.wait([reading])
        if not reading.cancelled() and (error := reading.exception()) is not None:
            if not isinstance(error, grpc.aio.AioRpcError):
                raise error
            if error.code() is not grpc.StatusCode.ABORTED:  # the thread is busy with somebody who has not left yet
                self.came.failed.append(f"{begun.kind}, cancelled: {error.code().name} {error.details()}")
        self._look(begun, b"".join(said))

    def _look(self, begun: Begun, said: bytes) -> None:
        """Whatever came must be of the tenant's own."""
        self.came.told += bool(said)
        for other in self._tenants:
            if other is not begun.tenant and other.secret.encode() in said:
                self.came.foreign.append(f"{begun.kind} of {begun.tenant.key.tenant}: {said[:300]!r}")


async def _responses(begun: Begun) -> AsyncIterator[bytes]:
    if not begun.streams:
        yield (await begun.call).SerializeToString()
        return
    async for response in begun.call:
        yield response.SerializeToString()


async def _upload(tenant: Tenant, number: int) -> AsyncIterator[v1.PutDocumentsRequest]:
    """One of a few documents again, whole; about something that nobody asks for."""
    text = f"Note {number} of {tenant.secret}: the boat was painted for the {number}th time."
    yield v1.PutDocumentsRequest(upload=v1.Upload(collection="boats", name=f"{number}.txt", content=text.encode()))
