"""The server without the drain: SIGTERM ends it as `stop(grace)` does, and no probe hears of it before."""

from ragents_server import __main__ as server
from ragents_server.agents.turns import Turns
from ragents_server.server import Server


async def _stop(self: Server, lame_duck: float, grace: float, turns: Turns) -> None:
    """Closes the listener at once; what is under way may end."""
    del lame_duck, turns
    await self.grpc.stop(grace)


if __name__ == "__main__":
    Server.drain = _stop  # type: ignore[method-assign] # the program is to be another
    server.main([])
