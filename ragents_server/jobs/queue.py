"""The role `Queue`: batches, the jobs they consist of, and who is at which.

A job is one question of one batch. It waits, is taken under a lease with a fencing token, and is over once it has an
outcome; after a lease that runs out, or a pause for a failure, it is free again at its old place in the queue. Whoever
has an old token changes nothing.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

LEASE = 6.0  # seconds that a worker may be silent before another one takes its job
REFUSED_WAIT = 30.0  # seconds that one whose batch does not fit is told to wait


@dataclass(frozen=True, slots=True)
class Bounds:
    """How many jobs may be without an outcome, and how long batches are kept after their end, in seconds."""

    most: int = 100_000
    most_of_tenant: int = 20_000
    kept: float = 86_400.0


@dataclass(frozen=True, slots=True)
class Submission:
    """A batch to queue; `priority` is a place in PRIORITIES, `digest` that of what is asked."""

    id: str
    tenant: str
    user: str
    caller: str  # as `to_text` gives it
    priority: int
    digest: bytes
    questions: Sequence[bytes]


@dataclass(frozen=True, slots=True)
class Stored:
    """A batch as it is kept; times in milliseconds since 1970."""

    id: str
    tenant: str
    user: str
    digest: bytes
    total: int
    done: int  # that have an outcome
    cancelled: bool
    created: int
    updated: int


@dataclass(frozen=True, slots=True)
class Lease:
    """Who may end a job: the one with the highest token. `name` is the job's own among all."""

    name: str
    batch: str
    index: int  # of the question in its batch
    tenant: str
    token: int


@dataclass(frozen=True, slots=True)
class Job:
    """A job that was taken."""

    lease: Lease
    priority: int
    attempt: int  # this one, from 1
    age: float  # seconds since it was submitted
    caller: str
    question: bytes


@dataclass(frozen=True, slots=True)
class Dead:
    """A job that ended as a dead letter: its last attempt failed too. Its outcome is that failure."""

    batch: str
    index: int


@dataclass(frozen=True, slots=True)
class Sizes:
    """How many jobs have no outcome yet, and how many dead letters are kept."""

    waiting: int
    dead: int


class Queue(Protocol):
    """Raises StateUnavailable, or what `is_unavailable` knows, while its store is away."""

    async def submit(self, submission: Submission) -> Stored:
        """The batch, queued; the one that has the id already, where there is one. Raises Overloaded."""
        ...

    async def find(self, batch: str) -> Stored | None:
        """A batch, whosever it is."""
        ...

    async def outcomes(self, batch: str, first: int, most: int) -> Sequence[bytes | None]:
        """The outcomes of the questions from `first` on, None for those without."""
        ...

    async def cancel(self, batch: str) -> Stored | None:
        """The batch, none of whose jobs is taken or ended any more."""
        ...

    async def take(self, priorities: Sequence[int]) -> Job | None:
        """The job that has waited longest among those of the first of these priorities that has any; None: no job."""
        ...

    async def renew(self, leases: Collection[Lease]) -> Collection[Lease]:
        """Lengthens leases; those that still hold."""
        ...

    async def finish(self, lease: Lease, outcome: bytes, *, dead: bool = False) -> bool:
        """Ends a job; False, and nothing has changed, where the lease was lost."""
        ...

    async def put_off(self, lease: Lease, seconds: float, *, counted: bool) -> bool:
        """Gives a job back for others to take after a pause; whether the attempt counts. False: the lease was lost."""
        ...

    async def sizes(self) -> Sizes:
        """How full it is."""
        ...

    async def dead(self, most: int) -> Sequence[Dead]:
        """The dead letters, the latest first."""
        ...

    async def sweep(self) -> None:
        """Drops some of what has been kept long enough; several replicas may do this at once."""
        ...
