"""The monitor over parts that do as they are told."""

import asyncio
from contextlib import aclosing

import pytest

from ragents_client.v1 import (
    COMPONENT_STATE_DOWN,
    COMPONENT_STATE_OFF,
    COMPONENT_STATE_UNSPECIFIED,
    COMPONENT_STATE_UP,
    ComponentState,
)
from ragents_server.connections.breaker import State
from ragents_server.health import monitor as module
from ragents_server.health.looks import Look, Told, always, models
from ragents_server.health.monitor import Monitor
from ragents_server.models.upstream import FAILURES, Upstream


class Scripted:
    """A part that says, raises or hangs; `looked` is set at every look."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.answer: Look | Exception | None = Look(COMPONENT_STATE_UP, "well", 0.002)
        self.looked = asyncio.Event()
        self.closed = False

    async def look(self) -> Look:
        self.looked.set()
        if self.answer is None:
            await asyncio.Event().wait()
        if isinstance(self.answer, Exception):
            raise self.answer
        assert self.answer is not None
        return self.answer

    async def aclose(self) -> None:
        self.closed = True


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in (("PAUSE", 0.01), ("SHORT_PAUSE", 0.005), ("PATIENCE", 0.05)):
        monkeypatch.setattr(module, name, seconds)


async def until(monitor: Monitor, name: str, wanted: ComponentState.ValueType) -> None:
    async with asyncio.timeout(20), aclosing(monitor.states(name)) as states:
        async for state in states:
            if state == wanted:
                return


async def test_rows_tell_state_latency_since_and_what_it_is() -> None:
    part = Scripted("database")
    monitor = Monitor([part, Told("tracing", always(COMPONENT_STATE_OFF, "not set"))], clock=lambda: 1_700_000_000.5)
    before = monitor.components()[0]
    assert (before.state, before.detail) == (COMPONENT_STATE_UNSPECIFIED, "not looked at yet")
    async with monitor.looking():
        await until(monitor, "database", COMPONENT_STATE_UP)
        await until(monitor, "tracing", COMPONENT_STATE_OFF)
        row, tracing = monitor.components()
        assert (row.name, row.state, row.detail) == ("database", COMPONENT_STATE_UP, "well")
        assert row.latency.ToMilliseconds() == 2
        assert row.since.ToMilliseconds() == 1_700_000_000_500
        assert not tracing.HasField("latency")
    assert part.closed


@pytest.mark.parametrize("trouble", [None, OSError("postgres://ada:secret@10.1.2.3 refused")], ids=["hangs", "raises"])
async def test_a_part_that_fails_is_down_and_up_again_and_nothing_of_its_error_is_told(
    trouble: Exception | None,
) -> None:
    part, other = Scripted("cache"), Scripted("limits")
    monitor = Monitor([part, other])
    async with monitor.looking():
        await until(monitor, "cache", COMPONENT_STATE_UP)
        part.answer = trouble
        await until(monitor, "cache", COMPONENT_STATE_DOWN)
        down = monitor.components()[0]
        assert "secret" not in str(down)
        assert "10.1.2.3" not in str(down)
        assert not down.HasField("latency")
        other.looked.clear()
        await asyncio.wait_for(other.looked.wait(), 5)  # it is still looked at
        part.answer = Look(COMPONENT_STATE_UP, "well again")
        await until(monitor, "cache", COMPONENT_STATE_UP)
        assert monitor.components()[0].detail == "well again"


def failing(model: str) -> Upstream:
    upstream = Upstream(model)
    for _ in range(FAILURES):
        upstream.breaker.failed()
    assert upstream.breaker.state is State.OPEN
    return upstream


def test_a_model_is_as_its_breaker_says_and_a_fallback_makes_it_degraded() -> None:
    well = Upstream("openai:gpt-4o")
    assert ComponentState.Name(models([well], "")().state) == "COMPONENT_STATE_UP"
    assert ComponentState.Name(models([failing("a:b")], "")().state) == "COMPONENT_STATE_DOWN"
    meanwhile = models([failing("a:b"), well], "")()
    assert ComponentState.Name(meanwhile.state) == "COMPONENT_STATE_DEGRADED"
    assert meanwhile.detail == "a:b fails and is left alone for a while, openai:gpt-4o answers meanwhile"
    assert ComponentState.Name(models([], "not set")().state) == "COMPONENT_STATE_OFF"
