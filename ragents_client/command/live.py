"""Events as they come: the text grows on a terminal, the last event says the whole truth."""

from collections.abc import Callable, Iterable

from google.protobuf.json_format import MessageToJson

from ragents_client.command.citations import show_refusal, show_sources
from ragents_client.command.screen import err, is_terminal, say
from ragents_client.v1 import Answer, Event, ToolCall


class Live:
    """Shows the events of one answer; in a pipe only the answer itself."""

    def __init__(self) -> None:
        self.shown = ""
        self.thread_id = ""
        self.last = Event()
        self._terminal = is_terminal()

    def follow(self, events: Iterable[Event], first: Callable[[], None]) -> Answer:
        """Shows all events, and gives the answer they end in; `first` is called when something has come."""
        for event in events:
            first()
            self.last = event
            self._show(event)
        if self.last.HasField("answer"):
            self._end(self.last.answer)
        return self.last.answer

    def _show(self, event: Event) -> None:
        match event.WhichOneof("kind"):
            case "started":
                self.thread_id = event.started.thread_id or self.thread_id
                self._begin_again()
            case "queued":
                self._note(f"waiting for a slot, {event.queued.position} before this")
            case "step" if event.step.text:
                self._note(event.step.text)
            case "tool_call":
                self._note(called(event.tool_call))
            case "tool_result":
                self._note(f"{event.tool_result.name}: {event.tool_result.failure.message or 'done'}")
            case "delta" if self._terminal:
                self.shown += event.delta.text
                say(event.delta.text, end="")

    def _note(self, text: str) -> None:
        if self._terminal:
            err().print(text, style="dim", markup=False)

    def _begin_again(self) -> None:
        """A new attempt voids what was shown of an earlier one."""
        if self.shown:
            say("\n— begun again —", style="dim")
        self.shown = ""

    def _end(self, answer: Answer) -> None:
        if self.shown:
            say()
        if answer.HasField("refusal"):
            show_refusal(answer)
            return
        if self.shown.strip() != answer.text.strip():
            say(answer.text)
        show_sources(answer)


def called(call: ToolCall) -> str:
    """A tool's call in one line."""
    return f"{call.name}({MessageToJson(call.arguments, indent=None)})"
