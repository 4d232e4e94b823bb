"""Where the server is and how to speak to it: address, credentials, retries, balancing, limits."""

import ipaddress
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version

import grpc
from google.protobuf.descriptor import MethodDescriptor

from ragents_client.contract import all_methods, may_repeat
from ragents_client.tls import Files, Tls, credentials_of

DEFAULT_ADDRESS = "127.0.0.1:50051"
MAX_MESSAGE = 64 * 1024 * 1024  # a batch of 100 answers with their passages; gRPC's own 4 MB is too little
KEEPALIVE_MS = 60_000  # only while calls are under way; our server allows 10 s


def release() -> str:
    """The installed release of this distribution."""
    try:
        return version("ragents-grpc")
    except PackageNotFoundError:
        return "unknown"


def service_config(rpcs: Iterable[MethodDescriptor]) -> str:
    """gRPC's own settings: what is sent again where that does nothing twice; only healthy servers are asked.

    A refusal for want of room is sent again as well, when the server says: it names a wait only where that fits in the
    call's deadline, and else tells gRPC to leave it.
    """
    repeatable = [{"service": rpc.containing_service.full_name, "method": rpc.name} for rpc in rpcs if may_repeat(rpc)]
    retry = {
        "maxAttempts": 3,
        "initialBackoff": "0.1s",
        "maxBackoff": "2s",
        "backoffMultiplier": 3,
        "retryableStatusCodes": ["UNAVAILABLE", "RESOURCE_EXHAUSTED"],
    }
    return json.dumps(
        {
            "loadBalancingConfig": [{"round_robin": {}}],
            "healthCheckConfig": {"serviceName": ""},
            "retryThrottling": {"maxTokens": 20, "tokenRatio": 0.2},
            "methodConfig": [{"name": repeatable, "retryPolicy": retry}] if repeatable else [],
        }
    )


def hosts_of(address: str) -> list[str]:
    """The hosts that a gRPC target names; none for a unix socket."""
    scheme, _, rest = address.partition(":")
    if scheme in {"unix", "unix-abstract"}:
        return []
    if scheme in {"dns", "ipv4", "ipv6"}:
        address = rest.rsplit("/", 1)[-1]
    return [host_of(one) for one in address.split(",")]


def host_of(endpoint: str) -> str:
    """The host of `host`, `host:port` or `[host]:port`."""
    if endpoint.startswith("["):
        return endpoint[1:].partition("]")[0]
    return endpoint if endpoint.count(":") > 1 else endpoint.partition(":")[0]


def is_loopback(address: str) -> bool:
    """Whether nothing sent to the address leaves this machine."""
    return all(host == "localhost" or is_loopback_ip(host) for host in hosts_of(address))


def is_loopback_ip(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A server's address with all that a channel to it needs. The credentials are never shown."""

    address: str
    credentials: grpc.ChannelCredentials | None = field(default=None, repr=False)
    token: str = field(default="", repr=False)

    @classmethod
    def of(cls, address: str | None, tls: Tls, files: Files, token: str | None, insecure_token: bool) -> "Endpoint":
        """Takes what is not given from RAGENTS_SERVER and RAGENTS_TOKEN; refuses to send a token in the clear."""
        address = address or os.environ.get("RAGENTS_SERVER") or DEFAULT_ADDRESS
        token = (os.environ.get("RAGENTS_TOKEN", "") if token is None else token).strip()
        credentials = credentials_of(tls, files)
        if token and credentials is None and not insecure_token and not is_loopback(address):
            raise ValueError(
                f"a token would travel unencrypted to {address}: use tls=True, or insecure_token=True where the "
                "network itself is encrypted"
            )
        return cls(address, credentials, token)

    def options(self) -> list[tuple[str, str | int]]:
        """The channel's arguments."""
        return [
            ("grpc.service_config", service_config(all_methods())),
            ("grpc.primary_user_agent", f"ragents-client/{release()}"),
            ("grpc.max_receive_message_length", MAX_MESSAGE),
            ("grpc.max_send_message_length", MAX_MESSAGE),
            ("grpc.keepalive_time_ms", KEEPALIVE_MS),
            ("grpc.keepalive_timeout_ms", 20_000),
            ("grpc.initial_reconnect_backoff_ms", 200),  # a refused connection is tried again within the retries' time
            # A proxy from the environment cannot reach this machine's own loopback.
            ("grpc.enable_http_proxy", 0 if is_loopback(self.address) else 1),
        ]

    def open(self) -> grpc.Channel:
        """A blocking channel."""
        if self.credentials is None:
            return grpc.insecure_channel(self.address, self.options())
        return grpc.secure_channel(self.address, self.credentials, self.options())

    def open_async(self) -> grpc.aio.Channel:
        """A channel of the running event loop."""
        if self.credentials is None:
            return grpc.aio.insecure_channel(self.address, self.options())
        return grpc.aio.secure_channel(self.address, self.credentials, self.options())
