"""The context of a call, as the services' signatures name it, and the time that is left of it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import grpc

if TYPE_CHECKING:  # generic in its stub only: at run time the class takes no parameters
    Context: TypeAlias = grpc.aio.ServicerContext[Any, Any]
else:
    Context = grpc.aio.ServicerContext


@dataclass(frozen=True, slots=True)
class Deadlines:
    """What the server gives a call without a deadline, and any call at most; in seconds."""

    usual: float
    longest: float

    def left(self, context: Context) -> float:
        """Seconds until the call is ended."""
        remaining: float | None = context.time_remaining()  # None without a deadline, whatever its type says
        return min(self.usual if remaining is None else remaining, self.longest)
