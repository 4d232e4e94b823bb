"""The server that `ragents doctor` examines, and what a look at it finds."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import grpc

from ragents_client.channel import Endpoint, host_of, is_loopback
from ragents_client.errors import RagentsError
from ragents_client.status import error_of_call
from ragents_client.tls import Files
from ragents_client.v1 import GetHealthResponse

SECONDS = 5.0  # for each look


@dataclass(frozen=True, slots=True)
class Finding:
    """What one look found: `warn` is what works, but not as it should."""

    about: str
    verdict: Literal["ok", "warn", "fail"]
    said: str
    advice: str = ""


Findings = Iterator[Finding]
Metadata = tuple[tuple[str, str | bytes], ...]


@dataclass(slots=True)
class Patient:
    """The server that is examined, and what was learned of it on the way."""

    endpoint: Endpoint
    files: Files
    metadata: Metadata
    channel: grpc.Channel
    timeout: float = SECONDS
    health: GetHealthResponse | None = None

    @property
    def places(self) -> list[tuple[str, int]]:
        """Hosts and ports; none for a unix socket."""
        scheme, _, rest = self.endpoint.address.partition(":")
        if scheme in {"unix", "unix-abstract"}:
            return []
        target = rest.rsplit("/", 1)[-1] if scheme in {"dns", "ipv4", "ipv6"} else self.endpoint.address
        return [(host_of(one), _port(one)) for one in target.split(",")]

    def error(self, failed: Any) -> RagentsError:
        """What a failed call says."""
        return error_of_call(failed, self.endpoint.address, self.timeout)


def _port(endpoint: str) -> int:
    number = endpoint.rpartition(":")[2]
    return int(number) if ":" in endpoint and number.isdigit() else 443


def channel_of(endpoint: Endpoint) -> grpc.Channel:
    """Without the client's own settings: those would not even ask a server that says it does not serve."""
    options = [("grpc.enable_retries", 0), ("grpc.enable_http_proxy", 0 if is_loopback(endpoint.address) else 1)]
    if endpoint.credentials is None:
        return grpc.insecure_channel(endpoint.address, options)
    return grpc.secure_channel(endpoint.address, endpoint.credentials, options)


def milliseconds(began: float) -> str:
    """Since then, on the monotonic clock."""
    return f"{(time.monotonic() - began) * 1000:.1f} ms"
