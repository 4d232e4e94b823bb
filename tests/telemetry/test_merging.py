"""Pages of several processes as one."""

import asyncio
import time
from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.metrics_core import Metric

from ragents_server.telemetry.instruments import MOST_VALUES, OTHER, Instruments
from ragents_server.telemetry.lag import Lag
from ragents_server.telemetry.merging import lasting, merged, packed, unpacked
from ragents_server.telemetry.state import family


def page(calls: int, seconds: Sequence[float], waiting: int, *, closed: bool) -> list[Metric]:
    registry = CollectorRegistry()
    Counter("calls_total", "calls", ["code"], registry=registry).labels("OK").inc(calls)
    histogram = Histogram("calls_seconds", "seconds", buckets=(1, 2), registry=registry)
    for one in seconds:
        histogram.observe(one)
    depth = family("ragents_queue_depth", [(("LOW",), waiting)])
    breaker = family("ragents_breaker_open", [(("database",), float(closed))])
    return unpacked(packed([*registry.collect(), depth, breaker]))


def numbers(families: Sequence[Metric]) -> dict[str, float]:
    samples = [sample for one in families for sample in one.samples if not sample.name.endswith("_created")]
    return {"".join((one.name, *one.labels.values())): one.value for one in samples}


def test_numbers_add_up_and_what_each_tells_of_the_whole_server_is_the_largest() -> None:
    both = [page(3, [0.5, 1.5], 2, closed=False), page(4, [0.25, 9], 5, closed=True)]
    assert numbers(merged(both)) == {
        "calls_totalOK": 7,
        "calls_seconds_bucket1.0": 2,
        "calls_seconds_bucket2.0": 3,
        "calls_seconds_bucket+Inf": 4,
        "calls_seconds_count": 4,
        "calls_seconds_sum": 11.25,
        "ragents_queue_depthLOW": 7,
        "ragents_breaker_opendatabase": 1,
    }


def test_of_a_process_that_ended_only_what_it_counted_stays() -> None:
    left = numbers(lasting(page(3, [0.5], 2, closed=True)))
    assert left["calls_totalOK"] == 3
    assert left["calls_seconds_count"] == 1
    assert not [name for name in left if name.startswith("ragents_")]


def test_a_label_that_others_choose_has_a_bounded_number_of_values() -> None:
    instruments = Instruments()
    told = {instruments.bounded("model", f"model {number}") for number in range(10 * MOST_VALUES)}
    assert len(told) == MOST_VALUES + 1
    assert OTHER in told
    assert instruments.bounded("model", "model 1") == "model 1"


async def test_a_loop_that_is_held_up_is_late() -> None:
    async with Lag().looking() as lag, asyncio.timeout(20):
        await asyncio.sleep(0)
        assert lag.longest == 0
        time.sleep(0.6)  # noqa: ASYNC251 - which is what is looked for
        while not lag.longest:  # noqa: ASYNC110 - it looks at its own pace
            await asyncio.sleep(0.01)
    assert lag.longest > 0.2
