"""A load from beginning to end: callers call, the deployment is watched, what was seen is kept."""

from collections.abc import Mapping, Sequence

from scripts.faulting.deployment import say
from scripts.loading.figuring import failed
from scripts.loading.k6 import Callers, called
from scripts.loading.page import Part
from scripts.loading.streams import question
from scripts.loading.topology import Topology
from scripts.loading.watching import watched


async def load(
    topology: Topology, name: str, callers: Mapping[str, Callers], stream: Sequence[int], *, title: str
) -> Part:
    """Lets all callers call; says how it went in a line."""
    say(f"{title} …")
    async with watched(topology) as seen:
        calls = await called(
            topology.deployment.folder, topology.proxy.address, callers, [question(one) for one in stream], name=name
        )
    wrong = dict(failed(calls)) or "none"
    say(f"{title}: {len(calls)} calls in {max(call.at for call in calls):.0f} s, failed: {wrong}")
    return Part(title, calls, seen.looks)
