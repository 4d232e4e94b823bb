"""Which queue there is for batches, and who works at it; opened and closed here."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from ragents_client.v1.answer_pb2 import Answer, Question
from ragents_server.caller import Caller
from ragents_server.connections.redis import Redis, open_redis
from ragents_server.errors import DeadlineTooShort
from ragents_server.execution import Execution, Gate
from ragents_server.index.statements import Pool
from ragents_server.jobs.batches import Batches
from ragents_server.jobs.postgres import PostgresQueue
from ragents_server.jobs.queue import Bounds, Queue
from ragents_server.jobs.records import Records
from ragents_server.jobs.redis import RedisQueue
from ragents_server.jobs.retries import Retries
from ragents_server.jobs.workers import Run, Workers
from ragents_server.rag.engine import Answerer, last_answer
from ragents_server.settings import Settings

REDIS_SECONDS = 2.0  # that a request may take; a batch of 10,000 questions is one
KIND = "a question of a batch"


@dataclass(frozen=True, slots=True)
class Queueing:
    """The parts that serve batches."""

    batches: Batches
    workers: Workers
    queue: Queue
    redis: Redis | None  # of the queue


@asynccontextmanager
async def open_queueing(settings: Settings, pool: Pool, engine: Answerer, gate: Gate) -> AsyncIterator[Queueing]:
    """The queue in the Redis that is set, else in the database; workers begin with `working`."""
    bounds = Bounds(settings.batch_jobs, settings.batch_tenant_jobs, settings.batch_kept)
    key = settings.checkpoint_key.get_secret_value().encode() if settings.checkpoint_key is not None else b""
    records = Records(key)
    retries = Retries(settings.batch_attempts, settings.batch_kept)
    run = answering(engine, gate, settings.max_deadline)

    def queueing(queue: Queue, redis: Redis | None = None) -> Queueing:
        workers = Workers(queue, run, records, retries, number=settings.batch_workers)
        return Queueing(Batches(queue, workers, records), workers, queue, redis)

    if settings.limits is None:
        yield queueing(PostgresQueue(pool, bounds))
        return
    url = settings.limits.get_secret_value()
    async with open_redis(url, setting="RAGENTS_LIMITS", timeout=REDIS_SECONDS, name="ragents-queue") as redis:
        yield queueing(RedisQueue(redis, bounds), redis)


def answering(engine: Answerer, gate: Gate, seconds: float) -> Run:
    """Answers with one of the server's slots, as a call does, in so many seconds at most.

    As with `BatchQuery`, the batch was the request that counts; what the chat model uses counts with each question.
    """

    async def run(caller: Caller, question: Question, priority: int) -> Answer:
        until = asyncio.get_running_loop().time() + seconds
        bound = asyncio.timeout_at(until)
        try:
            async with bound:
                with Execution(gate, caller, kind=KIND, priority=priority, until=until):
                    return await last_answer(engine(question, caller))
        except TimeoutError:
            if not bound.expired():
                raise  # the database's own
            raise DeadlineTooShort(f"the question was not answered within {seconds:.3g} s") from None

    return run
