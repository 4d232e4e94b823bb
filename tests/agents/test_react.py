"""The agent `react`: a model that calls tools, real documents, and everything that can go wrong in between."""

from collections.abc import AsyncIterator, Sequence

import pytest
import pytest_asyncio
from langchain_core.messages import AIMessage, BaseMessage

from ragents_server.agents.react import build
from tests.agents.turns import Library, library
from tests.scripted_model import ScriptedModel, calls, results

HARBOUR = "The harbour of Oslo froze in January 1838. Ships waited for weeks. Bread became expensive in the city."
BREAD = "Bakers in Bergen sold rye bread. A loaf cost 1,009 shillings. The German merchants paid half."


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def books() -> AsyncIterator[Library]:
    async with library({"harbour.txt": HARBOUR, "bread.txt": BREAD}) as made:
        yield made


pytestmark = pytest.mark.asyncio(loop_scope="module")


def searching(messages: Sequence[BaseMessage], tools: frozenset[str]) -> AIMessage | str:
    """Searches for the question, then says what it found."""
    assert "retrieve" in tools
    if not results(messages):
        return calls(("retrieve", {"query": str(messages[-1].text)}))
    number = 1 if "passage 1 begins\n(harbour" in str(results(messages)[0].text) else 2
    return f"The harbour of Oslo froze in January 1838 [{number}]. It was fun."


async def test_what_the_model_found_is_cited_and_the_rest_is_told(books: Library) -> None:
    model = ScriptedModel(decide=searching)
    told = await books.talk(build, model).ask("When did the harbour of Oslo freeze?")
    assert told.answer is not None
    assert told.shown() == told.text
    assert told.text.startswith("The harbour of Oslo froze in January 1838 [")
    [citation] = told.answer.citations
    assert citation.quote == "The harbour of Oslo froze in January 1838."
    assert told.answer.passages[citation.number - 1].document.name == "harbour.txt"
    [span] = told.answer.unsupported
    assert told.text.encode()[span.start : span.end] == b"It was fun."
    assert told.calls() == ["retrieve"]
    assert told.kinds()[:5] == ["step", "tool_call", "tool_result", "retrieved", "step"]
    usage = told.answer.usage
    assert (usage.model, usage.model_calls, usage.input_tokens, usage.output_tokens) == ("scripted", 2, 20, 10)
