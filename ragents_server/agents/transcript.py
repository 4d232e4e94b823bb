"""One turn of an agent that calls tools: what the model said, which calls that makes, and what they returned.

It is read from the state, and everything that follows from it is made anew: which calls are outstanding, the numbers of
passages, the messages that the model sees. So a turn that goes on elsewhere goes on the same.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import chain
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage

from ragents_client.v1.agent_pb2 import ToolResult
from ragents_client.v1.answer_pb2 import Passage, Question
from ragents_server.agents.joined import identity
from ragents_server.agents.prompts import quoted_result
from ragents_server.agents.tools.tool import NOTHING, Called
from ragents_server.errors import InvalidRequest
from ragents_server.models.calling import HAND_OVER
from ragents_server.rag.prompts import earlier

MOST_CALLS = 8  # that one message may make; further ones fail
MOST_PASSAGES = 100  # of a turn, as many as an answer may have

Result = dict[str, Any]
"""A Called as the state keeps it."""


def kept(called: Called) -> Result:
    """For the state."""
    return {
        "result": called.result.SerializeToString(),
        "passages": [passage.SerializeToString() for passage in called.passages],
        "answers": called.answers,
    }


def together(before: Mapping[str, Result], after: Mapping[str, Result]) -> dict[str, Result]:
    """Results of calls that were made side by side; nothing at all begins a new turn."""
    return {**before, **after} if after else {}


@dataclass(frozen=True, slots=True)
class Wanted:
    """A call that the model wants; `place` names it in its turn. `error` says why it cannot be made."""

    place: str
    id: str
    name: str
    arguments: Mapping[str, Any]
    error: str = ""

    def packed(self) -> dict[str, Any]:
        """For the state."""
        return asdict(self)

    def failed(self) -> Called:
        """What comes of a call that cannot be made."""
        failure = InvalidRequest(self.error).failure()
        return Called(ToolResult(id=self.id, name=self.name, failure=failure))

    def key(self, run: str) -> str:
        """The same each time that the call is repeated, and no other call's."""
        return hashlib.sha256("\0".join((run, self.place, self.name, self.id)).encode()).hexdigest()[:32]


class Transcript:
    """A turn so far."""

    def __init__(self, said: Sequence[AIMessage], results: Mapping[str, Result]) -> None:
        self.said = tuple(said)
        self._results = results

    @cached_property
    def calls(self) -> list[list[Wanted]]:
        """The calls of each message."""
        return [list(_wanted(step, message)) for step, message in enumerate(self.said)]

    @cached_property
    def called(self) -> dict[str, Called]:
        """What the calls returned, by place, in their order; those that cannot be made have failed."""
        called = dict[str, Called]()
        for one in chain.from_iterable(self.calls):
            if one.error:
                called[one.place] = one.failed()
            elif one.place in self._results:
                called[one.place] = _called(self._results[one.place])
        return called

    @property
    def outstanding(self) -> list[Wanted]:
        """Calls that have not been made."""
        return [one for one in chain.from_iterable(self.calls) if one.place not in self.called]

    @property
    def hands_over(self) -> bool:
        """Whether the writer is to go on."""
        return bool(self.said) and self.said[-1].response_metadata.get(HAND_OVER) == "writer"

    @cached_property
    def passages(self) -> tuple[Passage, ...]:
        """All that calls returned, in their order and each once; [1] is the first."""
        return tuple(passage for _, passage in self._numbered.values())[:MOST_PASSAGES]

    @property
    def texts(self) -> list[str]:
        """What calls returned that is not from passages: it may be said, and cannot be cited."""
        return [
            called.result.text
            for called in self.called.values()
            if called.result.text not in ("", NOTHING) and not called.passages
        ]

    def messages(self, rules: str, question: Question, boundary: str) -> list[BaseMessage]:
        """What the model is asked with: the rules, the conversation, the question, and this turn."""
        roles = {"user": HumanMessage, "assistant": AIMessage}
        history: list[BaseMessage] = [roles[one.role](one.text) for one in earlier(question.history)]
        shown = set[int]()
        turn = list[BaseMessage]()
        for message, calls in zip(self.said, self.calls, strict=True):
            turn += [message, *(self._result(one, shown, boundary) for one in calls)]
        return [SystemMessage(rules), *history, HumanMessage(question.text), *turn]

    def _result(self, call: Wanted, shown: set[int], boundary: str) -> ToolMessage:
        called = self.called[call.place]
        numbers = [self._number(passage) for passage in called.passages]
        passages = [
            (number, passage, number in shown)
            for number, passage in zip(numbers, called.passages, strict=True)
            if number <= MOST_PASSAGES
        ]
        shown.update(numbers)
        failed = called.result.HasField("failure")
        text = quoted_result(called.result, passages, boundary)
        return ToolMessage(text, tool_call_id=call.id, name=call.name, status="error" if failed else "success")

    @cached_property
    def _numbered(self) -> dict[tuple[str, str, int, int], tuple[int, Passage]]:
        numbered = dict[tuple[str, str, int, int], tuple[int, Passage]]()
        for called in self.called.values():
            for passage in called.passages:
                numbered.setdefault(identity(passage), (len(numbered) + 1, passage))
        return numbered

    def _number(self, passage: Passage) -> int:
        return self._numbered[identity(passage)][0]


def _wanted(step: int, message: AIMessage) -> Iterator[Wanted]:
    read = [Wanted("", str(one["id"]), one["name"], one["args"]) for one in message.tool_calls]
    unread = [
        Wanted("", str(one["id"]), str(one["name"]), {}, f"the arguments cannot be read: {one['error']}")
        for one in message.invalid_tool_calls
    ]
    for number, one in enumerate([*read, *unread]):
        error = one.error or ("" if number < MOST_CALLS else f"at most {MOST_CALLS} calls can be made at once")
        yield Wanted(f"{step}.{number}", one.id, one.name, one.arguments, error)


def _called(kept: Result) -> Called:
    passages = tuple(Passage.FromString(one) for one in kept["passages"])
    return Called(ToolResult.FromString(kept["result"]), passages, kept["answers"])
