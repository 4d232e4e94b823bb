"""The law of limits: token buckets, each kept as one number, and what a decision says.

A bucket holds `capacity` tokens and gains one each `interval`; in any t seconds it gives out capacity + t / interval at
most. It is kept as the time at which it will be full again (the virtual scheduling of the Generic Cell Rate Algorithm,
ITU-T I.371, which is equal to a token bucket). So a token can be reserved that comes only later.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

MINUTE, HOUR = 60.0, 3600.0  # seconds


@dataclass(frozen=True, slots=True)
class Bucket:
    """One bucket of a user or of a tenant."""

    name: str  # unique for its owner, short
    of_tenant: bool
    capacity: int  # tokens
    interval: float  # seconds that a token takes
    told: str  # how its limit is called, such as "60 requests a minute for the user"
    limit: int  # the number in that


@dataclass(frozen=True, slots=True)
class Quota:
    """What a class of callers may use; 0 means that there is no such limit."""

    requests_per_minute: int = 60
    requests_per_hour: int = 1000
    burst: int = 10
    concurrency: int = 0
    tokens_per_minute: int = 0
    tenant_requests_per_minute: int = 0
    tenant_requests_per_hour: int = 0
    tenant_burst: int = 0
    tenant_concurrency: int = 0
    tenant_tokens_per_minute: int = 0

    def requests(self) -> tuple[Bucket, ...]:
        """The buckets that a request takes a token of."""
        return tuple(self._requests())

    def tokens(self) -> tuple[Bucket, ...]:
        """The buckets of a model's tokens."""
        limits = ((False, self.tokens_per_minute), (True, self.tenant_tokens_per_minute))
        return tuple(
            Bucket("t", tenant, limit, MINUTE / limit, _told(f"{limit} tokens a minute", tenant), limit)
            for tenant, limit in limits
            if limit
        )

    def _requests(self) -> Iterator[Bucket]:
        limits = (
            (False, self.requests_per_minute, self.requests_per_hour, self.burst),
            (True, self.tenant_requests_per_minute, self.tenant_requests_per_hour, self.tenant_burst),
        )
        for tenant, minute, hour, burst in limits:
            if minute:
                yield Bucket(
                    "m", tenant, burst or minute, MINUTE / minute, _told(f"{minute} requests a minute", tenant), minute
                )
            if hour:
                yield Bucket("h", tenant, hour, HOUR / hour, _told(f"{hour} requests an hour", tenant), hour)

    def share(self, replicas: int) -> "Quota":
        """What one of so many replicas gives out by itself; never less than one."""
        parts = {name: -(-getattr(self, name) // replicas) for name in self.__slots__}
        floors = {name: max(1, getattr(self, name) // replicas) for name in self.__slots__ if getattr(self, name)}
        return Quota(**(dict.fromkeys(parts, 0) | floors))


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose buckets they are."""

    tenant: str
    user: str


@dataclass(frozen=True, slots=True)
class Asked:
    """One question to a limiter: may the owner take `cost` tokens of each bucket, now or within `most_wait` seconds?

    With a `lease`, it also becomes one of those under way, at most `concurrency` of the user and of the tenant (0: any
    number), for `seconds` at most.
    """

    owner: Owner
    buckets: Sequence[Bucket]
    cost: int = 1
    most_wait: float = 0.0
    lease: str = ""
    seconds: float = 0.0
    concurrency: tuple[int, int] = (0, 0)


class Decision(NamedTuple):
    """Admitted after `wait` seconds, the tokens being reserved; or refused, to be asked again after `wait`."""

    admitted: bool
    wait: float
    limit: str  # the tightest one, or the one that refuses; empty where nothing is limited
    number: int  # in that limit
    remaining: int  # tokens of it
    reset: float  # seconds until it is full
    crowded: bool = False  # as many are under way as may be: nobody knows when one ends


CONCURRENCY_WAIT = 1.0  # seconds; nobody knows when a call under way ends


def calls_at_once(limit: int, *, of_tenant: bool) -> str:
    """How the limit is called."""
    return _told(f"{limit} calls at once", of_tenant)


def _told(limit: str, of_tenant: bool) -> str:
    return f"{limit} for the tenant" if of_tenant else f"{limit} for the user"
