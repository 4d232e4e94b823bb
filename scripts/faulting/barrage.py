"""Calls by bytes: each a valid request that was mutated, all of it looked at that comes back."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import grpc
from google.rpc import error_details_pb2

from scripts.faulting.header_mutations import Headers, Metadata
from scripts.faulting.leaks import Watch, status_of, told
from scripts.faulting.wire_mutations import Mutations
from scripts.faulting.wire_seeds import Rpc

PATIENCE = 5.0  # seconds of a call
WATCHING = 0.2  # seconds of a call that would never end
AT_ONCE = 32
MOST_READ = 50  # messages of a stream
ENDLESS = "/grpc.health.v1.Health/Watch"
REFLECTION = "grpc.reflection."
CONTRACT = "ragents.v1."
UNKNOWN_METHODS = ("/ragents.v1.QueryService/Nothing", "/nothing.Nothing/Nothing", "/ragents.v1.QueryService/", "/")
DOCUMENTED = {
    grpc.StatusCode.OK,
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.UNAUTHENTICATED,
    grpc.StatusCode.PERMISSION_DENIED,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.ABORTED,
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.UNIMPLEMENTED,
    grpc.StatusCode.CANCELLED,
}  # DATA_LOSS too, but nothing that is sent may bring that about
# Those that gRPC itself gives, before a call gets to the server or when the client's own clock has run out.
BARE = {grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.CANCELLED}


@dataclass(slots=True)
class Heard:
    """What came of the calls."""

    codes: Counter[str] = field(default_factory=Counter)
    by_method: Counter[tuple[str, str]] = field(default_factory=Counter)
    undocumented: list[str] = field(default_factory=list)
    away: list[str] = field(default_factory=list)
    leaks: list[str] = field(default_factory=list)
    without_reason: list[str] = field(default_factory=list)

    @property
    def sent(self) -> int:
        """How many calls there were."""
        return self.codes.total()


@dataclass(slots=True)
class Barrage:
    """Mutated calls to one server; the same seed sends the same."""

    channel: grpc.aio.Channel
    blocking: grpc.Channel  # to the same server
    rpcs: Sequence[Rpc]
    credentials: Sequence[Metadata]
    watch: Watch
    seed: int
    heard: Heard = field(default_factory=Heard)

    async def send(self, calls: int) -> None:
        """So many calls, a few at once."""
        draw = random.Random(f"{self.seed} {self.heard.sent}")
        mutations, headers = Mutations(draw), Headers(draw, self.credentials)
        slots = asyncio.Semaphore(AT_ONCE)
        async with asyncio.TaskGroup() as group:
            for at in range(calls):
                rpc = self.rpcs[at % len(self.rpcs)]
                messages = [mutations.mutated(message) for message in draw.choice(rpc.seeds)]
                if rpc.takes_stream and draw.random() < 0.3:
                    draw.shuffle(messages)
                if draw.random() < 0.005:
                    rpc = Rpc(draw.choice(UNKNOWN_METHODS), takes_stream=False, gives_stream=False, seeds=())
                metadata = headers.metadata()
                timeout = headers.timeout(WATCHING if rpc.path == ENDLESS else PATIENCE)
                await slots.acquire()
                group.create_task(self._call(rpc, messages, metadata, timeout)).add_done_callback(
                    lambda _: slots.release()
                )

    async def _call(self, rpc: Rpc, messages: Sequence[bytes], metadata: Metadata, timeout: float) -> None:
        said: list[bytes] = []
        code, message, trailers = grpc.StatusCode.OK, "", list[tuple[str, str | bytes]]()
        try:
            if rpc.takes_stream:
                said.extend(await asyncio.to_thread(self._streamed, rpc, messages, metadata, timeout))
            else:
                said.extend([one async for one in self._responses(rpc, b"".join(messages), metadata, timeout)])
        except grpc.RpcError as error:
            code, message = error.code(), error.details() or ""  # type: ignore[attr-defined]
            trailers = [*(error.trailing_metadata() or ())]  # type: ignore[attr-defined]
        sent = b"".join((*messages, repr(metadata).encode()))
        self._judge(rpc, code, b"\n".join([told(message, trailers), *said]), sent, timeout)
        if code is not grpc.StatusCode.OK and rpc.service.startswith(CONTRACT) and code not in BARE:
            self._require_reason(rpc, code, message, trailers)

    async def _responses(self, rpc: Rpc, message: bytes, metadata: Metadata, timeout: float) -> AsyncIterator[bytes]:
        """The bytes that come back."""
        if not rpc.gives_stream:
            yield await self.channel.unary_unary(rpc.path)(message, metadata=metadata, timeout=timeout)
            return
        under_way: Any = self.channel.unary_stream(rpc.path)(message, metadata=metadata, timeout=timeout)
        read = 0
        try:
            async for response in under_way:
                yield response
                read += 1
                if read == MOST_READ or rpc.path == ENDLESS:
                    return
        finally:
            under_way.cancel()

    def _streamed(self, rpc: Rpc, messages: Sequence[bytes], metadata: Metadata, timeout: float) -> list[bytes]:
        """The same where several are sent.

        Not by asyncio's client: refused while it still sends, it tells an INTERNAL of its own.
        """
        call: Any = self.blocking.stream_stream if rpc.gives_stream else self.blocking.stream_unary
        under_way = call(rpc.path)(iter(messages), metadata=metadata, timeout=timeout)
        if not rpc.gives_stream:
            return [under_way]
        try:
            return list(islice(under_way, MOST_READ))
        finally:
            under_way.cancel()

    def _judge(self, rpc: Rpc, code: grpc.StatusCode, said: bytes, sent: bytes, timeout: float) -> None:
        self.heard.codes[code.name] += 1
        self.heard.by_method[rpc.path, code.name] += 1
        if code not in DOCUMENTED:
            self.heard.undocumented.append(f"{rpc.path}: {code.name} {said[:200]!r} to {sent[:200]!r}")
        if code is grpc.StatusCode.UNAVAILABLE and timeout >= PATIENCE:  # else the database has no time to tell
            self.heard.away.append(f"{rpc.path}: {said[:200]!r} to {sent[:300]!r}")
        if found := self.watch.leak(said, sent=sent, describes=rpc.service.startswith(REFLECTION)):
            self.heard.leaks.append(f"{rpc.path}: {code.name} {found!r}")

    def _require_reason(
        self, rpc: Rpc, code: grpc.StatusCode, message: str, trailers: Sequence[tuple[str, str | bytes]]
    ) -> None:
        """A failure names its reason; only of a method that there is not gRPC itself tells."""
        status, info = status_of(trailers), error_details_pb2.ErrorInfo()
        if status is None and code is grpc.StatusCode.UNIMPLEMENTED and not rpc.seeds:
            return
        reasoned = status is not None and any(one.Unpack(info) and info.reason for one in status.details)
        if not reasoned:
            self.heard.without_reason.append(f"{rpc.path}: {code.name} {message[:200]!r}")
