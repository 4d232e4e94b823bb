"""LangGraph's own tests of savers: each of the 81 passes, everywhere."""

from collections.abc import AsyncGenerator

import pytest
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.conformance import checkpointer_test, validate
from langgraph.checkpoint.memory import InMemorySaver

from tests.checkpoints.places import EVERYWHERE


@pytest.mark.parametrize("name", EVERYWHERE)
async def test_81_of_81_conformance_tests_pass(name: str) -> None:
    async with EVERYWHERE[name]() as place:

        @checkpointer_test(name=name)
        async def replicas() -> AsyncGenerator[BaseCheckpointSaver[int], None]:
            async with place.replica() as saver:
                yield saver

        report = await validate(replicas)
    assert [failure for result in report.results.values() for failure in result.failures] == []
    assert sum(result.tests_passed for result in report.results.values()) == 81


async def test_the_word_full_counts_only_what_a_saver_has() -> None:
    @checkpointer_test(name="memory")
    async def memory() -> AsyncGenerator[BaseCheckpointSaver[int], None]:
        yield InMemorySaver()

    report = await validate(memory)
    assert report.conformance_level() == "FULL"
    assert sum(result.tests_passed for result in report.results.values()) < 81
