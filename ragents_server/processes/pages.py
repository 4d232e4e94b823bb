"""The metrics of all processes as one page; what a process that ended had counted stays in it."""

import asyncio
from collections.abc import Callable, Collection

from prometheus_client.metrics_core import Metric

from ragents_server.processes.worker import Worker
from ragents_server.telemetry.merging import lasting, merged, unpacked

SECONDS = 2.0  # that a process may take to tell; of one that takes longer, what it told last is counted


class Pages:
    """`workers` gives those that run. Else a counter would sink with each that ends, and rise again from nothing."""

    def __init__(self, workers: Callable[[], Collection[Worker]]) -> None:
        self._workers = workers
        self._known: dict[int, Worker] = {}  # that told something, by pid
        self._ended: list[Metric] = []  # the sums of those that are gone

    async def collect(self) -> list[Metric]:
        """One page."""
        running = list(self._workers())
        told = await asyncio.gather(*(one.tell_metrics(SECONDS) for one in running), return_exceptions=True)
        self._known |= {one.process.pid: one for one in running if one.metrics}
        for gone in self._known.keys() - {one.process.pid for one in self._workers()}:
            self._ended = merged([self._ended, lasting(unpacked(self._known.pop(gone).metrics))])
        pages = [
            unpacked(one.metrics) if answer is None else lasting(unpacked(one.metrics))
            for one, answer in zip(running, told, strict=True)
            if one.metrics and one.process.pid in self._known
        ]
        return merged([self._ended, *pages])
