"""What two tenants have before strangers come: documents, threads, runs, batches and cached answers, and a secret."""

import asyncio
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from google.protobuf.struct_pb2 import Struct

from ragents_client import v1
from ragents_client.v1.agent_service_pb2_grpc import AgentServiceStub
from ragents_client.v1.answer_pb2 import Answer
from ragents_client.v1.query_service_pb2_grpc import QueryServiceStub
from scripts.faulting.calls import QUERY, Calls
from scripts.faulting.errors import FaultError
from scripts.faulting.replicas import Key, Replica
from scripts.faulting.wire_seeds import Ids

if TYPE_CHECKING:  # in the stubs' types only
    from ragents_client.v1.agent_service_pb2_grpc import AgentServiceAsyncStub
    from ragents_client.v1.query_service_pb2_grpc import QueryServiceAsyncStub

TIMEOUT = 30.0  # seconds
TOPICS = ("granite", "harvest", "lantern")


@dataclass(frozen=True, slots=True)
class Tenant:
    """Who has it, and the word that nobody else may ever see."""

    key: Key
    secret: str


def write_scoped_keys(path: Path, keys: Sequence[Key], scopes: Sequence[str]) -> Path:
    """A file of keys whose holders may do all that the scopes say."""
    rows = {
        hashlib.sha256(key.token.encode()).hexdigest(): {
            "tenant": key.tenant,
            "user": key.user or key.tenant,
            "scopes": list(scopes),
        }
        for key in keys
    }
    path.write_text(json.dumps(rows), encoding="utf-8")
    return path


def question_of(topic: str) -> str:
    """What is asked about it, the same by everybody."""
    return f"What is the mark of the {topic}?"


async def plant(replica: Replica, tenant: Tenant) -> Ids:
    """Puts a tenant's documents, asks about them, talks about them; every text has the tenant's secret."""
    calls, metadata = Calls(replica, tenant.key), tenant.key.metadata
    document = ""
    for topic in TOPICS:
        text = f"The mark of the {topic} is {tenant.secret}, carved above a door. Nobody has read it since the flood."
        fields = Struct()
        fields.update({"shelf": "a", "year": 1999, "note": tenant.secret})
        document = (await calls.put("", f"{topic}.txt", text.encode(), fields)).id
        await calls.put("notes", f"{tenant.secret}.txt", text.encode(), fields)
    reply = await calls.ask(QUERY, v1.Question(text=question_of(TOPICS[0])))
    queries = cast("QueryServiceAsyncStub", QueryServiceStub(replica.channel))
    agents = cast("AgentServiceAsyncStub", AgentServiceStub(replica.channel))
    said = v1.Question(text=f"{question_of(TOPICS[0])} Is it {tenant.secret}?")
    turn = v1.Turn(agent="simple", request_id="planted", question=said)
    run = (await agents.Run(v1.RunRequest(turn=turn), timeout=TIMEOUT, metadata=metadata)).run
    submission = v1.SubmitBatchRequest(request_id="planted", questions=[said] * 3)
    batch = (await queries.SubmitBatch(submission, timeout=TIMEOUT, metadata=metadata)).batch
    await _answered(queries, batch.id, tenant)
    return Ids(document, run.thread_id, run.id, batch.id, reply.cache.entry_id)


async def _answered(queries: "QueryServiceAsyncStub", batch: str, tenant: Tenant) -> None:
    """Returns when the batch is done."""
    async with asyncio.timeout(TIMEOUT):
        while True:
            request = v1.GetBatchRequest(batch_id=batch)
            found = await queries.GetBatch(request, timeout=TIMEOUT, metadata=tenant.key.metadata)
            if found.batch.state == v1.BATCH_STATE_DONE:
                return
            await asyncio.sleep(0.1)


async def answer_of(replica: Replica, tenant: Tenant) -> Answer:
    """A proper question's answer, made anew; FaultError where there is none."""
    question = v1.Question(text=question_of(TOPICS[1]), cache_mode=v1.CACHE_MODE_NONE)
    reply = await Calls(replica, tenant.key).ask(QUERY, question)
    if reply.answer is None:
        raise FaultError("a proper question has no answer")
    return reply.answer
