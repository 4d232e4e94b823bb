"""The page of metrics as Prometheus reads it."""

import asyncio
import urllib.request
from collections.abc import Callable

from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

SECONDS = 20.0


class Page:
    """One reading of it."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.families: dict[str, Metric] = {one.name: one for one in text_string_to_metric_families(text)}

    def total(self, name: str, **labels: str) -> float:
        """The sum of the samples of this name that have these labels; 0 where there are none."""
        return sum(
            sample.value
            for family in self.families.values()
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    def values(self, name: str, label: str) -> set[str]:
        """The values that the label has."""
        samples = [sample for family in self.families.values() for sample in family.samples if sample.name == name]
        return {sample.labels[label] for sample in samples}


def read(address: str) -> Page:
    """Reads it once."""
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=SECONDS) as reply:
        assert reply.headers["content-type"].startswith("text/plain")
        return Page(reply.read().decode())


async def read_when(address: str, done: Callable[[Page], bool]) -> Page:
    """The first reading that satisfies: a call's end is counted when its caller knows of it already."""
    async with asyncio.timeout(SECONDS):
        while not done(page := await asyncio.to_thread(read, address)):  # noqa: ASYNC110 - the page tells nobody
            await asyncio.sleep(0.02)
    return page
