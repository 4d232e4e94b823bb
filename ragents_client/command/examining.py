"""What `ragents doctor` looks at, one after the other; a way that is closed ends it."""

import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import grpc

from ragents_client.channel import release
from ragents_client.command.patient import Finding, Findings, Patient
from ragents_client.command.ways import encryption, reachability
from ragents_client.contract import all_methods
from ragents_client.errors import PermissionDenied, RateLimited, Unauthenticated
from ragents_client.v1 import (
    COMPONENT_STATE_DEGRADED,
    COMPONENT_STATE_DOWN,
    DocumentServiceStub,
    GetHealthRequest,
    HealthServiceStub,
    ListCollectionsRequest,
)

ROUNDS = 5  # calls whose time is taken
SLOW = 0.25  # seconds of a round trip that are told
DRIFT = 5.0  # seconds that clocks may part
PROBES = ("ragents-liveness", "ragents-startup", "ragents-readiness")
SERVING = {0: "UNKNOWN", 1: "SERVING", 2: "NOT_SERVING", 3: "SERVICE_UNKNOWN"}
UNKNOWN_SERVICE = "this is another server, or an older release"


def probes(patient: Patient) -> Findings:
    """What balancers and the kubelet hear, for each name."""
    services = {method.containing_service.full_name for method in all_methods()}
    states: dict[str, str] = {}
    for name in (*PROBES, *sorted(services)):
        try:
            states[name] = SERVING.get(_probe(patient, name), "UNKNOWN")
        except grpc.RpcError as failed:
            if failed.code() is not grpc.StatusCode.NOT_FOUND:
                error = patient.error(failed)
                advice = error.advice or "Is this a gRPC server, and does a proxy on the way speak HTTP/2?"
                yield Finding("health", "fail", error.message, advice)
                return
            states[name] = "SERVICE_UNKNOWN"
    for name in (name for name, state in states.items() if state == "SERVICE_UNKNOWN"):
        yield Finding("health", "fail", f"{name} is not known there", f"Ask another port: {UNKNOWN_SERVICE}.")
    if idle := [name for name, state in states.items() if state in {"NOT_SERVING", "UNKNOWN"}]:
        advice = "Its database is away, or it starts or drains: look at its log, and at `ragents health`."
        yield Finding("health", "fail", f"NOT_SERVING: {', '.join(idle)}", advice)
    elif len(set(states.values())) == 1:
        yield Finding("health", "ok", f"SERVING, by all {len(states)} names")


def _probe(patient: Patient, name: str) -> int:
    """Asks grpc.health.v1.Health/Check, whose request and reply have one field each: no package is needed."""
    asked = b"\x0a" + bytes([len(name)]) + name.encode()
    check: Any = patient.channel.unary_unary("/grpc.health.v1.Health/Check")
    reply = bytes(check(asked, timeout=patient.timeout, metadata=patient.metadata))
    return reply[1] if reply[:1] == b"\x08" and len(reply) > 1 else 0


def credentials(patient: Patient) -> Findings:
    """Who the server takes us for, and what it tells of itself."""
    stub = HealthServiceStub(patient.channel)
    try:
        patient.health = stub.GetHealth(GetHealthRequest(), timeout=patient.timeout, metadata=patient.metadata)
    except grpc.RpcError as failed:
        error = patient.error(failed)
        if isinstance(error, Unauthenticated):
            advice = "Set RAGENTS_TOKEN or --token-file; `ragents-server keys create` makes a key."
            yield Finding("credentials", "fail", error.message, advice)
        elif isinstance(error, PermissionDenied):
            yield Finding("credentials", "warn", error.message, "Give the key the scope `ask`.")
        else:
            yield Finding("credentials", "fail", error.message, error.advice)
        return
    shown = "a token" if patient.endpoint.token else "no token"
    yield Finding("credentials", "ok", f"{shown} is good for asking")


def versions(patient: Patient) -> Findings:
    """Whether client and server fit together."""
    if patient.health is None:
        return
    ours, theirs = release(), patient.health.version
    if ours.split(".")[:2] == theirs.split(".")[:2]:
        yield Finding("versions", "ok", f"client {ours}, server {theirs}")
    else:
        advice = "Both work by the same contract, but bring them to one release."
        yield Finding("versions", "warn", f"client {ours}, server {theirs}", advice)


def components(patient: Patient) -> Findings:
    """The server's own parts."""
    if patient.health is None:
        return
    troubled = 0
    for one in patient.health.components:
        if one.state in {COMPONENT_STATE_DOWN, COMPONENT_STATE_DEGRADED}:
            troubled += 1
            down = one.state == COMPONENT_STATE_DOWN
            advice = "docs/operating.md tells under Health what goes on without it."
            yield Finding("parts", "fail" if down else "warn", f"{one.name}: {one.detail}", advice)
    if not troubled:
        yield Finding("parts", "ok", f"{len(patient.health.components)} parts, none in trouble")


def clock(patient: Patient) -> Findings:
    """How far the clocks are apart, and how long a call takes."""
    stub = HealthServiceStub(patient.channel)
    if patient.health is None:
        return
    took, drifts = list[float](), list[float]()
    for _ in range(ROUNDS):
        began, sent = time.monotonic(), time.time()
        try:
            reply = stub.GetHealth(GetHealthRequest(), timeout=patient.timeout, metadata=patient.metadata)
        except grpc.RpcError:
            return
        took.append(time.monotonic() - began)
        if reply.HasField("time"):
            drifts.append(reply.time.ToMilliseconds() / 1000 - sent - took[-1] / 2)
    median = statistics.median(took)
    slow = Finding("round trip", "warn", f"{median * 1000:.0f} ms", "Ask from nearer, or look what is slow on the way.")
    yield slow if median > SLOW else Finding("round trip", "ok", f"{median * 1000:.1f} ms")
    if not drifts:
        return
    drift = statistics.median(drifts)
    if abs(drift) <= DRIFT:
        yield Finding("clock", "ok", f"the server's is {drift * 1000:+.0f} ms from here")
        return
    here = datetime.now(UTC).strftime("%H:%M:%S")
    advice = "Set both by NTP: tokens seem expired, or are not valid yet, where clocks part."
    yield Finding("clock", "warn", f"the server's is {drift:+.0f} s from here, where it is {here} UTC", advice)


def limits(patient: Patient) -> Findings:
    """What is left of the caller's requests."""
    call = DocumentServiceStub(patient.channel).ListCollections.with_call
    request: Any = ListCollectionsRequest(page_size=1)
    try:
        _, answered = call(request, timeout=patient.timeout, metadata=patient.metadata)
    except grpc.RpcError as failed:
        error = patient.error(failed)
        if isinstance(error, RateLimited):
            yield Finding("limits", "warn", str(error), "Ask less often, or ask for a larger quota.")
        elif not isinstance(error, Unauthenticated | PermissionDenied):
            yield Finding("limits", "fail", error.message, error.advice)
        return
    told = {name: str(value) for name, value in answered.trailing_metadata() or ()}
    if "x-ratelimit-limit" not in told:
        yield Finding("limits", "ok", "none")
        return
    left, most = told.get("x-ratelimit-remaining", "?"), told["x-ratelimit-limit"]
    yield Finding("limits", "ok", f"{left} of {most} requests are left")


LOOKS: tuple[Callable[[Patient], Findings], ...] = (
    reachability,
    encryption,
    probes,
    credentials,
    versions,
    components,
    clock,
    limits,
)


def examine(patient: Patient) -> Findings:
    """All of it; what comes after a way that is closed would only say the same again."""
    for look in LOOKS:
        failed = False
        for finding in look(patient):
            failed = failed or finding.verdict == "fail"
            yield finding
        if failed and look in {reachability, encryption}:
            return
