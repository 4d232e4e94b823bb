"""`scripts/load NAME`: loads a deployment of its own through gRPC, and keeps a page that shows how it went."""

import sys
from collections.abc import Sequence

from scripts.faulting.errors import FaultError
from scripts.loading.errors import LoadError
from scripts.measuring import Script, run

LOADS = {
    "users": "scripts.loading.users",
    "replay": "scripts.loading.replay",
    "burst": "scripts.loading.burst",
    "priorities": "scripts.loading.priorities",
    "claims": "scripts.loading.claims",
}
SCRIPT = Script(
    command="scripts/load",
    sentence="Load a deployment on loopback: Envoy, two replicas, Redis, PostgreSQL, a slow model. The report is a "
    "page in build/load.",
    modules=LOADS,
    longest=1800,
    longest_short=250,
    seed=20,
    failures=(LoadError, FaultError),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status."""
    return run(SCRIPT, arguments)


if __name__ == "__main__":
    sys.exit(main())
