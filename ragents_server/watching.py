"""Which parts of a server are looked at, and what it means when one is away."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from ragents_client.v1.health_pb2 import (
    COMPONENT_STATE_DEGRADED,
    COMPONENT_STATE_DOWN,
    COMPONENT_STATE_OFF,
    COMPONENT_STATE_UP,
)
from ragents_server.connections.postgres import open_connection
from ragents_server.connections.redis import Redis
from ragents_server.health.looks import Database, Look, Part, SharedRedis, Told, always, models
from ragents_server.health.monitor import PATIENCE, Monitor
from ragents_server.settings import Settings
from ragents_server.wiring import Parts

if TYPE_CHECKING:
    from ragents_server.telemetry.opik import Opik

DATABASE = "database"  # the one that the server cannot serve without
WITHOUT_CHAT = "not set: answers are sentences of the documents"


def monitor_of(settings: Settings, parts: Parts, opik: "Opik | None") -> Monitor:
    """Looks at all of them, once it is let to."""
    database = Database(
        lambda: open_connection(parts.url, command_timeout=PATIENCE), embedded=settings.database is None
    )
    embeddings = [one for one in parts.upstreams if one not in parts.chat]
    local = always(COMPONENT_STATE_UP, f"{settings.embeddings}, in this process")
    shared = parts.caches.shared
    looked_at: list[Part] = [
        database,
        Told("embeddings", models(embeddings, "") if embeddings else local),
        Told("chat_model", models(parts.chat, WITHOUT_CHAT)),
        _redis("cache", None if shared is None else shared.redis, "each server has the cache of its own memory alone"),
        _redis("limits", parts.limits.redis, "each server gives out its share"),
        _state("checkpoints", parts.agency.redis, database, "turns of agents are UNAVAILABLE"),
        _state("queue", parts.queueing.redis, database, "batches are UNAVAILABLE"),
        Told("tracing", _tracing(opik)),
    ]
    return Monitor(looked_at)


def _redis(name: str, redis: Redis | None, meanwhile: str) -> Part:
    """What goes on without the others when the Redis is away."""
    if redis is None:
        return Told(name, always(COMPONENT_STATE_UP, "in this process"))
    return SharedRedis(name, redis, without=COMPONENT_STATE_DEGRADED, meanwhile=meanwhile)


def _state(name: str, redis: Redis | None, database: Database, meanwhile: str) -> Part:
    """What cannot go on without its store, which is the database where no Redis is set."""
    if redis is not None:
        return SharedRedis(name, redis, without=COMPONENT_STATE_DOWN, meanwhile=meanwhile)
    return Told(name, lambda: Look(database.state, "in the database"))


def _tracing(opik: "Opik | None") -> Callable[[], Look]:
    if opik is None:
        return always(COMPONENT_STATE_OFF, "not set")

    def tell() -> Look:
        if opik.failing:
            return Look(
                COMPONENT_STATE_DEGRADED, "Opik does not take traces: they wait, and are dropped when too many do"
            )
        return Look(COMPONENT_STATE_UP, "Opik")

    return tell
