"""The limiter: asks the Redis, or decides by itself; lets callers wait for their token, and takes it back.

While the Redis is away each replica gives out its share, neither more nor nothing.
"""

import asyncio
import logging
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Protocol

from ragents_server.caller import Caller
from ragents_server.connections.redis import RedisRefused, RedisUnavailable
from ragents_server.errors import RateLimited
from ragents_server.limits.law import Asked, Bucket, Decision, Owner, Quota
from ragents_server.limits.local import LocalLimiter

MOST_WAITING, MOST_OF_USER = 10_000, 1_000  # calls that wait for a token on this replica
LOOK = 0.1  # seconds between looks for a call under way that has ended
SLACK = 5.0  # seconds that a lease outlives its call's deadline, should nobody end it

log = logging.getLogger(__name__)


class Shared(Protocol):
    """A limiter of all replicas. Raises RedisUnavailable and RedisRefused."""

    async def decide(self, asked: Asked) -> Decision:
        """Takes all tokens, or none."""
        ...

    async def settle(self, owner: Owner, buckets: tuple[Bucket, ...], tokens: int, lease: str = "") -> None:
        """Takes so many tokens more, or gives them back where the number is negative; ends the lease."""
        ...


class Limiter:
    """Belongs to one event loop; `replicas` tells how many share the limits."""

    def __init__(
        self, shared: Shared | None = None, replicas: Callable[[], int] = lambda: 1, local: LocalLimiter | None = None
    ) -> None:
        self._shared = shared
        self._replicas = replicas
        self._local = local or LocalLimiter()
        self._waiting = Counter[Owner]()
        self._ending = set[asyncio.Task[None]]()

    @asynccontextmanager
    async def admitted(
        self, caller: Caller, quota: Quota, *, most_wait: float, seconds: float
    ) -> AsyncIterator[Decision]:
        """One request of the caller's, once its token is there; it is under way for `seconds` at most.

        Raises RateLimited, with the wait, where that would take more than `most_wait` seconds.
        """
        owner = Owner(caller.tenant, caller.user)
        concurrency = (quota.concurrency, quota.tenant_concurrency)
        asked = Asked(owner, quota.requests(), 1, most_wait, concurrency=concurrency, seconds=seconds + SLACK)
        if any(concurrency):
            asked = replace(asked, lease=secrets.token_hex(8))
        decision = await self._entered(asked, quota)
        try:
            yield decision
        finally:
            if asked.lease:
                self._later(owner, (), 0, asked.lease)

    @asynccontextmanager
    async def reserved(self, caller: Caller, quota: Quota, tokens: int, *, most_wait: float) -> AsyncIterator["Usage"]:
        """So many of a model's tokens, settled at the end by what `Usage` was told; all given back where nothing was.

        Raises RateLimited.
        """
        owner, buckets = Owner(caller.tenant, caller.user), quota.tokens()
        usage = Usage()
        if not buckets:
            yield usage
            return
        cost = min(tokens, *(bucket.capacity for bucket in buckets))  # or it would never be admitted
        await self._entered(Asked(owner, buckets, cost, most_wait), quota)
        try:
            yield usage
        finally:
            if usage.tokens != cost:
                self._later(owner, buckets, usage.tokens - cost, "")

    async def _entered(self, asked: Asked, quota: Quota) -> Decision:
        """Admitted, and the wait is over; a cancel gives the tokens back."""
        loop = asyncio.get_running_loop()
        until = loop.time() + asked.most_wait
        if self._waiting.total() >= MOST_WAITING or self._waiting[asked.owner] >= MOST_OF_USER:
            asked = replace(asked, most_wait=0.0)
        self._waiting[asked.owner] += 1
        try:
            while True:
                decision = await self._decided(asked, quota)
                if decision.admitted:
                    await self._awaited(asked, decision)
                    return decision
                left = until - loop.time()
                if not decision.crowded or left <= 0 or not asked.most_wait:
                    raise refusal(decision, asked.owner.user)
                await asyncio.sleep(min(LOOK, left))
                asked = replace(asked, most_wait=max(until - loop.time(), 0.0))
        finally:
            self._waiting[asked.owner] -= 1
            if not self._waiting[asked.owner]:
                del self._waiting[asked.owner]

    async def _awaited(self, asked: Asked, decision: Decision) -> None:
        if decision.wait <= 0:
            return
        try:
            await asyncio.sleep(decision.wait)
        except asyncio.CancelledError:
            self._later(asked.owner, tuple(asked.buckets), -asked.cost, asked.lease)
            raise

    async def _decided(self, asked: Asked, quota: Quota) -> Decision:
        if self._shared is not None:
            try:
                return await self._shared.decide(asked)
            except (RedisUnavailable, RedisRefused) as error:
                log.debug("limits are decided here: %s", error)
        if self._shared is None:
            return self._local.decide(asked)
        share = quota.share(max(1, self._replicas()))
        buckets = share.tokens() if asked.buckets == quota.tokens() else share.requests()
        concurrency = (share.concurrency, share.tenant_concurrency)
        most = min((bucket.capacity for bucket in buckets), default=asked.cost)
        return self._local.decide(replace(asked, buckets=buckets, concurrency=concurrency, cost=min(asked.cost, most)))

    def _later(self, owner: Owner, buckets: tuple[Bucket, ...], tokens: int, lease: str) -> None:
        """Gives back without holding anybody up."""
        self._local.release(owner, lease)
        if self._shared is None:
            self._local.settle(owner, buckets, tokens)
            return
        task = asyncio.create_task(self._settled(self._shared, owner, buckets, tokens, lease), name="settling limits")
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    async def _settled(
        self, shared: Shared, owner: Owner, buckets: tuple[Bucket, ...], tokens: int, lease: str
    ) -> None:
        try:
            await shared.settle(owner, buckets, tokens, lease)
        except (RedisUnavailable, RedisRefused) as error:
            log.debug("what was taken of limits is not given back: %s", error)

    async def aclose(self) -> None:
        """Waits for what is still to be given back."""
        if self._ending:
            await asyncio.wait(list(self._ending), timeout=1.0)


def refusal(decision: Decision, user: str) -> RateLimited:
    """The error of a decision that refuses; a user is told its own name."""
    told = f"{decision.limit} {user}" if decision.limit.endswith("user") else decision.limit
    return RateLimited(told, retry_after=decision.wait, limit=decision.limit, number=decision.number)


class Usage:
    """What a model has used; 0 until somebody tells."""

    def __init__(self) -> None:
        self.tokens = 0

    def settle(self, tokens: int) -> None:
        """It has used so many in all."""
        self.tokens = tokens
