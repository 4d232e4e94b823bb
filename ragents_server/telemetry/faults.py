"""Which ends of a call are the server's fault."""

FAULTS = frozenset({"INTERNAL", "UNKNOWN", "UNAVAILABLE", "DATA_LOSS"})


def is_fault(code: str, *, admitted: bool) -> bool:
    """Whether a call that ended so failed by the server's fault."""
    return code in FAULTS or (code == "DEADLINE_EXCEEDED" and admitted)
