"""An hour of a hosted model's real traffic, replayed."""

import sys

from scripts.figures import Figure
from scripts.hpa_simulation.cluster import World, run
from scripts.hpa_simulation.loads import recorded
from scripts.hpa_simulation.outcome import Asked, Outcome, mean

FILE = "azure_llm_conv_2023.csv"
TIMES = 10.0  # how many calls a recorded one stands for: so that ten pods have their target on the mean
PHASES = 6  # of the clocks, of all that are asked for

NOTES = {
    "replay": f"Azure's trace of LLM conversations, 2023: 19366 requests in 58 minutes, each counted {TIMES:g} times;"
    " one takes .5 s and 20 ms for each token written; means over phases of the clocks. It needs the evaluation data"
    " beside the checkout",
}


def measured(asked: Asked) -> Outcome:
    """The figures of both behaviours; none where the trace is not there."""
    path = asked.traffic / FILE
    if not path.is_file():
        print("skipped: the evaluation data is not there, so nothing is replayed", file=sys.stderr)
        return Outcome([])
    load = recorded(path, TIMES, lambda _read, written: 0.5 + 0.02 * written)
    phases = asked.phases[:: max(1, len(asked.phases) // PHASES)]
    ours, users = (
        [run(one, load, World().at_phase(*phase)) for phase in phases] for one in (asked.scaler, asked.users)
    )
    turned, users_turned = (mean([one.reversals for one in courses]) for courses in (ours, users))
    shed, users_shed = (100 * mean([one.shed_share for one in courses]) for courses in (ours, users))
    return Outcome(
        [
            Figure.at_most("replay_reversals", turned, users_turned, "an hour"),
            Figure("replay_users_reversals", users_turned, "an hour"),
            Figure.at_most("replay_shed", shed, users_shed, "%"),
            Figure("replay_users_shed", users_shed, "%"),
            Figure("replay_pods", mean([one.pods for one in ours]), "pods"),
            Figure("replay_users_pods", mean([one.pods for one in users]), "pods"),
        ],
        {"shipped": ours[0], "the user's behaviour": users[0]},
        "Recorded traffic",
    )
