"""The SQL of this package."""

from collections.abc import Mapping

from ragents_server.connections.statements import Connection, Pool, read_statements

__all__ = ["Connection", "Pool", "statements"]


def statements(noun: str) -> Mapping[str, str]:
    """The statements of `sql/<noun>.sql` by name."""
    return read_statements("ragents_server.index", noun)
