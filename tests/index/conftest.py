"""An empty index for each test."""

from collections.abc import AsyncIterator

import pytest

from tests.index.places import Index, open_index


@pytest.fixture
async def index() -> AsyncIterator[Index]:
    async with open_index() as opened:
        yield opened
