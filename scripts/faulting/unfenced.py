"""The server with a part of its agents changed, for the test of late writes.

`python -m scripts.faulting.unfenced fenced`: a replica that was frozen hesitates before it looks at its leases, so that
the fence around its writes is all that stops them; what the fence refuses is told in the log.
`unfenced`: the same without the fence around writes, and without that around events, which would end the run as well;
for the control: the test must find what comes of that.
"""

import asyncio
import logging
import sys
from contextlib import suppress
from time import monotonic
from types import ModuleType
from typing import Any

from ragents_server import __main__ as server
from ragents_server import running
from ragents_server.agents.roster import Roster
from ragents_server.checkpoints import postgres, saver
from ragents_server.errors import LeaseLost
from ragents_server.threads.events import Append, EventLog
from ragents_server.threads.leases import RENEWAL, Leases

REFUSED = "the fence refused a write"
HESITATION = 4.0  # seconds; also a busy machine writes sooner

log = logging.getLogger(__name__)


class Hesitant(Leases):
    """Renews late what it should have renewed long before."""

    _renewed = 0.0

    async def _renew(self) -> None:
        if self._renewed and monotonic() - self._renewed > 2 * RENEWAL:
            await asyncio.sleep(HESITATION)
        self._renewed = monotonic()
        await super()._renew()


class Watched(saver.Saver):
    """Tells what is refused."""

    async def aput(self, *args: Any, **kwargs: Any) -> Any:
        """As it is, but heard."""
        try:
            return await super().aput(*args, **kwargs)
        except LeaseLost:
            log.warning(REFUSED)
            raise

    async def aput_writes(self, *args: Any, **kwargs: Any) -> None:
        """As it is, but heard."""
        try:
            await super().aput_writes(*args, **kwargs)
        except LeaseLost:
            log.warning(REFUSED)
            raise


class Telling(EventLog):
    """Tells what is refused of events, which ends the run as well, and may come before its next checkpoint."""

    async def append(self, append: Append) -> None:
        """As it is, but heard."""
        try:
            await super().append(append)
        except LeaseLost:
            log.warning(REFUSED)
            raise


class Late(Roster):
    """Ends runs after their last checkpoint, as it must where no fence ends them with it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{**kwargs, "ends_runs": False})


class Deaf(EventLog):
    """Does not hear that somebody else tells the run's events."""

    async def append(self, append: Append) -> None:
        """As it is, but whatever comes of it."""
        with suppress(LeaseLost):
            await super().append(append)


def replace(module: ModuleType, name: str, part: object) -> None:
    """Another part in place of one that the module knows under this name."""
    if not hasattr(module, name):
        raise AttributeError(f"{module.__name__} knows no {name} any more")
    setattr(module, name, part)


def unfence() -> None:
    """Takes the fence out."""
    replace(saver, "current_fence", lambda _: None)
    replace(running, "Roster", Late)
    replace(running, "EventLog", Deaf)


def tell() -> None:
    """Leaves the fence as it is."""
    replace(running, "EventLog", Telling)


KINDS = {"fenced": tell, "unfenced": unfence}

if __name__ == "__main__":
    replace(running, "Leases", Hesitant)
    replace(postgres, "Saver", Watched)
    KINDS[sys.argv[1]]()
    server.main([])
