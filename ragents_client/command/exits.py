"""How the command ends: what a script can tell from its exit status."""

from enum import IntEnum


class Exit(IntEnum):
    """The exit statuses, as `ragents --help` lists them."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    REFUSED = 3
    UNREACHABLE = 4
    INTERRUPTED = 130


HELP = (
    "Exit status: 0 answered or done; 1 a call, a document or an expectation failed; 2 wrong usage; 3 the documents do "
    "not answer the question; 4 no server answered; 78 an extra is missing; 130 Ctrl-C."
)

ALSO = (
    "Also: --server, --token-file, --tls, --ca, --cert, --key, --insecure-token, --timeout and --json, as "
    "`ragents --help` tells."
)
