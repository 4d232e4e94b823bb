"""What is counted as it happens: the counters and histograms of the catalogue, bound to their labels once."""

from collections.abc import Hashable

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.process_collector import ProcessCollector

from ragents_server.telemetry.catalogue import FAMILIES, Family

MOST_VALUES = 64  # of one label that others choose, such as a model's name; those that come later are one
OTHER = "other"


class Instruments:
    """Those of one server, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._made = {one.name: self._new(one) for one in FAMILIES if one.kind != "gauge" and not one.read}
        self._counters: dict[Hashable, Counter] = {}
        self._histograms: dict[Hashable, Histogram] = {}
        self._values: dict[str, set[str]] = {}

    def count(self, name: str, *labels: str, number: float = 1) -> None:
        """Adds to a counter."""
        if (bound := self._counters.get((name, labels))) is None:
            bound = self._counters[name, labels] = self.counter(name, *labels)
        bound.inc(number)

    def observe(self, name: str, *labels: str, value: float) -> None:
        """Adds to a histogram."""
        if (bound := self._histograms.get((name, labels))) is None:
            bound = self._histograms[name, labels] = self.histogram(name, *labels)
        bound.observe(value)

    def counter(self, name: str, *labels: str) -> Counter:
        """The counter with these labels."""
        found = self._made[name]
        if not isinstance(found, Counter):
            raise TypeError(f"{name} is no counter")
        return found.labels(*labels) if labels else found

    def histogram(self, name: str, *labels: str) -> Histogram:
        """The histogram with these labels."""
        found = self._made[name]
        if not isinstance(found, Histogram):
            raise TypeError(f"{name} is no histogram")
        return found.labels(*labels) if labels else found

    def _new(self, family: Family) -> Counter | Histogram:
        given = (family.name, family.sentence, family.labels)
        if family.kind == "counter":
            return Counter(*given, registry=self.registry)
        return Histogram(*given, buckets=family.buckets, registry=self.registry)

    def bounded(self, label: str, value: str) -> str:
        """The value, or OTHER where there are too many of the label already."""
        known = self._values.setdefault(label, set())
        if value in known or len(known) < MOST_VALUES:
            known.add(value)
            return value
        return OTHER
