"""Pods under load: a fluid of calls that have a slot or wait for one, and what each pod would tell of it."""

from dataclasses import dataclass, field
from math import exp

GIB = 2.0**30


@dataclass(frozen=True, slots=True)
class Size:
    """What a pod can do and what it takes; times in seconds, memory in bytes."""

    slots: float = 50
    queue: float = 200
    cpus: float = 2  # that its processes can use
    cpu_idle: float = 0.05
    cpu_call: float = 0.012  # seconds of CPU of one call: transport, retrieval and an embedding
    memory_idle: float = 1.2 * GIB
    memory_kept: float = 2.4 * GIB  # caches and what Python does not give back, once they are full
    memory_calls: float = 15_000  # calls that fill two thirds of it


@dataclass(slots=True)
class Pod:
    """One pod; `ready_at` is when it began, or will begin, to be ready."""

    name: str
    started: float
    running_at: float
    ready_at: float
    inside: float = 0.0  # calls that have a slot or wait for one
    begun: float = 0.0  # calls since the start
    ended: float = 0.0
    cpu: float = 0.0  # seconds since the start
    history: list[tuple[float, float]] = field(default_factory=list)  # readings of `begun`

    def serve(self, size: Size, arrivals: float, service: float) -> float:
        """One second of calls; the number that is sent away because slots and queue are full."""
        ended = min(self.inside, size.slots) / service
        # What the processes' CPU allows is a bound as well.
        ended = min(ended, (size.cpus - size.cpu_idle) / size.cpu_call, self.inside + arrivals)
        room = size.slots + size.queue - (self.inside - ended)
        taken = min(arrivals, max(0.0, room))
        self.inside += taken - ended
        self.begun += arrivals
        self.ended += ended
        self.cpu += size.cpu_idle + ended * size.cpu_call
        return arrivals - taken

    def memory(self, size: Size) -> float:
        """Bytes: it grows with the calls that it had, and does not fall."""
        return size.memory_idle + size.memory_kept * (1 - exp(-self.ended / size.memory_calls))
