"""What is measured of a server, and where that is told; opened and closed here."""

import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING

from ragents_server import signals
from ragents_server.settings import Settings
from ragents_server.telemetry.call_log import CallLog

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

    from ragents_server.interceptors.observed import Observer
    from ragents_server.telemetry.calls import CallMetrics
    from ragents_server.telemetry.instruments import Instruments
    from ragents_server.telemetry.lag import Lag
    from ragents_server.telemetry.state import ServerState
    from ragents_server.wiring import Parts

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Metrics:
    """What is counted as it happens, and what is read when somebody asks."""

    instruments: "Instruments"
    calls: "CallMetrics"

    async def families(self, state: "ServerState") -> "list[Metric]":
        """All that there is to tell, now."""
        return [*self.instruments.registry.collect(), *await state.families()]


def metrics_of(settings: Settings) -> Metrics | None:
    """None where nobody reads them: then nothing is counted, and nothing of it imported."""
    if settings.metrics_listen is None:
        return None
    from ragents_server.telemetry.calls import CallMetrics
    from ragents_server.telemetry.instruments import Instruments

    instruments = Instruments()
    return Metrics(instruments, CallMetrics(instruments))


def observers(settings: Settings, metrics: Metrics | None) -> "Sequence[Observer]":
    """Who looks on at calls."""
    found: list[Observer] = []
    if metrics is not None:
        found.append(metrics.calls)
    if settings.log_calls != "off":
        found.append(CallLog(every=settings.log_calls == "all"))
    return found


@dataclass(frozen=True, slots=True)
class Measured:
    """A server that is measured; its numbers, and where its own page is."""

    metrics: Metrics
    state: "ServerState"
    address: str | None = None  # None: a parent tells them with those of other processes

    async def families(self) -> "list[Metric]":
        """All that there is to tell, now."""
        return await self.metrics.families(self.state)


@asynccontextmanager
async def measured(
    settings: Settings, parts: "Parts", metrics: Metrics | None, address: str
) -> AsyncIterator[Measured | None]:
    """Measures inside the block the server that listens on `address`, and serves the page, where that is set."""
    if metrics is None or settings.metrics_listen is None:
        yield None
        return
    from ragents_server.telemetry.lag import Lag
    from ragents_server.telemetry.page import page
    from ragents_server.telemetry.spans import SpanMetrics

    async with AsyncExitStack() as stack:
        stack.enter_context(signals.listening(SpanMetrics(metrics.instruments)))
        lag = await stack.enter_async_context(Lag().looking())
        found = Measured(metrics, _state(parts, lag, int(address.rpartition(":")[2])))
        if settings.processes > 1:
            yield found
            return
        place = await stack.enter_async_context(page(settings.metrics_listen, found.families))
        log.info("metrics are served on %s", place)
        yield Measured(metrics, found.state, place)


def _state(parts: "Parts", lag: "Lag", port: int) -> "ServerState":
    from ragents_server.telemetry.state import ServerState

    shared = parts.caches.shared
    redis = {
        "cache": None if shared is None else shared.redis,
        "limits": parts.limits.redis,
        "checkpoints": parts.agency.redis,
        "queue": parts.queueing.redis,
    }
    return ServerState(
        version=version("ragents-grpc"),
        port=port,
        gate=parts.limits.gate,
        limiter=parts.limits.limiter,
        figures=parts.caches.figures,
        turns=parts.agency.turns,
        pool=parts.pool,
        queue=parts.queueing.queue,
        redis={role: one for role, one in redis.items() if one is not None},
        upstreams=parts.upstreams,
        lag=lag,
    )
