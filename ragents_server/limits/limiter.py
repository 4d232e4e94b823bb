"""The limiter: asks the Redis, or decides by itself; lets callers wait for their token, and takes it back.

While the Redis is away each replica gives out its share, neither more nor nothing.
"""

import asyncio
import logging
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Protocol

from ragents_server.caller import Caller
from ragents_server.connections.redis import RedisRefused, RedisUnavailable
from ragents_server.errors import RateLimited
from ragents_server.limits.law import Asked, Bucket, Decision, Owner, Quota
from ragents_server.limits.local import LocalLimiter

MOST_WAITING, MOST_OF_USER = 10_000, 1_000  # calls that wait for a token on this replica
LOOK, LONGEST_LOOK = 0.1, 1.0  # seconds between looks for a call under way that has ended
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


@dataclass(frozen=True, slots=True)
class _Taken:
    """What was asked for, as it was decided: of all replicas' limits, or of this one's share."""

    asked: Asked
    shared: bool
    decision: Decision


class Limiter:
    """Belongs to one event loop; `replicas` tells how many share the limits."""

    def __init__(
        self, shared: Shared | None = None, replicas: Callable[[], int] = lambda: 1, local: LocalLimiter | None = None
    ) -> None:
        self._shared = shared
        self._replicas = replicas
        self._local = LocalLimiter() if local is None else local
        self._waiting = Counter[Owner]()
        self._all_waiting = 0
        self.refused = Counter[str]()  # by limit, in words without its number
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
        if not quota.requests and not any(concurrency):
            yield Decision(True, 0.0, "", 0, 0, 0.0)
            return
        asked = Asked(owner, quota.requests, 1, most_wait, concurrency=concurrency, seconds=seconds + SLACK)
        if any(concurrency):
            asked = replace(asked, lease=secrets.token_hex(8))
        taken = await self._entered(asked, quota)
        try:
            yield taken.decision
        finally:
            if asked.lease:
                self._give_back(taken.asked, 0, shared=taken.shared)

    @asynccontextmanager
    async def reserved(self, caller: Caller, quota: Quota, tokens: int) -> AsyncIterator["Usage"]:
        """So many of a model's tokens, settled at the end by what `Usage` was told; all given back where nothing was.

        Raises RateLimited at once where they are not there: whoever asks has one of the server's slots, in which nobody
        is to wait.
        """
        usage = Usage()
        if not quota.tokens:
            yield usage
            return
        cost = min(tokens, *(bucket.capacity for bucket in quota.tokens))  # or it would never be admitted
        taken = await self._entered(Asked(Owner(caller.tenant, caller.user), quota.tokens, cost), quota)
        try:
            yield usage
        finally:
            self._give_back(taken.asked, taken.asked.cost - usage.tokens, shared=taken.shared)

    async def _entered(self, asked: Asked, quota: Quota) -> _Taken:
        """Admitted, and the wait is over; a cancel gives the tokens back."""
        if self._all_waiting >= MOST_WAITING or self._waiting[asked.owner] >= MOST_OF_USER:
            asked = replace(asked, most_wait=0.0)
        self._all_waiting += 1
        self._waiting[asked.owner] += 1
        try:
            taken = await self._tried(asked, quota)
            await self._awaited(taken)
        finally:
            self._all_waiting -= 1
            self._waiting[asked.owner] -= 1
            if not self._waiting[asked.owner]:
                del self._waiting[asked.owner]
        return taken

    async def _tried(self, asked: Asked, quota: Quota) -> _Taken:
        """Admitted, now or for later; asks again while too many are under way. Raises RateLimited."""
        loop = asyncio.get_running_loop()
        until, pause = loop.time() + asked.most_wait, LOOK
        while True:
            taken = await self._decided(replace(asked, most_wait=max(until - loop.time(), 0.0)), quota)
            if taken.decision.admitted:
                return taken
            if not taken.decision.crowded or loop.time() >= until:
                self.refused[taken.decision.limit.lstrip("0123456789 ")] += 1
                raise refusal(taken.decision, asked.owner.user)
            await asyncio.sleep(min(pause, until - loop.time()))
            pause = min(pause * 2, LONGEST_LOOK)

    async def _awaited(self, taken: _Taken) -> None:
        if taken.decision.wait > 0:
            try:
                await asyncio.sleep(taken.decision.wait)
            except asyncio.CancelledError:
                self._give_back(taken.asked, taken.asked.cost, shared=taken.shared)
                raise

    async def _decided(self, asked: Asked, quota: Quota) -> _Taken:
        if self._shared is None:
            return _Taken(asked, False, self._local.decide(asked))
        try:
            return _Taken(asked, True, await self._shared.decide(asked))
        except asyncio.CancelledError:
            self._give_back(asked, 0, shared=True)  # the lease, should it have been given after all
            raise
        except (RedisUnavailable, RedisRefused) as error:
            log.debug("limits are decided here: %s", error)
        share = quota.share(max(1, self._replicas()))
        buckets = share.tokens if asked.buckets == quota.tokens else share.requests
        most = min((bucket.capacity for bucket in buckets), default=asked.cost)
        concurrency = (share.concurrency, share.tenant_concurrency)
        asked = replace(asked, buckets=buckets, concurrency=concurrency, cost=min(asked.cost, most))
        return _Taken(asked, False, self._local.decide(asked))

    def _give_back(self, asked: Asked, tokens: int, *, shared: bool) -> None:
        """Ends the lease and gives back so many tokens of what was taken; a negative number takes more of them."""
        if not asked.lease and not tokens:
            return
        buckets = tuple(asked.buckets) if tokens else ()
        if self._shared is None or not shared:
            self._local.settle(asked.owner, buckets, -tokens, asked.lease)
            return
        settling = self._settled(self._shared, asked.owner, buckets, -tokens, asked.lease)
        task = asyncio.create_task(settling, name="settling limits")  # which holds nobody up
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
