"""What is measured of a server, and where that is told; opened and closed here."""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from ragents_server import signals
from ragents_server.errors import ConfigurationError
from ragents_server.models.prices import read_prices
from ragents_server.settings import Settings, secrets_of
from ragents_server.telemetry.call_log import CallLog

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

    from ragents_server.interceptors.observed import Observer
    from ragents_server.telemetry.calls import CallMetrics
    from ragents_server.telemetry.instruments import Instruments
    from ragents_server.telemetry.lag import Lag
    from ragents_server.telemetry.opik import Opik
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


def opik_of(settings: Settings, metrics: Metrics | None) -> "Opik | None":
    """None where no traces are sent: then nothing of it is imported, and there is no thread."""
    if not settings.opik_url:
        return None
    try:
        from ragents_server.telemetry.opik import Destination, Opik
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"RAGENTS_OPIK_URL: the package {error.name} is missing; install ragents-grpc[opik]"
        ) from None
    from ragents_server.telemetry.records import Records
    from ragents_server.telemetry.redaction import Redaction

    def dropped(number: int) -> None:
        if metrics is not None:
            metrics.instruments.count("ragents_trace_spans_dropped_total", number=number)

    if metrics is not None:
        dropped(0)  # it begins at 0, so that the first one is a rise
    key = settings.opik_key.get_secret_value() if settings.opik_key is not None else ""
    redaction = Redaction(secrets_of(settings)) if settings.trace_redaction else None
    given: dict[str, Any] = {"with_contents": settings.trace_contents, "prices": read_prices(settings.model_prices)}
    records = Records(settings.opik_project, redaction, **given)
    return Opik(Destination(settings.opik_url, key, settings.opik_workspace), records, dropped)


@asynccontextmanager
async def tracing(opik: "Opik | None") -> AsyncIterator[None]:
    """Sends traces inside the block, where they are set."""
    if opik is None:
        yield
        return
    opik.start()
    try:
        with signals.listening(opik):
            yield
    finally:
        await asyncio.to_thread(opik.close)


def observers(settings: Settings, metrics: Metrics | None, opik: "Opik | None" = None) -> "Sequence[Observer]":
    """Who looks on at calls."""
    found: list[Observer] = []
    if opik is not None:
        from ragents_server.telemetry.tracing import Tracing

        found.append(Tracing(opik, settings.trace_share))
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
        found = Measured(metrics, _state(settings, parts, lag, int(address.rpartition(":")[2])))
        if settings.processes > 1:
            yield found
            return
        place = await stack.enter_async_context(page(settings.metrics_listen, found.families))
        log.info("metrics are served on %s", place)
        yield Measured(metrics, found.state, place)


def _state(settings: Settings, parts: "Parts", lag: "Lag", port: int) -> "ServerState":
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
        prices=read_prices(settings.model_prices),
        lag=lag,
    )
