"""The end of a turn whose model chose tools and writes nothing: what they returned, and what the writer makes of it."""

from contextlib import aclosing
from itertools import chain

from ragents_client.v1.answer_pb2 import REFUSAL_REASON_NOT_ANSWERED, Answer, Question
from ragents_client.v1.event_pb2 import Delta, Event
from ragents_server.agents.agent import Kit, tell
from ragents_server.agents.joined import Joined, spent
from ragents_server.agents.tools.retrieving import searched
from ragents_server.agents.tools.tool import Called
from ragents_server.agents.transcript import Transcript, Wanted
from ragents_server.caller import current_caller
from ragents_server.rag.rewriting import merge
from ragents_server.rag.writers import Writer, refuse

RETRIEVE, COMPUTING = "retrieve", ("calculate", "date")
_NO_TOOL = "No tool that may be called for you answers this."


async def written(kit: Kit, turn: Transcript, question: Question) -> Answer:
    """The turn's answer, told in deltas: computed results first, then the writer's words, then opened documents."""
    pairs = [(one, turn.called[one.place]) for one in chain.from_iterable(turn.calls) if one.place in turn.called]
    searches = [one for one, called in pairs if one.name == RETRIEVE and not called.result.HasField("failure")]
    given = [called for _, called in pairs if called.answers and not called.result.HasField("failure")]
    failed = [called for one, called in pairs if one.name in COMPUTING and called.result.HasField("failure")]
    if searches and not given:
        answer = await _write(kit, question, searches, tells=True)
        return _refused(kit.writer, failed) if failed and answer.HasField("refusal") else answer
    if not searches and not given:
        return _refused(kit.writer, [called for _, called in pairs])
    joined = Joined()
    for called in given:
        if not called.passages:
            joined.say(called.result.text)
    if searches:
        joined.add(await _write(kit, question, searches, tells=False))
    for called in given:
        joined.quote(called.passages)
    tell(Event(delta=Delta(text=joined.answer.text)))
    joined.answer.usage.model = kit.writer.model
    return joined.answer


async def _write(kit: Kit, question: Question, searches: list[Wanted], *, tells: bool) -> Answer:
    """The writer's answer from what these searches find; they were made a moment ago, so a cache has them."""
    founds = [await searched(kit.retriever, question, current_caller(), one.arguments) for one in searches]
    most = max(len(found.passages) for found in founds)
    answer = Answer()
    async with aclosing(kit.writer(question, merge(founds, max(most, len(founds))))) as events:
        async for event in events:
            if event.HasField("answer"):
                answer = event.answer
            elif tells:
                tell(event)
    spent(answer)
    return answer


def _refused(writer: Writer, called: list[Called]) -> Answer:
    """The refusal where every call failed, in the words of the last one."""
    failures = [one.result.failure.message for one in called if one.result.HasField("failure")]
    why = failures[-1] if failures else _NO_TOOL
    return refuse(REFUSAL_REASON_NOT_ANSWERED, f"{why[0].upper()}{why[1:]}", (), writer.model).answer
