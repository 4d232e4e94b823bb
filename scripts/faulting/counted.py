"""The server, which tells what it holds when it is asked to: tasks, slots, connections, leases.

`python -m scripts.faulting.counted FILE`: at SIGUSR1 a line of JSON is added to the file.
`python -m scripts.faulting.counted FILE leaking`: each call whose caller leaves leaves a task and a slot behind, for
the control: the counts must show it.
"""

import asyncio
import json
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from ragents_server import __main__ as command
from ragents_server import operations, server
from ragents_server.execution import current_execution
from ragents_server.interceptors.around import Call, Guard, Serve
from ragents_server.server import Server
from ragents_server.wiring import Parts
from scripts.faulting.unfenced import replace

left = Counter[str]()
kept = operations.kept
guards = server.guards
leaked: set[asyncio.Task[Any]] = set()


def noting(serve: Serve) -> Serve:
    """Counts the calls that were cancelled in the middle of being served."""

    async def guarded(call: Call) -> Any:
        try:
            return await serve(call)
        except asyncio.CancelledError:
            left[call.method.rpartition("/")[2]] += 1
            raise

    return guarded


def leaking(serve: Serve) -> Serve:
    """Forgets a task and a slot of each of them."""

    async def guarded(call: Call) -> Any:
        try:
            return await serve(call)
        except asyncio.CancelledError:
            leaked.add(asyncio.create_task(asyncio.Event().wait(), name="leaked"))
            if (slot := current_execution().slot) is not None:
                slot.hold()
            raise

    return guarded


def counts(running: Server, parts: Parts) -> dict[str, Any]:
    """What the server holds now."""
    names = Counter(_name(task) for task in asyncio.all_tasks())
    local = parts.limits.limiter._local._states.values()
    return {
        "tasks": names.total(),
        "names": dict(names.most_common(12)),
        "calls": len(running.serving._calls),
        "slots": parts.limits.gate.executing,
        "waiting": sum(number for _, number in parts.limits.gate.waiting()),
        "leases": sum(len(state.leases) for state in local),
        "connections": parts.pool.get_size() - parts.pool.get_idle_size(),  # those that somebody has
        "left": left.total(),
    }


def _name(task: "asyncio.Task[Any]") -> str:
    name = task.get_name()
    if not name.startswith("Task-"):
        return name.rstrip("0123456789")
    return getattr(task.get_coro(), "__qualname__", "")


@asynccontextmanager
async def telling(running: Server, parts: Parts) -> AsyncIterator[None]:
    """The same as the server does while it is kept, and it tells."""
    path = Path(sys.argv[1])

    def tell() -> None:
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(counts(running, parts)) + "\n")

    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, tell)
    async with kept(running, parts):
        yield


def watched(*args: Any, **kwargs: Any) -> Sequence[Guard]:
    """The guards, and one more inside them."""
    innermost = leaking if "leaking" in sys.argv[2:] else noting
    return (*guards(*args, **kwargs), innermost)


if __name__ == "__main__":
    replace(operations, "kept", telling)
    replace(server, "guards", watched)
    command.main([])
