"""Any exception as one of the contract's; of a bug the caller learns an incident's id, and the log has the rest."""

import logging
import secrets

from ragents_server.connections.postgres import is_unavailable
from ragents_server.errors import InternalError, RagentsError, StateUnavailable

# What is told of callers that leave just when they are answered, and while a transaction begins, which is rolled back.
LEFT = {
    "grpc._cython.cygrpc": "ExecuteBatchError raised in core",
    "asyncio": "Resetting connection with an active transaction",
}

log = logging.getLogger(__name__)


def quiet_leaving() -> None:
    """Callers that leave are no error, and must not fill the log with tracebacks."""
    for name in LEFT:
        logging.getLogger(name).addFilter(_is_error)


def _is_error(record: logging.LogRecord) -> bool:
    return not record.getMessage().startswith(LEFT[record.name])


def known(error: Exception, where: str) -> RagentsError:
    """`error` itself when it is of the contract, else what stands for it; `where` is for the log."""
    if isinstance(error, RagentsError):
        return error
    if is_unavailable(error):
        log.warning("state store unavailable in %s: %s", where, type(error).__name__)
        return StateUnavailable("the database is away, or whether it has the change is unknown")
    incident = secrets.token_hex(8)
    log.error("incident %s in %s", incident, where, exc_info=error)
    return InternalError(f"internal error, incident {incident}")
