"""The line for slots: by priority, in turn among tenants and among the users of one, first come first served of each.

A lower priority is not starved: when it has been passed over `PASSED` times in a row by higher ones, it is next; where
the line is full, one of it has a place then, whoever else waits. The last places are kept for higher priorities, so
that few are let in and sent away a moment later.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from ragents_server.admission.turns import Turns
from ragents_server.caller import PRIORITIES

PASSED = 15  # so that each priority has more than 5 % of what is given out, though its turn finds nobody at times
KEPT = 0.05  # of the places, for each higher priority


class Waiting(Protocol):
    """What stands in a line."""

    priority: int

    @property
    def tenant(self) -> str:
        """Whose turn is used."""
        ...

    @property
    def user(self) -> str:
        """And, of that tenant, whose."""
        ...


W = TypeVar("W", bound=Waiting)
Queue = dict[W, None]  # in the order of coming


@dataclass(slots=True)
class _Tenant(Generic[W]):
    """Those of one tenant, its users in turn."""

    users: dict[str, Queue[W]] = field(default_factory=dict)
    turns: Turns = field(default_factory=Turns)
    size: int = 0

    def add(self, one: W) -> None:
        self.users.setdefault(one.user, {})[one] = None
        self.turns.join(one.user)
        self.size += 1

    def remove(self, one: W) -> None:
        del self.users[one.user][one]
        if not self.users[one.user]:
            del self.users[one.user]
            self.turns.leave(one.user)
        self.size -= 1

    def next(self) -> W:
        return next(iter(self.users[self.turns.next()]))

    def waiting_of(self, user: str) -> int:
        return len(self.users.get(user, ()))

    def before(self, one: W) -> int:
        place = next(place for place, other in enumerate(self.users[one.user]) if other is one)
        return self.turns.before(place, one.user, {user: len(queue) for user, queue in self.users.items()})


@dataclass(slots=True)
class _Class(Generic[W]):
    """Those of one priority, the tenants in turn."""

    tenants: dict[str, _Tenant[W]] = field(default_factory=dict)
    turns: Turns = field(default_factory=Turns)
    size: int = 0
    passed: int = 0  # times that a higher priority was served since this one was
    asked: bool = False  # somebody waits, or had to go since this priority was served

    @property
    def due(self) -> bool:
        """Whether it is next, whoever else waits."""
        return self.passed >= PASSED

    def add(self, one: W) -> None:
        self.asked = True
        self.tenants.setdefault(one.tenant, _Tenant()).add(one)
        self.turns.join(one.tenant)
        self.size += 1

    def remove(self, one: W) -> None:
        tenant = self.tenants[one.tenant]
        tenant.remove(one)
        if not tenant.size:
            del self.tenants[one.tenant]
            self.turns.leave(one.tenant)
        self.size -= 1

    def pop(self) -> W:
        one = self.tenants[self.turns.next()].next()
        self.turns.take(one.tenant)
        self.tenants[one.tenant].turns.take(one.user)
        self.remove(one)
        self.passed, self.asked = 0, self.size > 0
        return one

    def waiting_of(self, tenant: str, user: str | None = None) -> int:
        """How many of the tenant, or of one user of it, stand here."""
        those = self.tenants.get(tenant)
        if those is None:
            return 0
        return those.size if user is None else those.waiting_of(user)

    def last_of_most(self) -> W:
        """The last one of the user that has most here, of the tenant that has most."""
        tenant = self.tenants[max(self.tenants, key=self.waiting_of)]
        return next(reversed(tenant.users[max(tenant.users, key=tenant.waiting_of)]))

    def before(self, one: W) -> int:
        """How many have their turn before it."""
        sizes = {name: tenant.size for name, tenant in self.tenants.items()}
        return self.turns.before(self.tenants[one.tenant].before(one), one.tenant, sizes)


class Line(Generic[W]):
    """At most `most` wait in it."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._classes = [_Class[W]() for _ in PRIORITIES]

    def __len__(self) -> int:
        return sum(one.size for one in self._classes)

    def sizes(self) -> Iterator[tuple[str, int]]:
        """How many of each priority wait."""
        return zip(PRIORITIES, (one.size for one in self._classes), strict=True)

    def add(self, one: W) -> W | None:
        """Takes it in; whoever has to go for that, perhaps itself, None where there is room."""
        those = self._classes[one.priority]
        if len(self) < self._most - int(self._most * KEPT * (len(PRIORITIES) - 1 - one.priority)):
            those.add(one)
            return None
        those.asked = True
        last = self._last()
        if last is None or not (self._is_before(one, last) or (those.due and not those.size)):
            return one
        self.remove(last)
        those.add(one)
        return last

    def remove(self, one: W) -> None:
        """It does not wait any more."""
        self._classes[one.priority].remove(one)

    def raise_to(self, one: W, priority: int) -> None:
        """It is more urgent than it was; its place is its own."""
        self.remove(one)
        one.priority = priority
        self._classes[priority].add(one)

    def pop(self) -> W:
        """Whoever is next; the line is not empty."""
        waiting = [one for one in reversed(self._classes) if one.size]
        chosen = next((one for one in reversed(waiting) if one.due), waiting[0])
        for lower in self._classes[: self._classes.index(chosen)]:
            lower.passed += lower.asked
        return chosen.pop()

    def position(self, one: W) -> int:
        """How many are before it, should nobody come any more."""
        higher = sum(other.size for other in self._classes[one.priority + 1 :])
        return higher + self._classes[one.priority].before(one)

    def _last(self) -> W | None:
        lowest = next((one for one in self._classes if one.size > one.due), None)
        return None if lowest is None else lowest.last_of_most()

    def _is_before(self, one: W, last: W) -> bool:
        """Whether `one` is to wait rather than `last`: it is more urgent, or asks for less."""
        if one.priority != last.priority:
            return one.priority > last.priority
        those = self._classes[one.priority]
        if one.tenant != last.tenant:
            return those.waiting_of(one.tenant) + 1 < those.waiting_of(last.tenant)
        if one.user != last.user:
            return those.waiting_of(one.tenant, one.user) + 1 < those.waiting_of(last.tenant, last.user)
        return False
