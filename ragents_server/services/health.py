"""HealthService: gRPC in, gRPC out."""

import time
from collections.abc import Callable, Sequence

from ragents_client.v1.health_pb2 import Component
from ragents_client.v1.health_service_pb2 import GetHealthRequest, GetHealthResponse
from ragents_client.v1.health_service_pb2_grpc import HealthServiceServicer
from ragents_server.services.context import Context


class HealthService(HealthServiceServicer):
    """Tells how the server is; it waits for nothing, whatever is away."""

    def __init__(
        self, version: str, agents: Callable[[], Sequence[str]], components: Callable[[], Sequence[Component]]
    ) -> None:
        self._version = version
        self._agents = agents
        self._components = components
        self._began = time.monotonic()

    async def GetHealth(self, request: GetHealthRequest, context: Context) -> GetHealthResponse:
        """The rows as they were seen last."""
        response = GetHealthResponse(version=self._version, agents=self._agents(), components=self._components())
        response.time.GetCurrentTime()
        response.uptime.FromMilliseconds(int((time.monotonic() - self._began) * 1000))
        return response
