"""The gate: so many executions at once, a bounded line before them, and an answer at once where waiting is no use."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ragents_server.admission.estimates import Estimates
from ragents_server.admission.line import Line
from ragents_server.caller import PRIORITIES
from ragents_server.errors import DeadlineTooShort, Overloaded
from ragents_server.execution import Execution, Slot
from ragents_server.signals import span

SHORTEST_WAIT, LONGEST_WAIT = 0.1, 60.0  # seconds that one who is sent away is told to wait
REFUSED = "the server has as much to do as it takes, for calls of this priority"
DISPLACED = "calls that go first took its place in the line"


@dataclass(eq=False, slots=True)
class _Ticket:
    """One that waits; plays `Place`."""

    gate: "Gate"
    priority: int
    execution: Execution
    granted: "asyncio.Future[Slot]"
    in_line: bool = True

    @property
    def tenant(self) -> str:
        return self.execution.caller.tenant

    @property
    def user(self) -> str:
        return self.execution.caller.user

    def position(self) -> int:
        return self.gate.line.position(self) if self.in_line else 0

    def raise_to(self, priority: int) -> None:
        if self.in_line:
            self.gate.line.raise_to(self, priority)

    def lend(self, slot: Slot) -> None:
        if self.in_line and not self.granted.done():
            self.leave_line()
            slot.hold()
            self.granted.set_result(slot)

    def leave_line(self) -> None:
        if self.in_line:
            self.in_line = False
            self.gate.line.remove(self)


class Gate:
    """Lets `slots` executions work at once; at most `most_waiting` wait. Belongs to one event loop."""

    def __init__(self, slots: int, most_waiting: int, clock: Callable[[], float] | None = None) -> None:
        self.line = Line[_Ticket](most_waiting)
        self.slots = slots
        self._clock = clock or (lambda: asyncio.get_running_loop().time())
        self.estimates = Estimates(self._clock)
        self._free = slots

    @property
    def executing(self) -> int:
        """How many slots are taken."""
        return self.slots - self._free

    def waiting(self) -> Iterator[tuple[str, int]]:
        """How many of each priority wait."""
        return self.line.sizes()

    async def enter(self, execution: Execution) -> Slot:
        """A slot, held once for whoever asks, when it is its turn; free again when nobody holds it.

        Raises Overloaded where the line is full of those who are before it, now or later, and DeadlineTooShort where
        what is left of its time is less than such work takes.
        """
        with span("slot", priority=PRIORITIES[execution.priority]):
            return await self._entered(execution)

    async def _entered(self, execution: Execution) -> Slot:
        self._require_time(execution)
        if self._free and not len(self.line):
            return self._slot(execution)
        ticket = _Ticket(self, execution.priority, execution, asyncio.get_running_loop().create_future())
        if (sent_away := self.line.add(ticket)) is not None:
            sent_away.in_line = False
            if not sent_away.granted.done():
                sent_away.granted.set_exception(self._overloaded(REFUSED if sent_away is ticket else DISPLACED))
        execution.place = ticket
        try:
            return await ticket.granted
        except asyncio.CancelledError:
            if ticket.granted.done() and not ticket.granted.cancelled() and ticket.granted.exception() is None:
                ticket.granted.result().drop(well=False)  # given at the very moment
            raise
        finally:
            execution.place = None
            ticket.leave_line()

    def _slot(self, execution: Execution) -> Slot:
        self._free -= 1
        kind, began = execution.kind, self._clock()

        def freed(well: bool) -> None:
            self._free += 1
            if well:
                self.estimates.learn(kind, self._clock() - began)
            self._give()

        return Slot(freed)

    def _give(self) -> None:
        """Gives what is free to those whose turn it is; those whose time does not suffice any more are told."""
        while self._free and len(self.line):
            ticket = self.line.pop()
            ticket.in_line = False
            if ticket.granted.done():
                continue  # cancelled, and about to go by itself
            try:
                self._require_time(ticket.execution)
            except DeadlineTooShort as error:
                ticket.granted.set_exception(error)
            else:
                ticket.granted.set_result(self._slot(ticket.execution))

    def _require_time(self, execution: Execution) -> None:
        left, needed = execution.until - self._clock(), self.estimates.seconds(execution.kind)
        if left < needed:
            raise DeadlineTooShort(f"such a call takes about {needed:.2g} s, and {max(left, 0):.2g} s are left of it")

    def _overloaded(self, reason: str) -> Overloaded:
        """Sent away, with the time that the line takes to become empty."""
        seconds = len(self.line) / self.slots * max(self.estimates.longest(), SHORTEST_WAIT)
        wait = min(max(seconds, SHORTEST_WAIT), LONGEST_WAIT)
        return Overloaded(reason, retry_after=wait)
