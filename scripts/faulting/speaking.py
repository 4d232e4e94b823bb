"""Callers who send their turn again, under the same request_id and to another replica, until it is answered."""

import asyncio
import random
from collections.abc import Sequence

import grpc

from ragents_client.v1.agent_pb2 import RUN_STATE_ANSWERED, Run, Turn
from ragents_client.v1.agent_service_pb2 import GetRunRequest, GetThreadRequest, RunRequest, StreamRunRequest
from ragents_client.v1.answer_pb2 import Question
from scripts.faulting.conversations import Conversations, Findings, Kept, Place, Said
from scripts.faulting.following import Followers, is_last, stub_of
from scripts.faulting.replicas import Replica

AGENT = "talker"
UNARY, STREAM, DETACHED, LEAVING = "unary", "stream", "detached", "leaving"
TIMEOUT = 30.0  # seconds of a call; a turn must have been answered within two of them
PAUSE = 0.05  # seconds before it is sent again
AGAIN = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.ABORTED}  # the thread may have been busy for long
FOLLOWED = 0.25  # share of streams that somebody else follows too


class Speakers:
    """Send turns in every way there is, and hold what they are told against each other."""

    def __init__(
        self,
        replicas: Sequence[Replica],
        conversations: Conversations,
        findings: Findings,
        draw: random.Random,
        *,
        timeout: float = TIMEOUT,
    ) -> None:
        self.followers = Followers(replicas, findings, draw)
        self.replicas = replicas
        self._conversations = conversations
        self._findings = findings
        self._draw = draw
        self._timeout = timeout

    async def say(self, said: Said, at: int) -> None:
        """Until it is answered; `at` is the replica that is asked first."""
        self._conversations.begin(said)
        try:
            async with asyncio.timeout(2 * self._timeout):
                while not await self._tried(said, at):
                    at += 1
                    await asyncio.sleep(PAUSE)
        except TimeoutError:
            words = (
                f"{said.way} {said.question!r} was not answered within {2 * self._timeout:g} s, sent {said.sends} times"
            )
            self._findings.blame("failed", f"{words}: {said.refusal}")

    async def kept(self, place: Place, at: int) -> list[Kept]:
        """The thread's exchanges, as one replica tells them."""
        stub, request = stub_of(self.replicas[at]), GetThreadRequest(thread_id=place.thread)
        found = await stub.GetThread(request, timeout=self._timeout, metadata=place.key.metadata)
        return [Kept(one.question, one.answer) for one in found.exchanges]

    async def _tried(self, said: Said, at: int) -> bool:
        """Whether it need not be sent again."""
        replica = self.replicas[at % len(self.replicas)]
        said.sends += 1
        try:
            with replica.on_its_way():
                if said.way == UNARY:
                    await self._run(said, replica)
                else:
                    await self._stream(said, replica, at)
            if said.way == DETACHED:
                return await self._ended(said, at)
        except grpc.aio.AioRpcError as error:
            if error.code() in AGAIN:
                said.refusal = f"{error.code().name} {error.details()}"
                self._findings.counts[f"sent_again_after_{error.code().name.lower()}"] += 1
                return False
            self._findings.blame("failed", f"{said.way} {said.question!r}: {error.code().name} {error.details()}")
        return True

    async def _run(self, said: Said, replica: Replica) -> None:
        request = RunRequest(turn=turn_of(said))
        run = (await stub_of(replica).Run(request, timeout=self._timeout, metadata=said.key.metadata)).run
        await self._answered(said, run)

    async def _answered(self, said: Said, run: Run) -> None:
        said.run, said.thread = run.id, run.thread_id
        if run.state != RUN_STATE_ANSWERED:
            self._findings.blame("failed", f"{said.question!r} was answered by a run in state {run.state}")
            return
        await self._conversations.acknowledge(said, run.answer.text, self._findings)

    async def _stream(self, said: Said, replica: Replica, at: int) -> None:
        """Hears all of it; whoever leaves, or knows that it is detached, goes at the first event of the run."""
        request = StreamRunRequest(turn=turn_of(said))
        call = stub_of(replica).StreamRun(request, timeout=self._timeout, metadata=said.key.metadata)
        last, deltas, follow_at = 0, "", self._draw.randint(1, 6) if self._draw.random() < FOLLOWED else 0
        async for response in call:
            event = response.event
            if event.seq == 0:
                continue
            if last and event.seq != last + 1:
                self._findings.blame("gaps", f"stream of {said.question!r}: {event.seq} came after {last}")
            last = event.seq
            if event.HasField("started"):
                said.run, said.thread, deltas = event.started.run_id, event.started.thread_id, ""
                if said.way in (DETACHED, LEAVING):
                    call.cancel()
                    return
            deltas += event.delta.text
            if said.run:
                self.followers.note(said.run, event)
                if last == follow_at:
                    self.followers.begin(said, last, at)
            if is_last(event):
                if deltas not in ("", event.answer.text):
                    self._findings.blame("deltas_differ", f"{deltas!r} was streamed before {event.answer.text!r}")
                await self._conversations.acknowledge(said, event.answer.text, self._findings)
                return
        self._findings.blame("failed", f"a stream of {said.question!r} ended without an answer")

    async def _ended(self, said: Said, at: int) -> bool:
        """Whether the detached run was answered; one that failed with the state store is to be sent again."""
        self._findings.counts["detached"] += 1
        while True:
            at += 1
            stub = stub_of(self.replicas[at % len(self.replicas)])
            request = GetRunRequest(run_id=said.run)
            try:
                run = (await stub.GetRun(request, timeout=self._timeout, metadata=said.key.metadata)).run
            except grpc.aio.AioRpcError as error:
                if error.code() is not grpc.StatusCode.UNAVAILABLE:
                    raise
                run = Run()
            if run.state == RUN_STATE_ANSWERED:
                await self._answered(said, run)
                return True
            if run.HasField("failure"):
                self._findings.counts["detached_sent_again"] += 1
                return False
            await asyncio.sleep(PAUSE)


def turn_of(said: Said) -> Turn:
    """The turn as it is sent, each time the same."""
    return Turn(
        agent=AGENT,
        thread_id="" if said.begins else said.thread,
        request_id=said.request,
        question=Question(text=said.question),
        detached=said.way == DETACHED,
    )
