"""`scripts/faults NAME`: breaks something under load, bounded in time, and says whether the promises hold."""

import sys
from collections.abc import Sequence

from scripts.faulting.errors import FaultError
from scripts.measuring import Script, run

FAULTS = {
    "stale": "scripts.faulting.stale",
    "single-flight": "scripts.faulting.single_flight",
    "redis-away": "scripts.faulting.redis_away",
    "agents": "scripts.faulting.agents",
    "limits": "scripts.faulting.limits",
    "model": "scripts.faulting.model_away",
    "admission": "scripts.faulting.admission",
    "rollout": "scripts.faulting.rollout",
    "hostile": "scripts.faulting.hostile",
    "envoy": "scripts.faulting.envoy",
    "drill": "scripts.faulting.drill",
}
SCRIPT = Script(
    command="scripts/faults",
    sentence="Break replicas, Redis and the model under load; count what callers see.",
    modules=FAULTS,
    longest=1800,
    longest_short=200,
    seed=1,
    about_short="fewer operations, the same promises; times have no target on a busy machine",
    short_has_targets=True,
    failures=(FaultError,),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status."""
    return run(SCRIPT, arguments)


if __name__ == "__main__":
    sys.exit(main())
