"""What servers' metrics pages say, and what two readings of them say of the time between."""

import math
import socket
import time
import urllib.error
import urllib.request
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families

PATIENCE = 3.0  # seconds for one page
MOST = 16 * 2**20  # bytes of one

Labels = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Reading:
    """A page: `samples` by name, each with its labels and number."""

    at: float  # seconds, monotonic
    samples: Mapping[str, Sequence[tuple[Mapping[str, str], float]]]


@dataclass(frozen=True, slots=True)
class Replica:
    """One server: its two newest readings. Without the second it did not answer, without the first it has just come."""

    address: str
    before: Reading | None = None
    after: Reading | None = None

    def read(self) -> "Replica":
        """The same with a reading of now."""
        return Replica(self.address, self.after, page_of(self.address))

    def growth(self, name: str, wanted: Mapping[str, str]) -> Iterator[tuple[Mapping[str, str], float]]:
        """How much each counter grew in a second; one that is smaller than before began anew."""
        if self.before is None or self.after is None:
            return
        seconds = max(self.after.at - self.before.at, 1e-9)
        before = {frozenset(labels.items()): number for labels, number in self.before.samples.get(name, ())}
        for labels, number in self.after.samples.get(name, ()):
            if wanted.items() <= labels.items():
                earlier = before.get(frozenset(labels.items()), 0.0)
                yield labels, (number - earlier if number >= earlier else number) / seconds

    def now(self, name: str, wanted: Mapping[str, str]) -> Iterator[tuple[Mapping[str, str], float]]:
        """What each gauge shows."""
        for labels, number in self.after.samples.get(name, ()) if self.after is not None else ():
            if wanted.items() <= labels.items():
                yield labels, number


def page_of(address: str) -> Reading | None:
    """The page of `host:port`; None where none comes, or it is none."""
    try:
        with urllib.request.urlopen(f"http://{address}/metrics", timeout=PATIENCE) as reply:
            text = reply.read(MOST).decode()
        samples = defaultdict[str, list[tuple[Mapping[str, str], float]]](list)
        for family in text_string_to_metric_families(text):
            for one in family.samples:
                samples[one.name].append((one.labels, one.value))
    except (OSError, ValueError):
        return None
    return Reading(time.monotonic(), samples)


def addresses_of(place: str) -> list[str]:
    """Every server behind `host:port`: a headless service's name has one address a replica. ValueError for no place."""
    host, colon, port = place.removeprefix("http://").removesuffix("/metrics").rstrip("/").rpartition(":")
    if not (host and colon and port.isdigit()):
        raise ValueError(f"{place!r} is no HOST:PORT")
    try:
        found = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM)
    except OSError as error:
        raise ValueError(f"{host} has no address: {error.strerror}") from None
    hosts = dict.fromkeys(str(where[0]) for *_, where in found)
    return [f"[{one}]:{port}" if ":" in one else f"{one}:{port}" for one in hosts]


def rates(replicas: Sequence[Replica], name: str, *by: str, **wanted: str) -> dict[Labels, float]:
    """How much counters grew in a second, summed over replicas, by these labels."""
    return _sums((one for replica in replicas for one in replica.growth(name, wanted)), by)


def numbers(replicas: Sequence[Replica], name: str, *by: str, **wanted: str) -> dict[Labels, float]:
    """What gauges show, summed over replicas, by these labels."""
    return _sums((one for replica in replicas for one in replica.now(name, wanted)), by)


def highest(replicas: Sequence[Replica], name: str, *by: str) -> dict[Labels, float]:
    """What gauges show at most, of all replicas, by these labels."""
    found = dict[Labels, float]()
    for replica in replicas:
        for labels, number in replica.now(name, {}):
            key = tuple(labels.get(one, "") for one in by)
            found[key] = max(number, found.get(key, -math.inf))
    return found


def quantiles(buckets: Mapping[Labels, float], shares: Sequence[float]) -> list[float | None]:
    """Of a histogram's cumulative buckets, `le` as their only label; None where nothing was observed.

    As Prometheus has it: even within a bucket, and the last finite bound where the quantile lies beyond it.
    """
    bounds = sorted((float(le), count) for (le,), count in buckets.items())
    if not bounds or bounds[-1][1] <= 0:
        return [None] * len(shares)
    return [_quantile(bounds, share * bounds[-1][1]) for share in shares]


def _quantile(bounds: Sequence[tuple[float, float]], rank: float) -> float:
    lower = below = 0.0
    for upper, count in bounds:
        if count >= rank:
            if math.isinf(upper):
                return lower
            return lower + (upper - lower) * ((rank - below) / (count - below) if count > below else 0.0)
        lower, below = upper, count
    return lower


def _sums(found: Iterator[tuple[Mapping[str, str], float]], by: Sequence[str]) -> dict[Labels, float]:
    sums = defaultdict[Labels, float](float)
    for labels, number in found:
        sums[tuple(labels.get(one, "") for one in by)] += number
    return dict(sums)
