"""What must never reach a caller: the insides of the server, and what belongs to somebody else."""

import re
from collections.abc import Iterable, Sequence

from google.rpc import status_pb2

DETAILS = "grpc-status-details-bin"
INSIDES = re.compile(
    rb"ragents_server|asyncpg|langgraph[./_]|langchain_|google\.protobuf(?!\.FieldOptions)|upb|Traceback|File \"| at 0x"
    rb"|<class |Error\(|Exception|site-packages|/[\w.-]+\.py\b"
    rb"|SELECT [\w.*]|INSERT INTO|DELETE FROM|UPDATE \w+ SET|relation \"|column \"|syntax error|violates|\$1\b"
)
DESCRIBED = re.compile(rb"site-packages|Traceback|File \"| at 0x|/[\w.-]+\.py\b")  # reflection does tell the contract


class Watch:
    """Looks for the server's insides, its folders and the secrets of others in all that it says."""

    def __init__(self, secrets: Sequence[str], folders: Iterable[str] = ()) -> None:
        words = b"|".join(re.escape(one.encode()) for one in (*secrets, *folders))
        self._foreign = re.compile(words)

    def leak(self, said: bytes, *, sent: bytes, describes: bool = False) -> str:
        """What of it must not be said; empty: nothing. What a caller has `sent` itself may come back."""
        for pattern in (DESCRIBED if describes else INSIDES, self._foreign):
            for found in pattern.finditer(said):
                if found[0] not in sent:
                    return said[max(0, found.start() - 60) : found.end() + 60].decode(errors="replace")
        return ""


def told(message: str, trailers: Iterable[tuple[str, str | bytes]]) -> bytes:
    """All that a status says, its details unpacked."""
    parts = [message.encode(errors="replace")]
    for name, value in trailers:
        parts += [name.encode(), value if isinstance(value, bytes) else value.encode(errors="replace")]
    return b"\n".join(parts)


def status_of(trailers: Iterable[tuple[str, str | bytes]]) -> status_pb2.Status | None:
    """The google.rpc.Status of a failure; None where it has none. DecodeError where it is damaged."""
    details = dict(trailers).get(DETAILS)
    return status_pb2.Status.FromString(details) if isinstance(details, bytes) else None
