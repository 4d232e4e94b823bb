"""A query's terms as the arguments of the search statement."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from ragents_server.index.lexical import Keys


@dataclass(frozen=True, slots=True)
class Asked:
    """Parallel arrays, an element per distinct term and collection: the term's number, its key, its repetitions."""

    terms: list[int]
    keys: list[int]
    times: list[float]

    @classmethod
    def of(cls, tenant: str, collections: Sequence[str], terms: Sequence[str]) -> "Asked":
        """Terms are numbered in the order of their first occurrence."""
        asked = cls([], [], [])
        counted = Counter(terms)
        for collection in collections:
            keys = Keys(tenant, collection)
            for number, (term, times) in enumerate(counted.items()):
                asked.terms.append(number)
                asked.keys.append(keys.key(term))
                asked.times.append(float(times))
        return asked
