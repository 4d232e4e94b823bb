"""The line for slots: by priority, in turn among tenants and among the users of one, first come first served of each.

A lower priority is not starved: whoever has been passed over `PASSED` times in a row by higher ones is next.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from ragents_server.caller import PRIORITIES

PASSED = 19  # so that each priority has at least 5 % of what is given out


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
class _Class(Generic[W]):
    """Those of one priority: tenants in the order of their turns, and so the users of each."""

    tenants: dict[str, dict[str, Queue[W]]] = field(default_factory=dict)
    size: int = 0
    passed: int = 0  # times that a higher priority was served since this one was

    def add(self, one: W) -> None:
        self.tenants.setdefault(one.tenant, {}).setdefault(one.user, {})[one] = None
        self.size += 1

    def remove(self, one: W) -> None:
        users = self.tenants[one.tenant]
        del users[one.user][one]
        if not users[one.user]:
            del users[one.user]
        if not users:
            del self.tenants[one.tenant]
        self.size -= 1

    def pop(self) -> W:
        """The next one; its tenant's and its user's next turns come after all others'."""
        tenant, users = next(iter(self.tenants.items()))
        user, queue = next(iter(users.items()))
        one = next(iter(queue))
        del self.tenants[tenant], users[user]
        users[user] = queue
        self.tenants[tenant] = users
        self.remove(one)
        self.passed = 0
        return one

    def waiting_of(self, tenant: str, user: str | None = None) -> int:
        """How many of the tenant, or of one user of it, stand here."""
        users = self.tenants.get(tenant, {})
        return sum(map(len, users.values())) if user is None else len(users.get(user, ()))

    def last_of_most(self) -> W:
        """The last one of the user that has most here, of the tenant that has most."""
        tenant = max(self.tenants, key=self.waiting_of)
        users = self.tenants[tenant]
        return next(reversed(users[max(users, key=lambda user: len(users[user]))]))

    def before(self, one: W) -> int:
        """How many have their turn before it."""
        users = self.tenants[one.tenant]
        of_user = _place(one, users[one.user])
        of_tenant = _turns(of_user, one.user, {user: len(queue) for user, queue in users.items()})
        sizes = {tenant: self.waiting_of(tenant) for tenant in self.tenants}
        return _turns(of_tenant, one.tenant, sizes)


def _place(one: W, queue: Queue[W]) -> int:
    return next(place for place, other in enumerate(queue) if other is one)


def _turns(place: int, mine: str, sizes: dict[str, int]) -> int:
    """What is served before the one at `place` of `mine`, where all of `sizes` take turns in this order."""
    before, earlier = place, True
    for name, size in sizes.items():
        if name == mine:
            earlier = False
        else:
            before += min(size, place + earlier)
    return before


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
        if len(self) < self._most:
            self._classes[one.priority].add(one)
            return None
        last = self._last()
        if last is None or not self._is_before(one, last):
            return one
        self.remove(last)
        self._classes[one.priority].add(one)
        return last

    def remove(self, one: W) -> None:
        """It does not wait any more."""
        self._classes[one.priority].remove(one)

    def pop(self) -> W:
        """Whoever is next; the line is not empty."""
        waiting = [one for one in reversed(self._classes) if one.size]
        chosen = next((one for one in reversed(waiting) if one.passed >= PASSED), waiting[0])
        for other in waiting[waiting.index(chosen) + 1 :]:
            other.passed += 1
        return chosen.pop()

    def position(self, one: W) -> int:
        """How many are before it, should nobody come any more."""
        higher = sum(other.size for other in self._classes[one.priority + 1 :])
        return higher + self._classes[one.priority].before(one)

    def _last(self) -> W | None:
        lowest = next((one for one in self._classes if one.size), None)
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
