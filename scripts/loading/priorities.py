"""More than the replicas can do, of three priorities: the urgent are served as if there were nobody else."""

from scripts.figures import Figure
from scripts.loading import page
from scripts.loading.figuring import answered, failed, quantile, shed
from scripts.loading.k6 import Callers
from scripts.loading.loads import load
from scripts.loading.streams import distinct
from scripts.loading.topology import KEY, LINE, REPLICAS, SLOTS, loaded

RATES = {"HIGH": 10, "NORMAL": 15, "LOW": 15}  # calls a second
DELAY, SPREAD = 2.0, 0.2  # of the model
CAPACITY = REPLICAS * SLOTS / DELAY
SECONDS, SHORT = 60, 15
LONGEST = 2.0 * DELAY  # seconds, of a call with priority HIGH
VUS = 200
ABOUT = (
    f"{' and '.join(f'{rate} {name}' for name, rate in RATES.items())} calls a second, where {REPLICAS} replicas with "
    f"{SLOTS} slots and a line of {LINE} each do {CAPACITY:g}; each question is new, the model takes {DELAY:g} s"
)
NOTES = {"priorities": ABOUT}


async def measured(*, short: bool, seed: int) -> list[Figure]:
    """A minute of it; `short`: a quarter. Nothing is drawn at random."""
    del seed
    seconds = SHORT if short else SECONDS
    callers = {
        name.lower(): Callers(
            {
                "executor": "constant-arrival-rate",
                "rate": rate,
                "timeUnit": "1s",
                "duration": f"{seconds}s",
                "preAllocatedVUs": VUS,
                "gracefulStop": "60s",
            },
            KEY.token,
            priority=name,
            cache="CACHE_MODE_NONE",
        )
        for name, rate in RATES.items()
    }
    async with loaded(delay=DELAY, spread=SPREAD) as topology:
        stream = distinct(seconds * max(RATES.values()) + VUS)
        part = await load(topology, "priorities", callers, stream, title="three priorities")
    by = {name: [call for call in part.calls if call.priority == name] for name in RATES}
    figures = [
        Figure("priorities_calls", len(part.calls), "calls"),
        Figure.at_most("priorities_failed", failed(part.calls).total(), 0, "calls"),
        Figure.at_most("high_shed", shed(by["HIGH"]), 0),
        Figure("normal_shed", shed(by["NORMAL"])),
        Figure.at_least("low_shed", shed(by["LOW"]), shed(by["NORMAL"])),
        Figure.at_most("high_p95", quantile([call.seconds for call in answered(by["HIGH"])], 0.95), LONGEST, "s"),
        Figure("normal_p95", quantile([call.seconds for call in answered(by["NORMAL"])], 0.95), "s"),
        Figure("low_p95", quantile([call.seconds for call in answered(by["LOW"])], 0.95), "s"),
    ]
    page.write("priorities", ABOUT, figures, [part])
    return figures
