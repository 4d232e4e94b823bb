"""Where threads and runs are kept."""

from dataclasses import dataclass

from ragents_server.threads.events import EventLog
from ragents_server.threads.leases import Leases
from ragents_server.threads.runs import Runs
from ragents_server.threads.threads import Threads


@dataclass(frozen=True, slots=True)
class Places:
    """The parts of the store; each is its own table's."""

    threads: Threads
    runs: Runs
    leases: Leases
    log: EventLog
