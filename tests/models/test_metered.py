"""Metering: what a call of a model used is what it told, or what was estimated; nothing where it was left."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from ragents_server.models.metered import CHARACTERS, OUTPUT, Metering


class Notes:
    """A meter that notes what was reserved and what it was settled by, 0 where it was given back."""

    def __init__(self) -> None:
        self.calls: list[tuple[int, int]] = []

    @asynccontextmanager
    async def reserved(self, tokens: int) -> AsyncIterator["Notes"]:
        self._used = 0
        try:
            yield self
        finally:
            self.calls.append((tokens, self._used))

    def settle(self, tokens: int) -> None:
        self._used = tokens


async def test_what_the_model_tells_is_what_was_used_and_teaches_the_next_estimate() -> None:
    notes = Notes()
    metering = Metering(notes)
    for _ in range(2):
        async with metering.call(400) as counted:
            counted.add(90, 0)
            counted.add(0, 1000)
    assert notes.calls[0] == (400 // CHARACTERS + int(OUTPUT), 1090)
    assert notes.calls[1][0] > notes.calls[0][0]


async def test_a_model_that_tells_nothing_has_used_what_was_estimated() -> None:
    notes = Notes()
    async with Metering(notes).call(400):
        pass
    assert notes.calls == [(300, 300)]


@pytest.mark.parametrize("error", [asyncio.CancelledError, ValueError])
async def test_a_call_that_was_left_or_failed_without_a_word_has_used_nothing(error: type[BaseException]) -> None:
    notes = Notes()
    with pytest.raises(error):
        async with Metering(notes).call(400):
            raise error
    assert notes.calls == [(300, 0)]
