"""What `ragents top` shows: the servers' figures of the last seconds, as numbers and as tables."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ragents_client.command.caching import duration
from ragents_client.command.health import STYLES, state_of
from ragents_client.command.readings import Labels, Replica, highest, numbers, quantiles, rates
from ragents_client.command.screen import clean
from ragents_client.v1 import COMPONENT_STATE_OFF, COMPONENT_STATE_UP, GetHealthResponse

SHARES = (0.5, 0.95, 0.99)
PRIORITIES = ("CRITICAL", "HIGH", "NORMAL", "LOW")
FAULTS = "ragents_errors_total"


@dataclass(frozen=True, slots=True)
class Overview:
    """All of it. Rates are in a second; times in seconds, None where nothing was timed."""

    calls: float
    methods: dict[str, float]
    statuses: dict[str, float]
    failures: float
    latency: list[float | None]  # at SHARES, of calls that are one question and one answer
    hits: dict[str, float | None]  # share of look-ups by layer
    queue: dict[str, float]
    wait: float | None  # 95 %
    inflight: float
    executing: float
    slots: float
    shed: float
    limited: float
    breakers: list[str]  # dependencies that are left alone
    tokens: float
    threads: float
    replicas: list[dict[str, Any]] = field(default_factory=list)


def overview(replicas: Sequence[Replica]) -> Overview:
    """Of all replicas together."""
    methods = _first(rates(replicas, "grpc_server_started_total", "grpc_service", "grpc_method"))
    buckets = rates(replicas, "grpc_server_handling_seconds_bucket", "le", "grpc_method", grpc_type="unary")
    unary = _by_bound({key: count for key, count in buckets.items() if key[1] not in {"Run", "BatchQuery"}})
    looked = rates(replicas, "ragents_cache_requests_total", "layer")
    hits = rates(replicas, "ragents_cache_requests_total", "layer", outcome="hit")
    waits = _by_bound(rates(replicas, "ragents_queue_wait_seconds_bucket", "le"))
    depth = numbers(replicas, "ragents_queue_depth", "priority")
    broken = highest(replicas, "ragents_breaker_open", "dependency")
    return Overview(
        calls=sum(methods.values()),
        methods=methods,
        statuses={code: rate for (code,), rate in rates(replicas, "grpc_server_handled_total", "grpc_code").items()},
        failures=_sum(rates(replicas, FAULTS)),
        latency=quantiles(unary, SHARES),
        hits={layer: hits.get((layer,), 0.0) / rate if rate else None for (layer,), rate in looked.items()},
        queue={one: depth.get((one,), 0.0) for one in PRIORITIES},
        wait=quantiles(waits, [0.95])[0],
        inflight=_sum(numbers(replicas, "ragents_inflight_requests")),
        executing=_sum(numbers(replicas, "ragents_executing_requests")),
        slots=_sum(numbers(replicas, "ragents_slots")),
        shed=_sum(rates(replicas, "ragents_shed_total")),
        limited=_sum(rates(replicas, "ragents_limited_total")),
        breakers=[name for (name,), number in broken.items() if number],
        tokens=_sum(rates(replicas, "ragents_model_tokens_total")),
        threads=_sum(numbers(replicas, "ragents_active_threads")),
        replicas=[_replica(one) for one in replicas],
    )


def _replica(replica: Replica) -> dict[str, Any]:
    one = [replica]
    if replica.after is None:
        return {"address": replica.address, "answers": False}
    version = next((key[0] for key in numbers(one, "ragents_build_info", "version")), "")
    return {
        "address": replica.address,
        "answers": True,
        "version": version,
        "uptime": _sum(numbers(one, "ragents_uptime_seconds")),
        "calls": _sum(rates(one, "grpc_server_started_total")),
        "inflight": _sum(numbers(one, "ragents_inflight_requests")),
        "cores": _sum(rates(one, "process_cpu_seconds_total")),
        "bytes": _sum(numbers(one, "process_resident_memory_bytes")),
        "lag": _sum(highest(one, "ragents_event_loop_lag_seconds")),
    }


def screen(seen: Overview, health: GetHealthResponse | None, seconds: float) -> RenderableType:
    """All of it for people."""
    shown: list[RenderableType] = [_calls(seen, seconds), Text(), _room(seen), Text(), _replicas(seen)]
    if health is not None:
        troubled = [one for one in health.components if one.state not in {COMPONENT_STATE_UP, COMPONENT_STATE_OFF}]
        for one in troubled:
            state = state_of(one)
            shown.append(Text(clean(f"{one.name} is {state}: {one.detail}"), style=STYLES.get(state, "")))
    shown += [Text(clean(f"{name} fails and is left alone"), style="red") for name in seen.breakers]
    return Group(*shown)


def _calls(seen: Overview, seconds: float) -> RenderableType:
    median, most, nearly_all = map(time_of, seen.latency)
    head = Text.assemble(
        (f"{seen.calls:.1f} calls/s", "bold"),
        f" over {seconds:.3g} s   p50 {median}  p95 {most}  p99 {nearly_all}   ",
        (f"{seen.failures:.2f} failures/s", "red" if seen.failures else ""),
        f"   refused by limits {seen.limited:.2f}/s, sent away {seen.shed:.2f}/s   tokens {seen.tokens:.0f}/s",
    )
    table = Table("method", box=None, pad_edge=False)
    table.add_column("calls/s", justify="right")
    busy = sorted(((rate, name) for name, rate in seen.methods.items() if rate), reverse=True)
    for rate, name in busy[:8]:
        table.add_row(clean(name), f"{rate:.1f}")
    return Group(head, Text(), table) if busy else head


def _room(seen: Overview) -> RenderableType:
    table = Table(box=None, pad_edge=False, show_header=False)
    waiting = "  ".join(f"{name} {number:.0f}" for name, number in seen.queue.items())
    table.add_row("in flight", f"{seen.inflight:.0f} of {seen.slots:.0f} slots, {seen.executing:.0f} at work")
    table.add_row("line", f"{waiting}   p95 wait {time_of(seen.wait)}")
    hits = "  ".join(f"{layer} {'–' if hit is None else f'{hit:.0%}'}" for layer, hit in sorted(seen.hits.items()))
    table.add_row("cache hits", hits or "–")
    table.add_row("agents", f"{seen.threads:.0f} threads at work")
    return table


def _replicas(seen: Overview) -> Table:
    table = Table("replica", "release", box=None, pad_edge=False)
    for heading in ("up", "calls/s", "in flight", "cores", "memory", "loop late"):
        table.add_column(heading, justify="right")
    for one in seen.replicas:
        if not one["answers"]:
            table.add_row(clean(one["address"]), Text("does not answer", style="red"))
            continue
        amounts = (f"{one['calls']:.1f}", f"{one['inflight']:.0f}", f"{one['cores']:.2f}")
        memory, lag = f"{one['bytes'] / 2**20:.0f} MiB", time_of(one["lag"])
        table.add_row(clean(one["address"]), clean(one["version"]), duration(one["uptime"]), *amounts, memory, lag)
    return table


def time_of(seconds: float | None) -> str:
    """A time as people read it."""
    if seconds is None:
        return "–"
    return f"{seconds * 1000:.3g} ms" if seconds < 1 else f"{seconds:.3g} s"


def _first(rates_by_method: dict[Labels, float]) -> dict[str, float]:
    """Of the contract's own methods: probes and the like are no calls of users."""
    return {method: rate for (service, method), rate in rates_by_method.items() if service.startswith("ragents.")}


def _by_bound(buckets: dict[Labels, float]) -> dict[Labels, float]:
    sums = dict[Labels, float]()
    for (bound, *_), count in buckets.items():
        sums[(bound,)] = sums.get((bound,), 0.0) + count
    return sums


def _sum(found: dict[Labels, float]) -> float:
    return sum(found.values())
