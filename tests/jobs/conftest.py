"""`place` is a store of each kind."""

from collections.abc import AsyncIterator

import pytest

from tests.jobs.places import PLACES, Place


@pytest.fixture(params=PLACES)
async def place(request: pytest.FixtureRequest) -> AsyncIterator[Place]:
    async with PLACES[request.param]() as opened:
        yield opened
