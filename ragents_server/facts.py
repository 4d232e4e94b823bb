"""The facts of a call, for its envelope: what it wants of the cache, and what it got from it."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from google.protobuf.duration_pb2 import Duration

from ragents_client.v1.answer_pb2 import CACHE_MODE_NONE, CACHE_MODE_REFRESH, CACHE_MODE_UNSPECIFIED, CacheMode
from ragents_client.v1.cache_pb2 import CACHE_OUTCOME_MISS, CacheOutcome, CacheUse


@dataclass(slots=True)
class Facts:
    """What one call, or one question of a batch, wants of the cache and got from it.

    `epochs` is the state of the collections that its passages are of, `clearing` the last clearing that was known
    before anything was read or made, 0 before that.
    """

    cache_mode: CacheMode.ValueType = CACHE_MODE_UNSPECIFIED
    passages: CacheUse = field(default_factory=lambda: CacheUse(outcome=CACHE_OUTCOME_MISS))
    answer: CacheUse = field(default_factory=lambda: CacheUse(outcome=CACHE_OUTCOME_MISS))
    epochs: bytes = b""
    clearing: int = 0

    @property
    def reads(self) -> bool:
        """Whether what is stored may be used."""
        return self.cache_mode not in {CACHE_MODE_NONE, CACHE_MODE_REFRESH}

    @property
    def writes(self) -> bool:
        """Whether what is made may be stored."""
        return self.cache_mode != CACHE_MODE_NONE


_current: ContextVar[Facts | None] = ContextVar("facts", default=None)


def current_facts() -> Facts:
    """The facts of the call being served; outside of one, ones that nobody reads and that use no cache."""
    return _current.get() or Facts(CACHE_MODE_NONE)


@contextmanager
def telling(cache_mode: CacheMode.ValueType) -> Iterator[Facts]:
    """Makes fresh facts the current ones inside the block."""
    facts = Facts(cache_mode)
    token = _current.set(facts)
    try:
        yield facts
    finally:
        _current.reset(token)


def cache_use(outcome: CacheOutcome.ValueType, entry_id: str, age: float = 0.0) -> CacheUse:
    """How the cache was used; `age` in seconds."""
    seconds = int(age)
    duration = Duration(seconds=seconds, nanos=int((age - seconds) * 1e9))
    return CacheUse(outcome=outcome, entry_id=entry_id, age=duration)
