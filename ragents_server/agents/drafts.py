"""Drafts of an answer: how they are shown, and which of them is given."""

from ragents_client.v1.answer_pb2 import REFUSAL_REASON_NOT_ANSWERED, Answer
from ragents_client.v1.event_pb2 import Delta, Event, Started
from ragents_server.agents.agent import tell
from ragents_server.rag.citations import source
from ragents_server.rag.writers import refuse


class Showing:
    """What whoever follows is shown: each new beginning makes void what was shown before."""

    def __init__(self, attempt: int) -> None:
        self.attempt = attempt

    def show(self, event: Event) -> None:
        """An event of a writer's."""
        if event.HasField("started"):
            self.begin_again()
        else:
            tell(event)

    def begin_again(self) -> None:
        """What was shown does not count."""
        self.attempt += 1
        tell(Event(started=Started(attempt=self.attempt)))

    def show_whole(self, answer: Answer) -> None:
        """All of an answer's text at once; a refusal is told by its event alone."""
        if not answer.HasField("refusal"):
            tell(Event(delta=Delta(text=answer.text)))


def faults(answer: Answer) -> int:
    """How badly an answer is grounded, 0 for wholly: sentences without support, a refusal, an answer without source."""
    if answer.HasField("refusal"):
        return 1_000
    return len(answer.unsupported) if answer.citations else 2_000


def without_invention(answer: Answer) -> Answer:
    """The answer, or a refusal where it names no source for anything."""
    if answer.citations or answer.HasField("refusal") or not answer.passages:
        return answer
    message = f"No passage says this; closest: {source(answer.passages[0])}."
    return refuse(REFUSAL_REASON_NOT_ANSWERED, message, tuple(answer.passages), answer.usage.model).answer
