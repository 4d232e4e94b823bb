"""What was cleared, as this process knows it: an entry made before a clearing that names it is gone.

The clearings are numbered in the order of their commits. An entry carries the last number that was known before it
was made; so it is dropped wherever it still lies, even where the store that held it was away during the clearing.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import product

from ragents_server.cache.stores import Key, Origin, Scope

KEPT = 25 * 3600.0  # seconds; no entry is older than a day
MANY = 10_000  # rules, from which on the old ones are looked for


@dataclass(frozen=True, slots=True)
class Clearing:
    """One clearing."""

    number: int
    scope: Scope


Rule = tuple[str | None, str, str, str, bytes]  # tenant, layer, collection, document, digest


class Clearings:
    """The latest clearing of every scope; `number` is the last one known."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.number = 0
        self._clock = clock
        self._latest: dict[Rule, tuple[int, float]] = {}

    def add(self, clearings: Iterable[Clearing]) -> None:
        """Takes note of clearings."""
        now = self._clock()
        for clearing in clearings:
            scope = clearing.scope
            if not (scope.collection or scope.document or scope.digest):
                self._forget_covered(scope)
            for layer in scope.layers:
                rule = (scope.tenant, layer, scope.collection, scope.document, scope.digest)
                self._latest[rule] = (max(clearing.number, self._latest.get(rule, (0, 0))[0]), now)
            self.number = max(self.number, clearing.number)
        if len(self._latest) > MANY:
            self._latest = {rule: latest for rule, latest in self._latest.items() if latest[1] > now - KEPT}

    def _forget_covered(self, scope: Scope) -> None:
        """What a clearing of everything of a tenant says too: so a tenant who clears without end fills no memory."""
        self._latest = {
            rule: latest
            for rule, latest in self._latest.items()
            if (rule[0], rule[1] in scope.layers) != (scope.tenant, True)
        }

    def drop(self, key: Key, origin: Origin, known: int) -> bool:
        """Whether an entry that was made when `known` was the last clearing is gone."""
        if known >= self.number:
            return False
        of = product((key.tenant, None), ("", *origin.collections), ("", *origin.documents), (b"", key.digest))
        return any(
            self._latest.get((tenant, key.layer, collection, document, digest), (0, 0))[0] > known
            for tenant, collection, document, digest in of
        )
