"""Calls that are cancelled by the thousand, among others that are not: nothing is mixed up or stays behind."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from scripts.evaluation.server import open_folder
from scripts.faulting.deployment import deployed, say
from scripts.faulting.inside import BOUND, Held, Inside, over
from scripts.faulting.leaving import AT_ONCE, Came, Leaving
from scripts.faulting.planting import Tenant, plant
from scripts.figures import Figure

PROGRAM = "scripts.faulting.counted"
DELAY = 0.02  # seconds that the model takes
WARM = 400  # calls that nobody cancels, so that every pool is as large as it gets
MOST_GROWTH = 150  # MB
LEAST_INSIDE = 0.05  # share of the cancelled calls that the server had begun
CONTROL = 600
# A look itself is a call or two; connections to the model and to the database, and their files, come and go.
SPARE: Mapping[str, int] = {"tasks": 4, "fds": 16}
SHOWN = 5  # findings told in words
EACH = {"concurrency": 1_000, "tenant_concurrency": 2_000}  # so that there are leases

NOTES = {
    "cancelled": f"calls of two tenants that had not ended when they were cancelled, after 0 to 30 ms or their first "
    f"event; {AT_ONCE} at once. _inside: those that the server was working for then",
    "stayed": "calls that went on among them; foreign: replies with a word of the other tenant, also before a cancel; "
    "wrong: without the tenant's own; failed: that ended with a failure",
    "left": f"what the server holds more than before, {BOUND:g} s at most after the last call: tasks, calls, slots, "
    f"those who wait for one, leases of limits, connections of the pool, open files; {dict(SPARE)} may come and go",
    "control_leaking": "the same where each cancelled call leaves a task and a slot behind",
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """One server's: what came of the calls, and what it held before and after."""

    came: Came
    before: Held
    after: Held
    seconds: float  # until it had settled

    @property
    def inside(self) -> int:
        """Calls that were cancelled while they were served."""
        return self.after.left - self.before.left

    @property
    def left(self) -> dict[str, int]:
        """What stayed behind."""
        return over(self.after, self.before, SPARE)


async def abandoned(tenants: Sequence[Tenant], calls: int, seed: int, *, short: bool) -> list[Figure]:
    """The figures of the server as it is, and of the control."""
    found = await _outcome(tenants, calls, seed, short=short)
    control = await _outcome(tenants, CONTROL, seed, short=short, leaking=True)
    came, cancelled = found.came, found.came.cancelled.total()
    for finding in [*came.foreign, *came.wrong, *came.failed][:SHOWN]:
        say(f"  {finding[:600]}")
    if any(found.left.values()):
        say(f"  left behind: {found.left}, tasks {dict(found.after.names)}, before {dict(found.before.names)}")
    return [
        Figure.at_least("cancelled", cancelled, 0.5 * calls, "calls"),
        Figure.at_least("cancelled_inside", found.inside, LEAST_INSIDE * cancelled, "calls"),
        *(Figure(f"cancelled_{kind}", number, "calls") for kind, number in sorted(came.cancelled.items())),
        Figure("ended_before", came.ended, "calls"),
        Figure.at_least("stayed", came.stayed, 0.02 * calls, "calls"),
        Figure("looked_at", came.told, "replies"),
        Figure.at_most("foreign", len(came.foreign), 0, "replies"),
        Figure.at_most("wrong", len(came.wrong), 0, "replies"),
        Figure.at_most("failed", len(came.failed), 0, "calls"),
        *(Figure.at_most(f"{name}_left", number, 0) for name, number in found.left.items()),
        Figure.at_most("settled_after", found.seconds, BOUND, "s"),
        Figure.at_most("cancelled_rss_growth", found.after.rss - found.before.rss, MOST_GROWTH, "MB"),
        Figure.at_least("control_leaking_tasks_left", control.left["tasks"], 1),
        Figure.at_least("control_leaking_slots_left", control.left["slots"], 1),
    ]


async def _outcome(tenants: Sequence[Tenant], calls: int, seed: int, *, short: bool, leaking: bool = False) -> Outcome:
    with open_folder() as folder:
        path = folder / "counts"
        program = (PROGRAM, str(path), *(["leaking"] if leaking else []))
        keys = [tenant.key for tenant in tenants]
        async with deployed(keys, [EACH], short=short, delay=DELAY, program=program) as deployment:
            replica = deployment.replicas[0]
            batches = [(await plant(replica, tenant)).batch for tenant in tenants]
            leaving, inside = Leaving(replica, tenants, batches, seed), Inside(replica, path)
            await leaving.run(WARM, staying=1.0)
            before = await inside.held()
            say(f"{calls:,} calls, most of them cancelled{', by a server that leaks' if leaking else ''}")
            leaving.came = Came()
            await leaving.run(calls)
            after, seconds = await inside.settled(before, SPARE)
            return Outcome(leaving.came, before, after, seconds)
