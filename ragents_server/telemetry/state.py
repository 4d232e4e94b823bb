"""What is read when somebody asks: plain attributes of the parts, as gauges and counters of the catalogue."""

import asyncio
import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric

from ragents_server.admission.gate import Gate
from ragents_server.agents.turns import Turns
from ragents_server.cache.figures import Figures
from ragents_server.cache.stores import LAYERS
from ragents_server.connections.breaker import State
from ragents_server.connections.postgres import GuardedPool
from ragents_server.connections.redis import Redis
from ragents_server.jobs.queue import Queue, Sizes
from ragents_server.limits.limiter import Limiter
from ragents_server.models.prices import Price
from ragents_server.models.upstream import Upstream
from ragents_server.telemetry.catalogue import BY_NAME
from ragents_server.telemetry.instruments import MOST_VALUES, OTHER
from ragents_server.telemetry.lag import Lag
from ragents_server.telemetry.sockets import open_connections

log = logging.getLogger(__name__)

QUEUE_SECONDS = 1.0  # that the queue's store may take; without its answer the rest is told all the same
OUTCOMES = {"hits": "hit", "misses": "miss"}
COUNTED = {"evictions": "ragents_cache_evictions_total", "errors": "ragents_cache_errors_total"}
COUNTED["bad_hits"] = "ragents_cache_bad_hits_total"

Rows = Sequence[tuple[tuple[str, ...], float]]


def family(name: str, rows: Rows) -> Metric:
    """A family of the catalogue with these labels and numbers."""
    of = BY_NAME[name]
    made: CounterMetricFamily | GaugeMetricFamily
    if of.kind == "counter":
        made = CounterMetricFamily(name.removesuffix("_total"), of.sentence, labels=of.labels)
    else:
        made = GaugeMetricFamily(name, of.sentence, labels=of.labels)
    for labels, number in rows:
        made.add_metric(labels, number)
    return made


@dataclass(frozen=True, slots=True)
class ServerState:
    """The parts that are looked at; `port` is the one that clients connect to."""

    version: str
    port: int
    gate: Gate
    limiter: Limiter
    figures: Figures
    turns: Turns
    pool: GuardedPool
    queue: Queue
    redis: Mapping[str, Redis]  # by what it is for
    upstreams: Sequence[Upstream]
    prices: Mapping[str, Price]
    lag: Lag
    began: float = field(default_factory=time.monotonic)

    async def families(self) -> list[Metric]:
        """All of it, now."""
        rows = dict[str, Rows]()
        for part in (self._server(), self._admission(), self._cache(), self._connections(), self._models()):
            rows.update(part)
        sizes = await self.figures.own_sizes()
        rows["ragents_cache_bytes"] = [((layer,), size.bytes) for layer, size in sizes.items()]
        rows["ragents_cache_entries"] = [((layer,), size.entries) for layer, size in sizes.items()]
        jobs = await self._jobs()
        if jobs is not None:
            rows["ragents_batch_jobs"] = [(("waiting",), jobs.waiting), (("dead",), jobs.dead)]
        return [family(name, values) for name, values in rows.items()]

    def _server(self) -> Iterator[tuple[str, Rows]]:
        yield "ragents_build_info", [((self.version,), 1)]
        yield "ragents_uptime_seconds", [((), time.monotonic() - self.began)]
        yield "ragents_event_loop_lag_seconds", [((), self.lag.longest)]
        yield "ragents_active_threads", [((), self.turns.running)]
        if (clients := open_connections(self.port)) is not None:
            yield "ragents_grpc_connections", [((), clients)]

    def _admission(self) -> Iterator[tuple[str, Rows]]:
        waiting = dict(self.gate.waiting())
        yield "ragents_inflight_requests", [((), self.gate.executing + sum(waiting.values()))]
        yield "ragents_executing_requests", [((), self.gate.executing)]
        yield "ragents_slots", [((), self.gate.slots)]
        yield "ragents_queue_depth", [((priority,), number) for priority, number in waiting.items()]
        yield "ragents_limited_total", [((limit,), number) for limit, number in self.limiter.refused.items()]

    def _cache(self) -> Iterator[tuple[str, Rows]]:
        zeros = dict.fromkeys(product(LAYERS, (*OUTCOMES, *COUNTED)), 0)
        totals = (zeros | dict(self.figures.totals)).items()  # the first of its kind is to be a rise
        looks = [((layer, OUTCOMES[what]), number) for (layer, what), number in totals if what in OUTCOMES]
        yield "ragents_cache_requests_total", looks
        for kind, name in COUNTED.items():
            yield name, [((layer,), number) for (layer, what), number in totals if what == kind]

    def _connections(self) -> Iterator[tuple[str, Rows]]:
        idle, every = self.pool.get_idle_size(), self.pool.get_size()
        yield "ragents_database_connections", [(("used",), every - idle), (("idle",), idle)]
        yield "ragents_database_connections_most", [((), self.pool.get_max_size())]
        yield "ragents_redis_connections", [((role,), redis.connections) for role, redis in self.redis.items()]
        away = {"database": self.pool.away, **{f"redis {role}": redis.away for role, redis in self.redis.items()}}
        away |= {f"model {one.model}": one.breaker.state is not State.CLOSED for one in self.upstreams}
        yield "ragents_breaker_open", [((name,), float(closed)) for name, closed in away.items()]

    def _models(self) -> Iterator[tuple[str, Rows]]:
        tokens = dict[tuple[str, ...], float]()
        for number, one in enumerate(self.upstreams):
            name = one.model if number < MOST_VALUES else OTHER
            for direction, count in (("input", one.read), ("output", one.written)):
                tokens[name, direction] = tokens.get((name, direction), 0) + count
        yield "ragents_model_tokens_total", list(tokens.items())
        priced = [(one, price) for one in self.upstreams if (price := self.prices.get(one.model)) is not None]
        costs = [((one.model,), price.cost(one.read, one.written)) for one, price in priced[:MOST_VALUES]]
        yield "ragents_model_cost_dollars_total", costs

    async def _jobs(self) -> Sizes | None:
        try:
            async with asyncio.timeout(QUEUE_SECONDS):
                return await self.queue.sizes()
        except Exception as error:  # noqa: BLE001 - whatever it is, it is no reason to tell nothing
            log.debug("the queue does not tell how full it is: %s", type(error).__name__)
            return None
