"""What each of the processes of one server gets of what the settings give to the whole server."""

import os
from typing import Any

from ragents_server.settings import Settings

# The least that one process can work with; 0, where a setting may be 0, means none for all of them.
LEAST = {
    "executions": 1,
    "queue": 1,
    "batch_workers": 1,
    "parsers": 1,
    "database_connections": 2,
    "cache_connections": 1,
    "cache_embedding_size": 0,
    "cache_retrieval_size": 0,
    "cache_rewrite_size": 0,
    "cache_answer_size": 0,
}


def share_of(settings: Settings, number: int) -> Settings:
    """The settings of process `number`, counted from 0.

    The shares add up to the setting, unless it is too small to give each process the least.
    """
    shares: dict[str, Any] = {
        name: _share(getattr(settings, name), settings.processes, number, least) for name, least in LEAST.items()
    }
    threads = settings.embedding_threads or len(os.sched_getaffinity(0))
    shares["embedding_threads"] = _share(threads, settings.processes, number, 1)
    return settings.model_copy(update=shares)


def connections(settings: Settings) -> int:
    """Connections to the database that all processes hold at once at most, beside those of commands."""
    pools = sum(share_of(settings, number).database_connections for number in range(settings.processes))
    return pools + 2 * settings.processes  # one that keeps watch, one that migrates


def _share(total: int, processes: int, number: int, least: int) -> int:
    if not total:
        return 0
    return max(least, total // processes + (number < total % processes))
