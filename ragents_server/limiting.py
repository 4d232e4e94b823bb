"""Who waits for what before a call is served: limits and the gate; opened and closed here."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, fields

from ragents_server.admission.gate import Gate
from ragents_server.caller import current_caller
from ragents_server.connections.eviction import require_noeviction
from ragents_server.connections.redis import Redis, open_redis
from ragents_server.limits.law import Quota
from ragents_server.limits.limiter import Limiter, Usage
from ragents_server.limits.processing import Processing
from ragents_server.limits.quotas import Quotas, read_quotas
from ragents_server.limits.replicas import Replicas
from ragents_server.limits.shared import SharedLimiter
from ragents_server.settings import Settings


@dataclass(frozen=True, slots=True)
class Limits:
    """The parts that hold calls back."""

    gate: Gate
    limiter: Limiter
    quotas: Quotas
    processing: Processing
    meter: "TokenMeter"
    redis: Redis | None

    async def prepare(self) -> None:
        """ConfigurationError for a Redis that may forget limits; raises RedisUnavailable while it is away."""
        if self.redis is not None:
            await require_noeviction(self.redis, "RAGENTS_LIMITS", "limits and batches")


@asynccontextmanager
async def open_limits(settings: Settings) -> AsyncIterator[Limits]:
    """All of them; the Redis may be away."""
    async with AsyncExitStack() as stack:
        quotas = read_quotas(settings.quotas, Quota(**{one.name: getattr(settings, one.name) for one in fields(Quota)}))
        gate = Gate(settings.executions, settings.queue)
        redis = None
        if settings.limits is None:
            limiter = Limiter()
            named = settings.keys is not None or bool(settings.identities)
            quotas = quotas.shared_by(settings.processes, named=named)
        else:
            redis = await stack.enter_async_context(
                open_redis(
                    settings.limits.get_secret_value(),
                    setting="RAGENTS_LIMITS",
                    timeout=settings.limits_timeout,
                    name="ragents-limits",
                )
            )
            replicas = Replicas(redis, settings.processes)
            await stack.enter_async_context(_counting(replicas))
            limiter = Limiter(SharedLimiter(redis), replicas)
        stack.push_async_callback(limiter.aclose)
        processing = Processing(limiter, quotas, gate, most_wait=settings.rate_limit_wait)
        meter = TokenMeter(limiter, quotas)
        yield Limits(gate, limiter, quotas, processing, meter, redis)


@dataclass(frozen=True, slots=True)
class TokenMeter:
    """Limits what the current caller uses of the chat model."""

    limiter: Limiter
    quotas: Quotas

    @asynccontextmanager
    async def reserved(self, tokens: int) -> AsyncIterator[Usage]:
        """So many tokens, as long as the call lasts. Raises RateLimited."""
        caller = current_caller()
        quota = self.quotas.of(caller.quota)
        if quota is None:
            yield Usage()
            return
        async with self.limiter.reserved(caller, quota, tokens) as usage:
            yield usage


@asynccontextmanager
async def _counting(replicas: Replicas) -> AsyncIterator[None]:
    task = asyncio.create_task(replicas.keep(), name="counting replicas")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])
