"""The server without breakers and with retries that nobody counts, for the control of the test of failing models."""

from ragents_server import __main__ as server
from ragents_server.connections.breaker import Breaker
from ragents_server.models import upstream


class Trusting(Breaker):
    """Lets every call through."""

    def allow(self) -> bool:
        """Always."""
        return True

    def failed(self) -> None:
        """Whatever."""


class Unbounded(upstream.RetryBudget):
    """Gives whatever is asked for."""

    def spend(self) -> bool:
        """Always."""
        return True


if __name__ == "__main__":
    upstream.Breaker = Trusting  # type: ignore[misc] # the program is to be another
    upstream.RetryBudget = Unbounded  # type: ignore[misc]
    server.main([])
