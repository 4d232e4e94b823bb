"""Which core a process may run on: a server and what loads it must not take each other's time."""

import os
from contextlib import suppress
from pathlib import Path

import psutil

from scripts.benchmarks.errors import BenchError


def two_cores() -> tuple[int, int]:
    """The last two that we may use: the kernel's own work, interrupts above all, tends to the first."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise BenchError("a server and its load need a core each, and there is only one")
    return cores[-2], cores[-1]


def pin(pid: int, core: int) -> None:
    """Keeps the process, all below it and every thread of theirs on one core; what they start later stays there too."""
    parent = psutil.Process(pid)
    for process in (parent, *parent.children(recursive=True)):
        with suppress(FileNotFoundError):  # it ended meanwhile
            for thread in Path(f"/proc/{process.pid}/task").iterdir():
                with suppress(ProcessLookupError):
                    os.sched_setaffinity(int(thread.name), {core})
