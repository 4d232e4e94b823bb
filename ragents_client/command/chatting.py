"""`ragents chat`: questions one after another, to an agent or to the plain engine."""

import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from time import sleep
from typing import Annotated, Protocol

import typer

from ragents_client.calls.call import fresh_id
from ragents_client.calls.questions import Asked
from ragents_client.client import Client
from ragents_client.command.asking import Collections, options_of
from ragents_client.command.caching import show_use
from ragents_client.command.connection import Connection, connection
from ragents_client.command.exits import Exit
from ragents_client.command.live import Live, called
from ragents_client.command.screen import err, is_terminal, patience, say, tell_error
from ragents_client.conditions import value
from ragents_client.errors import NotFound, RagentsError, Unavailable, Unimplemented
from ragents_client.streams import Stream
from ragents_client.v1 import INTERRUPT_KIND_APPROVAL, Event, Exchange, Interrupt, Reply

MOST_EXCHANGES = 32  # the contract's limits, as the two below
QUESTION_BYTES = 8_192
ANSWER_BYTES = 32_768
END = "/exit"

SHOWN = 4  # earlier exchanges, when a thread is gone on with
PAUSES = (0.5, 1.0, 2.0, 4.0, 8.0)  # seconds, before a turn that was cut is sent again

AgentName = Annotated[str, typer.Option(help="The agent to talk to.", show_default="the server's own")]
ThreadId = Annotated[str, typer.Option(help="The conversation to go on with: its id, or a name of your own.")]


class Partner(Protocol):
    """Who is talked to."""

    def say(self, words: str) -> "Callable[[], Stream[Event]]":
        """What sends what was typed; sent again, it does nothing twice."""
        ...

    def heard(self, live: Live) -> None:
        """Remembers what came of it."""
        ...


class Engine:
    """The plain engine; the conversation is kept here and sent along."""

    def __init__(self, rag: Client, options: Asked) -> None:
        self._rag = rag
        self._options = options
        self._history: list[Exchange] = []
        self._words = ""

    def say(self, words: str) -> "Callable[[], Stream[Event]]":
        """Asks, with what was said before."""
        self._words = words
        options: Asked = {**self._options, "history": self._history}
        return lambda: self._rag.stream_query(words, **options)

    def heard(self, live: Live) -> None:
        """Keeps the exchange."""
        answer = cut(live.last.answer.text, ANSWER_BYTES)
        exchange = Exchange(question=cut(self._words, QUESTION_BYTES), answer=answer)
        self._history = [*self._history, exchange][-MOST_EXCHANGES:]


class Agent:
    """An agent; the server keeps the conversation."""

    def __init__(self, rag: Client, name: str, options: Asked, thread_id: str = "") -> None:
        self.thread_id = thread_id
        self._rag = rag
        self._name = name
        self._options = options
        self._interrupt: Interrupt | None = None

    def say(self, words: str) -> "Callable[[], Stream[Event]]":
        """Sends the next question, or the reply that is waited for; the request_id stays when it is sent again."""
        request_id, thread_id = fresh_id(), self.thread_id
        if self._interrupt is not None:
            reply = Reply(interrupt_id=self._interrupt.id, value=value(words))
            return lambda: self._rag.stream_run(self._name, reply, thread_id=thread_id, request_id=request_id)
        options = self._options
        return lambda: self._rag.stream_run(self._name, words, thread_id=thread_id, request_id=request_id, **options)

    def heard(self, live: Live) -> None:
        """Shows what the agent waits for, if it does."""
        self.thread_id = live.thread_id or self.thread_id
        self.wait_on(live.last.interrupt if live.last.HasField("interrupt") else None)

    def wait_on(self, waits: Interrupt | None) -> None:
        """What the thread waits on."""
        self._interrupt = waits
        if waits is not None:
            show_interrupt(waits)


def cut(text: str, most: int) -> str:
    """The text's first bytes, without half a character at the end."""
    return text.encode()[:most].decode(errors="ignore")


def show_interrupt(interrupt: Interrupt) -> None:
    """What an agent asks its user."""
    if interrupt.kind == INTERRUPT_KIND_APPROVAL:
        say(f"May it call {called(interrupt.tool_call)}?", style="yellow")
    say(interrupt.text, style="yellow")
    if interrupt.options:
        say(f"({' / '.join(interrupt.options)})", style="dim")


def partner(rag: Client, agent: str, thread_id: str, options: Asked) -> Partner:
    """An agent where the server has any, else the plain engine; an agent or thread that was named must be there."""
    try:
        loaded = rag.list_agents()
    except Unimplemented:
        if agent or thread_id:
            raise
        loaded = []
    if not loaded and not agent:
        return Engine(rag, options)
    talk = Agent(rag, agent, options, thread_id)
    if thread_id:
        with suppress(NotFound):  # a name of one's own is begun by its first turn
            begun = rag.get_thread(thread_id)
            for exchange in begun.exchanges[-SHOWN:]:
                show_exchange(exchange)
            talk.wait_on(begun.thread.interrupt if begun.thread.HasField("interrupt") else None)
    return talk


def show_exchange(exchange: Exchange) -> None:
    """What was said before, for people."""
    if is_terminal():
        say(f"> {exchange.question}", style="dim")
        say(exchange.answer, style="dim")


def lines() -> Iterator[str]:
    """What is typed, until /exit or the end; a prompt only for people."""
    if not sys.stdin.isatty():
        yield from takewhile_not_end(line.strip() for line in sys.stdin)
        return
    err().print("Ask away; /exit or Ctrl-D ends.", style="dim")
    yield from takewhile_not_end(typed())


def typed() -> Iterator[str]:
    """Lines from a terminal, with editing and history where the system has them."""
    with suppress(ImportError):
        import readline  # noqa: F401 # importing it gives input() its line editing
    while True:
        try:
            yield input("> ").strip()
        except EOFError:
            say()
            return


def takewhile_not_end(typed_lines: Iterator[str]) -> Iterator[str]:
    """The lines that say something, up to /exit."""
    for line in typed_lines:
        if line == END:
            return
        if line:
            yield line


def follow(settings: Connection, talk: Partner, words: str) -> None:
    """One thing said and what comes back; Ctrl-C leaves the answer, not the chat."""
    live, send = Live(), talk.say(words)
    try:
        with patience(settings.server) as first:
            for pause in (*PAUSES, None):
                try:
                    with send() as events:
                        live.follow(events, first)
                        show_use(events.last)
                    break
                except Unavailable as error:
                    if pause is None or live.last.WhichOneof("kind") is None:  # what has begun goes on elsewhere
                        raise
                    say_aside(f"{error.message}; sending it again")
                    sleep(pause)
    except KeyboardInterrupt:
        if not sys.stdin.isatty():
            raise
        say("\n— left —", style="dim")
        return
    talk.heard(live)


def say_aside(text: str) -> None:
    """Something for people that is no result."""
    if sys.stderr.isatty():
        err().print(text, style="dim", markup=False)


def chat(context: typer.Context, agent: AgentName = "", thread: ThreadId = "", collection: Collections = None) -> None:
    """Ask one question after another; each may build on those before. /exit or Ctrl-D ends."""
    settings, failed = connection(context), False
    with settings.open() as rag:
        with patience(settings.server):
            talk = partner(rag, agent, thread, options_of(collection, None, None))
        for words in lines():
            try:
                follow(settings, talk, words)
            except RagentsError as error:
                failed = True
                tell_error(error)
    if isinstance(talk, Agent) and talk.thread_id and not thread:
        say_aside(f"ragents chat --thread {talk.thread_id} goes on with this conversation.")
    raise typer.Exit(Exit.FAILED if failed and not sys.stdin.isatty() else Exit.DONE)
