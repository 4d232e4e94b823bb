"""What both clients share: how a call is described on the wire, and how its failure is told."""

from typing import Any, TypedDict

from google.protobuf.message import Message

from ragents_client.calls.call import LOOK_UP, TIMEOUTS, Call, fresh_id
from ragents_client.channel import Endpoint
from ragents_client.contract import method_of, path_of, response_of
from ragents_client.errors import ClientClosed
from ragents_client.status import REQUEST_ID, error_of_call
from ragents_client.tls import File, Files, Tls


class Sending(TypedDict):
    """The arguments of a gRPC call."""

    timeout: float
    metadata: list[tuple[str, str]]
    wait_for_ready: bool


class Session:
    """One caller's talk with one server.

    `address`: any gRPC target; None: RAGENTS_SERVER or 127.0.0.1:50051. `token`: None: RAGENTS_TOKEN. `user`: whom a
    service acts for. `timeout` (seconds) replaces the default of every call. `wait_for_ready`: wait for a server that
    is not there yet, up to the timeout. `tls`: True, a PEM file of root certificates, or gRPC channel credentials.
    `ca`: that file too; `certificate` and `key`: PEM files of the certificate to show (mTLS); each of them means TLS,
    and None what RAGENTS_CA, RAGENTS_CLIENT_CERT and RAGENTS_CLIENT_KEY name, which tls=False leaves aside.
    """

    def __init__(
        self,
        address: str | None = None,
        *,
        token: str | None = None,
        user: str = "",
        priority: str = "",
        tls: Tls = None,
        ca: File | None = None,
        certificate: File | None = None,
        key: File | None = None,
        insecure_token: bool = False,
        timeout: float | None = None,
        wait_for_ready: bool = False,
    ) -> None:
        self._endpoint = Endpoint.of(address, tls, Files(ca, certificate, key), token, insecure_token)
        self._user = user
        self._priority = priority
        self._timeout = timeout
        self._wait_for_ready = wait_for_ready
        self._routes: dict[type[Message], Any] = {}
        self._closed = False

    @property
    def address(self) -> str:
        """Where the server is."""
        return self._endpoint.address

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self.address}{' (closed)' if self._closed else ''}>"

    def _check_open(self) -> None:
        if self._closed:
            raise ClientClosed(f"the client of {self.address} is closed; open a new one")

    def _sending(self, call: Call[Any, Any]) -> Sending:
        name = method_of(type(call.request)).name
        timeout = call.timeout or self._timeout or TIMEOUTS.get(name, LOOK_UP)
        return Sending(timeout=timeout, metadata=self._metadata(), wait_for_ready=self._wait_for_ready)

    def _metadata(self) -> list[tuple[str, str]]:
        """What goes with every call. The token is read here and nowhere else."""
        token = self._endpoint.token
        facts = {
            REQUEST_ID: fresh_id(),
            "authorization": f"Bearer {token}" if token else "",
            "x-ragents-user": self._user,
            "x-ragents-priority": self._priority,
        }
        return [(name, value) for name, value in facts.items() if value]

    def _callable(self, channel: Any, request: type[Message]) -> Any:
        """gRPC's callable for a request; both kinds of channel build it the same way."""
        if request not in self._routes:
            method = method_of(request)
            sides = (method.client_streaming, method.server_streaming)
            arity = "_".join("stream" if side else "unary" for side in sides)
            self._routes[request] = getattr(channel, arity)(
                path_of(method),
                request_serializer=request.SerializeToString,
                response_deserializer=response_of(method).FromString,
            )
        return self._routes[request]

    def _error(self, failed: Any, sending: Sending) -> Exception:
        if self._closed:
            return ClientClosed(f"the client of {self.address} was closed during the call")
        return error_of_call(failed, self.address, sending["timeout"])
