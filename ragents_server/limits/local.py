"""Limits in process: the law for one server alone, or for its share while the Redis is away.

Memory is bounded: what is full again is forgotten, and of more than `MOST` owners those who asked longest ago.
"""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from ragents_server.limits.law import CONCURRENCY_WAIT, Asked, Bucket, Decision, Owner, calls_at_once

MOST = 100_000  # users and tenants that are remembered
FORGOTTEN = 3  # at a decision; it remembers two at most
PROMISED = 600.0  # seconds that refused callers are spread over at most


@dataclass(slots=True)
class _State:
    """Of one user or tenant: when each bucket is full, when refused callers were told to come, and leases."""

    full: dict[str, float] = field(default_factory=dict)
    promised: dict[str, float] = field(default_factory=dict)
    leases: dict[str, float] = field(default_factory=dict)


class LocalLimiter:
    """Decides at once. Belongs to one event loop; `clock` gives seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._states = OrderedDict[tuple[str, str | None], _State]()

    def __len__(self) -> int:
        return len(self._states)

    def decide(self, asked: Asked) -> Decision:
        """Takes all tokens, or none."""
        self._forget()
        now = self._clock()
        user, tenant = self._state(asked.owner.tenant, asked.owner.user), self._state(asked.owner.tenant, None)
        if asked.lease and (refused := self._crowded(asked, user, tenant, now)) is not None:
            return refused
        wait, tightest = 0.0, None
        for bucket in asked.buckets:
            state = tenant if bucket.of_tenant else user
            due = _due(state.full.get(bucket.name, now), bucket, asked.cost, now)
            if tightest is None or due > wait:
                wait, tightest = max(due, 0.0), bucket
        if wait > asked.most_wait and tightest is not None:
            state = tenant if tightest.of_tenant else user
            return self._refused(state, tightest, asked.cost, now)
        return self._admitted(asked, user, tenant, now, wait)

    def settle(self, owner: Owner, buckets: tuple[Bucket, ...], tokens: int) -> None:
        """Takes so many tokens more; a negative number gives them back."""
        now = self._clock()
        for bucket in buckets:
            state = self._state(owner.tenant, None if bucket.of_tenant else owner.user)
            full = state.full.get(bucket.name, now)
            state.full[bucket.name] = max(full, now if tokens > 0 else full) + tokens * bucket.interval

    def release(self, owner: Owner, lease: str) -> None:
        """The call is not under way any more."""
        for user in (owner.user, None):
            self._state(owner.tenant, user).leases.pop(lease, None)

    def _admitted(self, asked: Asked, user: _State, tenant: _State, now: float, wait: float) -> Decision:
        """Taken at the time at which it is admitted, so that no bucket sees it any earlier."""
        fewest, reset, tightest = float("inf"), 0.0, None
        at = now + wait
        for bucket in asked.buckets:
            state = tenant if bucket.of_tenant else user
            full = state.full.get(bucket.name, 0.0)
            full = (max(at, full)) + asked.cost * bucket.interval
            state.full[bucket.name] = full
            left = bucket.capacity - (full - now) / bucket.interval
            if left < fewest:
                fewest, reset, tightest = left, full - now, bucket
        if asked.lease:
            user.leases[asked.lease] = tenant.leases[asked.lease] = now + asked.seconds
        if tightest is None:
            return Decision(True, wait, "", 0, 0, 0.0)
        return Decision(True, wait, tightest.told, tightest.limit, max(int(fewest + 1e-6), 0), reset)

    def _refused(self, state: _State, bucket: Bucket, cost: int, now: float) -> Decision:
        """Those who are refused are each told another time, so that all of them may come again and be admitted."""
        full = state.full.get(bucket.name, now)
        promised = max(full, min(state.promised.get(bucket.name, 0.0), full + PROMISED))
        wait = _due(promised, bucket, cost, now)
        state.promised[bucket.name] = promised + cost * bucket.interval
        return Decision(False, max(wait, 0.0), bucket.told, bucket.limit, 0, full - now)

    def _crowded(self, asked: Asked, user: _State, tenant: _State, now: float) -> Decision | None:
        for state, most, of_tenant in zip((user, tenant), asked.concurrency, (False, True), strict=True):
            if most and len(state.leases) >= most:
                for lease in [lease for lease, until in state.leases.items() if until <= now]:
                    del state.leases[lease]
                if len(state.leases) >= most:
                    told = calls_at_once(most, of_tenant=of_tenant)
                    return Decision(False, CONCURRENCY_WAIT, told, most, 0, CONCURRENCY_WAIT, True)
        return None

    def _state(self, tenant: str, user: str | None) -> _State:
        key = (tenant, user)
        state = self._states.get(key)
        if state is None:
            state = self._states[key] = _State()
        else:
            self._states.move_to_end(key)
        return state

    def _forget(self) -> None:
        """Those that asked longest ago, where they are as if they had never asked, or where there are too many."""
        now = self._clock()
        for _ in range(min(FORGOTTEN, len(self._states))):
            key, state = next(iter(self._states.items()))
            idle = all(full <= now for full in state.full.values()) and all(t <= now for t in state.leases.values())
            if not idle and len(self._states) <= MOST:
                return
            del self._states[key]


def _due(full: float, bucket: Bucket, cost: int, now: float) -> float:
    """Seconds until the bucket has `cost` tokens, where it is full at `full`; below 0: it has them."""
    return (max(now, full)) + (cost - bucket.capacity) * bucket.interval - now
