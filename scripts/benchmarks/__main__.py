"""`scripts/bench NAME`: runs a bench, bounded in time, and says whether its targets hold."""

import sys
from collections.abc import Sequence

from scripts.benchmarks.errors import BenchError
from scripts.measuring import Script, run

BENCHES = {
    "main": "scripts.benchmarks.main",
    "cache": "scripts.benchmarks.cache",
    "agents": "scripts.benchmarks.agents",
    "limits": "scripts.benchmarks.limits",
    "tracing": "scripts.benchmarks.tracing",
}
SCRIPT = Script(
    command="scripts/bench",
    sentence="Measure speed on loopback.",
    modules=BENCHES,
    longest=3600,
    longest_short=250,
    failures=(BenchError,),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status."""
    return run(SCRIPT, arguments)


if __name__ == "__main__":
    sys.exit(main())
