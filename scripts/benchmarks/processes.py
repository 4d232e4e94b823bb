"""What a process and all its children cost: CPU seconds and memory."""

from typing import Any

import psutil


def cpu_seconds(pid: int) -> float:
    """CPU time of the process and of all below it, those that ended included."""
    return sum(sum(times[:4]) for times in _of_all(pid, "cpu_times"))


def memory_mb(pid: int) -> float:
    """Proportional set size of the process and of all below it, in 1,000,000 bytes: a shared page counts once."""
    return sum(float(used.pss) for used in _of_all(pid, "memory_full_info")) / 1e6


def _of_all(pid: int, method: str) -> list[Any]:
    parent = psutil.Process(pid)
    found = []
    for process in (parent, *parent.children(recursive=True)):
        try:
            found.append(getattr(process, method)())
        except psutil.NoSuchProcess:  # it ended meanwhile: its parent has counted it
            continue
    return found
