"""The facts of a call, for its envelope: how it uses the cache, and what that came to."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from ragents_client.v1.answer_pb2 import CACHE_MODE_NONE, CACHE_MODE_REFRESH, CACHE_MODE_UNSPECIFIED, CacheMode
from ragents_client.v1.cache_pb2 import CACHE_OUTCOME_MISS, CacheUse


@dataclass(slots=True)
class Facts:
    """What one call, or one question of a batch, wants of the cache and got from it."""

    cache_mode: CacheMode.ValueType = CACHE_MODE_UNSPECIFIED
    cache: CacheUse = field(default_factory=lambda: CacheUse(outcome=CACHE_OUTCOME_MISS))

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
    """The facts of the call being served; of none, ones that nobody reads."""
    return _current.get() or Facts()


@contextmanager
def telling(cache_mode: CacheMode.ValueType) -> Iterator[Facts]:
    """Makes fresh facts the current ones inside the block."""
    facts = Facts(cache_mode)
    token = _current.set(facts)
    try:
        yield facts
    finally:
        _current.reset(token)
