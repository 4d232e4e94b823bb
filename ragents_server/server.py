"""The gRPC server: the order of guards, the list of services, health, start and drain."""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1._async import HealthServicer
from grpc_reflection.v1alpha import reflection

from ragents_client.v1 import (
    agent_service_pb2,
    cache_service_pb2,
    document_service_pb2,
    health_service_pb2,
    query_service_pb2,
)
from ragents_client.v1.agent_service_pb2_grpc import add_AgentServiceServicer_to_server
from ragents_client.v1.cache_service_pb2_grpc import add_CacheServiceServicer_to_server
from ragents_client.v1.document_service_pb2_grpc import add_DocumentServiceServicer_to_server
from ragents_client.v1.health_service_pb2_grpc import add_HealthServiceServicer_to_server
from ragents_client.v1.query_service_pb2_grpc import add_QueryServiceServicer_to_server
from ragents_server.agents.turns import Turns
from ragents_server.health.monitor import Monitor
from ragents_server.identity.authentication import Chain
from ragents_server.incidents import quiet_leaving
from ragents_server.interceptors.admission import admission
from ragents_server.interceptors.around import Around, Guard
from ragents_server.interceptors.deadline import deadline
from ragents_server.interceptors.errors import errors
from ragents_server.interceptors.identity import identity
from ragents_server.interceptors.naming import naming
from ragents_server.interceptors.observed import Observer, observed
from ragents_server.interceptors.serving import UNWIND, Serving
from ragents_server.limiting import Limits
from ragents_server.listeners import bind, certificates_of, refuse_open_listener
from ragents_server.measuring import Measured, measured, metrics_of, observers, opik_of, tracing
from ragents_server.services.agents import AgentService
from ragents_server.services.cache import CacheService
from ragents_server.services.context import Deadlines
from ragents_server.services.documents import DocumentService
from ragents_server.services.health import HealthService
from ragents_server.services.query import QueryService
from ragents_server.settings import Settings
from ragents_server.watching import monitor_of
from ragents_server.wiring import Parts

log = logging.getLogger(__name__)

SERVICES = tuple(
    module.DESCRIPTOR.services_by_name[name].full_name
    for module, name in (
        (query_service_pb2, "QueryService"),
        (document_service_pb2, "DocumentService"),
        (agent_service_pb2, "AgentService"),
        (cache_service_pb2, "CacheService"),
        (health_service_pb2, "HealthService"),
    )
)
MAX_ANSWER = 64 * 2**20  # a batch of 100 answers with 100 passages each is 15 MB
LIVENESS = "ragents-liveness"
MAX_PROBES = 100  # at once, on their own port
FLUSH = 0.5  # seconds for the last statuses to leave
PROBES = ("", "ragents-readiness", "ragents-startup", *SERVICES)  # follow the state store; liveness never does


def guards(
    settings: Settings,
    serving: Serving,
    limits: Limits,
    authenticator: Chain | None,
    looking_on: Sequence[Observer] = (),
) -> Sequence[Guard]:
    """The guards around every RPC, outermost first."""
    bounded = deadline(settings.deadline, settings.max_deadline, settings.upload_deadline)
    return (
        naming,
        *([observed(looking_on)] if looking_on else []),
        errors,
        identity(authenticator, guarded_reflection=settings.profile == "production"),
        serving,
        bounded,
        admission(limits.processing, limits.gate),
    )


def options(settings: Settings) -> list[tuple[str, Any]]:
    """The transport's limits."""
    ages: list[tuple[str, Any]] = [
        ("grpc.max_connection_age_ms", int(settings.connection_age * 1000)),
        # What is under way on an old connection ends there; nothing lasts longer than an upload may.
        ("grpc.max_connection_age_grace_ms", int(max(settings.upload_deadline, settings.max_deadline) * 1000)),
    ]
    return [
        *(ages if settings.connection_age else ()),
        # Only where a parent keeps the port: otherwise a second server binds the same one in silence.
        ("grpc.so_reuseport", int(settings.processes > 1)),
        ("grpc.max_receive_message_length", settings.max_message),
        ("grpc.max_send_message_length", MAX_ANSWER),
        ("grpc.max_metadata_size", settings.max_metadata),
        ("grpc.absolute_max_metadata_size", settings.max_metadata),  # else refused at random between the two
        ("grpc.keepalive_time_ms", 60_000),
        ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    ]


@dataclass(frozen=True, slots=True)
class Server:
    """A server that listens."""

    grpc: grpc.aio.Server
    health: HealthServicer
    serving: Serving
    address: str  # the port is the one chosen where the setting's was 0
    health_address: str | None  # of the port for probes
    measured: Measured | None  # where metrics are switched on
    monitor: Monitor  # of the parts

    async def set_ready(self, ready: bool) -> None:
        """Tells the probes whether calls would be served."""
        if self.serving.draining:
            return  # for good
        self.serving.started = self.serving.started or ready
        serving, not_serving = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING
        for name in PROBES:
            await self.health.set(name, serving if ready else not_serving)

    async def drain(self, lame_duck: float, grace: float, turns: Turns) -> None:
        """NOT_SERVING first, so that balancers look elsewhere; then no new calls; then those under way end.

        Runs have half of the grace; what is left of it suffices to get to a step that is saved.
        """
        await self.set_ready(False)  # not the liveness, which `enter_graceful_shutdown` would take away too
        self.serving.draining = True
        log.info("draining: no new calls in %.3g s, the end at most %.3g s after that", lame_duck, grace)
        await asyncio.sleep(lame_duck)
        log.info("no new calls any more")
        stopping = asyncio.create_task(self.grpc.stop(grace + UNWIND + FLUSH), name="stopping the listener")
        saving = asyncio.create_task(turns.drain(grace / 2), name="saving runs")
        try:
            await self.serving.finish(grace)
        finally:
            await self.grpc.stop(FLUSH)  # a probe's watch would last as long as the grace
            await stopping
            saving.cancel()
            await asyncio.wait([saving])


@asynccontextmanager
async def listening(settings: Settings, parts: Parts, *, ready: bool = False) -> AsyncIterator[Server]:
    """Listens, NOT_SERVING until `set_ready` unless `ready`; ends at once when left without a drain."""
    refuse_open_listener(settings)
    quiet_leaving()
    serving = Serving()
    opik = opik_of(settings, metrics := metrics_of(settings))
    looking_on = observers(settings, metrics, opik)
    around = Around(
        guards(settings, serving, parts.limits, parts.authenticator, looking_on),
        [naming, errors],
        settings.max_message,
        unserved=metrics.calls.unserved if metrics is not None else lambda: None,
    )
    server = grpc.aio.server(interceptors=[around], options=options(settings))
    monitor = monitor_of(settings, parts, opik)
    add_services(server, settings, parts, monitor)
    health = HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(health, server)
    await health.set(LIVENESS, health_pb2.HealthCheckResponse.SERVING)
    if settings.reflection:
        reflection.enable_server_reflection(
            (*SERVICES, health_pb2.DESCRIPTOR.services_by_name["Health"].full_name, reflection.SERVICE_NAME), server
        )
    certificates = certificates_of(settings)
    credentials = None if certificates is None else certificates.credentials()
    given: dict[str, Any] = {"credentials": credentials, "shared": settings.processes > 1}
    address = bind(server, settings.listen, setting="RAGENTS_LISTEN", **given)
    async with (
        measured(settings, parts, metrics, address) as numbers,
        _probed(settings, health) as health_address,
        tracing(opik),
        monitor.looking(),
    ):
        running = Server(server, health, serving, address, health_address, numbers, monitor)
        await running.set_ready(ready)  # the servicer starts as SERVING
        await server.start()
        try:
            yield running
        finally:
            await server.stop(None)


@asynccontextmanager
async def _probed(settings: Settings, health: HealthServicer) -> AsyncIterator[str | None]:
    """The same health on a plaintext port of its own, for probes without certificates, to the very end of a drain."""
    if settings.health_listen is None:
        yield None
        return
    around = Around([], [naming, errors], settings.max_message)
    server = grpc.aio.server(interceptors=[around], options=options(settings), maximum_concurrent_rpcs=MAX_PROBES)
    health_pb2_grpc.add_HealthServicer_to_server(health, server)
    address = bind(server, settings.health_listen, setting="RAGENTS_HEALTH_LISTEN", shared=settings.processes > 1)
    await server.start()
    log.info("health for probes is served on %s", address)
    try:
        yield address
    finally:
        await server.stop(None)


def add_services(server: grpc.aio.Server, settings: Settings, parts: Parts, monitor: Monitor) -> None:
    """Those of the contract."""
    caches = parts.caches
    add_QueryServiceServicer_to_server(
        QueryService(parts.engine, parts.retriever, caches.repeats, parts.queueing.batches, settings.max_message),
        server,
    )
    add_DocumentServiceServicer_to_server(
        DocumentService(
            parts.documents,
            parts.collections,
            parts.pipeline,
            max_document=settings.max_document,
            max_uploads=settings.max_uploads,
            max_message=settings.max_message,
            settle=caches.epochs.settle,
        ),
        server,
    )
    add_CacheServiceServicer_to_server(CacheService(caches.figures, caches.clearer), server)
    agency, deadlines = parts.agency, Deadlines(settings.deadline, settings.max_deadline)
    add_AgentServiceServicer_to_server(
        AgentService(agency.roster, agency.turns, agency.conversations, deadlines), server
    )
    add_HealthServiceServicer_to_server(
        HealthService(version("ragents-grpc"), lambda: agency.roster.names, monitor.components), server
    )
