"""An execution: what a call that has to be worked for holds of the server's slots, and how urgent it is.

A call takes a slot when the first part beneath the caches is to work for it, and keeps it until it ends; a call that a
cache answers takes none. Callers who want the same thing at once ride one flight, which is an execution of its own: as
urgent as the most urgent of its riders, with one slot among them all.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextvars import ContextVar, Token
from typing import Protocol, Self

from ragents_server.caller import PRIORITIES, Caller

NORMAL = PRIORITIES.index("NORMAL")
PROMPTLY, LOOK = 0.02, 0.25  # seconds until the first look at one's place in the line, and between later ones


class Slot:
    """One of the server's slots, held once when it is made; free again when nobody holds it any more."""

    def __init__(self, freed: Callable[[bool], None]) -> None:
        self._freed = freed  # told whether the work went well
        self._holders = 1
        self._well = True

    def hold(self) -> None:
        """One holder more."""
        self._holders += 1

    def drop(self, well: bool) -> None:
        """One holder less."""
        self._holders -= 1
        self._well = self._well and well
        if not self._holders:
            self._freed(self._well)


class Place(Protocol):
    """A place in the line for a slot."""

    def position(self) -> int:
        """How many are before it."""
        ...

    def raise_to(self, priority: int) -> None:
        """Moves it to those who are as urgent."""
        ...

    def lend(self, slot: Slot) -> None:
        """Ends the waiting with a slot that somebody has who rides along; it is held once more."""
        ...


class Gate(Protocol):
    """Gives out slots."""

    async def enter(self, execution: "Execution") -> Slot:
        """A slot, held once for whoever asks. Raises Overloaded and DeadlineTooShort."""
        ...


class Execution:
    """What one call, one run or one flight has of the slots. Belongs to one event loop.

    As a block it is the current one, and gives its slot back at the end.
    """

    __slots__ = (
        "_flights",
        "_gate",
        "_lock",
        "_riders",
        "_token",
        "caller",
        "kind",
        "lasting",
        "place",
        "priority",
        "slot",
        "turned_away",
        "until",
        "waited",
    )

    def __init__(
        self, gate: Gate | None, caller: Caller, *, kind: str = "", priority: int = NORMAL, until: float = float("inf")
    ) -> None:
        self._gate = gate  # None: everything may be worked for at once
        self.caller = caller
        self.kind = kind  # of work: those of one kind take about as long
        self.priority = priority  # the place in caller.PRIORITIES; it only rises
        self.until = until  # the deadline, seconds on the loop's clock
        self.slot: Slot | None = None
        self.place: Place | None = None  # in the line, while it stands there
        self.waited = 0.0  # seconds, in the line
        self.turned_away = False  # it wanted a slot, and left or was sent away without one
        self.lasting = False  # keeps its slot until it ends, whatever is written meanwhile
        self._lock: asyncio.Lock | None = None
        self._riders: list[Execution] | None = None  # of a flight; few calls have any use for it
        self._flights: list[Execution] | None = None  # that it rides
        self._token: Token[Execution | None] | None = None

    def __enter__(self) -> Self:
        self._token = _current.set(self)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._token is not None:
            _current.reset(self._token)
        self.end(well=kind is None)

    def child(self) -> "Execution":
        """One for a part of the call that may go on without it, or beside other parts."""
        return Execution(self._gate, self.caller, kind=self.kind, priority=self.priority, until=self.until)

    async def take_slot(self) -> None:
        """Returns once there is a slot, at once where it has one. Raises Overloaded and DeadlineTooShort."""
        if self.slot is not None or self._gate is None:
            return
        if self._lock is None:
            self._lock = asyncio.Lock()
        async with self._lock:  # a second part of the call waits for the slot of the first
            await self._enter(self._gate)

    async def _enter(self, gate: Gate) -> None:
        if self.slot is None:
            began = asyncio.get_running_loop().time()
            self.turned_away = True  # unless there is one in the end
            slot = await gate.enter(self)
            self.turned_away = False
            self.waited = asyncio.get_running_loop().time() - began
            self._have(slot)
            slot.drop(well=slot is self.slot)  # it is held, this one or another that came first
            for rider in self._riders or ():
                rider.waited = max(rider.waited, self.waited)
            self._share()

    async def places(self) -> AsyncGenerator[int, None]:
        """Takes a slot, and tells meanwhile how many are before it, whenever that has changed."""
        if self.slot is not None or self._gate is None:
            return
        taking = asyncio.ensure_future(self.take_slot())
        try:
            pause, told = PROMPTLY, None
            while not (await asyncio.wait([taking], timeout=pause))[0]:
                position, pause = self.position(), LOOK
                if position is not None and position != told:
                    told = position
                    yield position
            await taking
        finally:
            taking.cancel()
            await asyncio.wait([taking])

    def position(self) -> int | None:
        """How many are before it in the line, or before what it rides; None where nothing of it waits."""
        if self.place is not None:
            return self.place.position()
        return next((position for one in self._flights or () if (position := one.position()) is not None), None)

    def let_go(self, *, well: bool = True) -> None:
        """Gives the slot back when the last of the work is done, however long its riders take to hear of it."""
        for rider in self._riders or ():
            if rider.slot is self.slot and not rider.lasting:
                rider.end(well=well)
        if not self.lasting:
            self.end(well=well)

    def end(self, *, well: bool = True) -> None:
        """Gives the slot back; `well` says whether the work told how long such work takes."""
        slot, self.slot = self.slot, None
        if slot is not None:
            slot.drop(well)

    def board(self, rider: "Execution") -> None:
        """Takes a rider along: the flight is as urgent as it, may last as long, and has its slot where it has one."""
        self._riders = self._riders or []
        self._riders.append(rider)
        rider._flights = rider._flights or []
        rider._flights.append(self)
        self.until = max(self.until, rider.until)
        if rider.priority > self.priority:
            self._raise_to(rider.priority)
        if rider.slot is not None:
            self._lent(rider.slot)

    def leave(self, rider: "Execution") -> None:
        """Lets a rider off; where it had the slot for all of them, another has it now."""
        rider.turned_away = rider.turned_away or self.turned_away
        if self._riders and rider._flights:
            self._riders.remove(rider)
            rider._flights.remove(self)
        self._share()

    def _share(self) -> None:
        """The first rider keeps the slot for what it does next, so that it need not wait again."""
        if self.slot is None or self.lasting or any(rider.slot is self.slot for rider in self._riders or ()):
            return
        for rider in self._riders or ():
            if rider._gate is not None and rider.slot is None:
                rider._have(self.slot)
                return

    def _have(self, slot: Slot) -> None:
        if self.slot is None:
            self.slot = slot
            slot.hold()
            if self.place is not None:
                self.place.lend(slot)
            for flight in self._flights or ():
                flight._lent(slot)

    def _lent(self, slot: Slot) -> None:
        """Nobody waits in the line for what somebody with a slot waits for: all might wait for each other."""
        if self.place is not None:
            self.place.lend(slot)
        elif self.slot is None and self._gate is not None:
            self._have(slot)

    def _raise_to(self, priority: int) -> None:
        self.priority = priority
        if self.place is not None:
            self.place.raise_to(priority)
        for flight in self._flights or ():
            if priority > flight.priority:
                flight._raise_to(priority)


_current: ContextVar[Execution | None] = ContextVar("execution", default=None)
_nobody = Caller("", "")


def current_execution() -> Execution:
    """The execution of the call being served; outside of one, a fresh one that waits for nothing."""
    return _current.get() or Execution(None, _nobody)


def begin(execution: Execution) -> None:
    """Makes it the current one for the rest of the task."""
    _current.set(execution)
