"""What a call of a chat model uses, told to whoever limits it: reserved before, settled by what the model told."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol

CHARACTERS = 4  # of a token, about; what the model tells settles it
OUTPUT = 200.0  # tokens that a model writes, before anything is known
LEARNING = 0.1  # how much the last call counts


class Usage(Protocol):
    """What was reserved; the last number told is what is used in the end, nothing where none is."""

    def settle(self, tokens: int) -> None:
        """The call has used so many tokens so far."""
        ...


class Meter(Protocol):
    """Limits the tokens of the current caller."""

    def reserved(self, tokens: int) -> AbstractAsyncContextManager[Usage]:
        """So many tokens, as long as the call lasts. Raises RateLimited."""
        ...


class Metering:
    """Estimates what calls will use. Belongs to one event loop."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self._output = OUTPUT

    @asynccontextmanager
    async def call(self, characters: int) -> AsyncIterator["Counted"]:
        """A call that is asked with so many characters. Raises RateLimited."""
        async with self._meter.reserved(characters // CHARACTERS + int(self._output)) as usage:
            counted = Counted(usage)
            yield counted
            self._output += LEARNING * (counted.output - self._output)


class Counted:
    """The tokens of one call, added up as they are told."""

    def __init__(self, usage: Usage) -> None:
        self._usage = usage
        self._sum = 0
        self.output = 0

    def add(self, read: int, written: int) -> None:
        """So many more, read and written."""
        if read or written:
            self._sum += read + written
            self.output += written
            self._usage.settle(self._sum)
