"""An hour of a hosted model's real traffic, replayed."""

import sys

from scripts.figures import Figure
from scripts.hpa_simulation.cluster import run
from scripts.hpa_simulation.loads import recorded
from scripts.hpa_simulation.outcome import Asked, Outcome

FILE = "azure_llm_conv_2023.csv"
TIMES = 12.0  # how many calls a recorded one stands for: about ten pods of them

NOTES = {
    "replay": f"Azure's trace of LLM conversations, 2023: 19366 requests in 58 minutes, each counted {TIMES:g} times;"
    " one takes .5 s and 20 ms for each token written. It needs the evaluation data beside the checkout",
}


def measured(asked: Asked) -> Outcome:
    """The figures of both behaviours; none where the trace is not there."""
    path = asked.traffic / FILE
    if not path.is_file():
        print("skipped: the evaluation data is not there, so nothing is replayed", file=sys.stderr)
        return Outcome([])
    load = recorded(path, TIMES, lambda _read, written: 0.5 + 0.02 * written)
    ours, users = run(asked.scaler, load), run(asked.users, load)
    return Outcome(
        [
            Figure.at_most("replay_reversals", ours.reversals, users.reversals),
            Figure("replay_users_reversals", users.reversals),
            Figure.at_most("replay_shed", 100 * ours.shed_share, 100 * users.shed_share, "%"),
            Figure("replay_users_shed", 100 * users.shed_share, "%"),
            Figure("replay_pods", ours.pods, "pods"),
            Figure("replay_users_pods", users.pods, "pods"),
        ],
        {"shipped": ours, "the user's behaviour": users},
        "Recorded traffic",
    )
