"""`ragents chat`: questions one after another, to an agent or to the plain engine."""

import sys
from collections.abc import Iterator
from contextlib import suppress
from typing import Annotated, Protocol

import typer

from ragents_client.calls.questions import Asked
from ragents_client.client import Client
from ragents_client.command.asking import Collections, options_of
from ragents_client.command.caching import show_use
from ragents_client.command.connection import Connection, connection
from ragents_client.command.exits import Exit
from ragents_client.command.live import Live, called
from ragents_client.command.screen import err, patience, say, tell_error
from ragents_client.conditions import value
from ragents_client.errors import RagentsError, Unimplemented
from ragents_client.streams import Stream
from ragents_client.v1 import INTERRUPT_KIND_APPROVAL, Event, Exchange, Interrupt, Reply

MOST_EXCHANGES = 32  # the contract's limits, as the two below
QUESTION_BYTES = 8_192
ANSWER_BYTES = 32_768
END = "/exit"

AgentName = Annotated[str, typer.Option(help="The agent to talk to.", show_default="the server's own")]


class Partner(Protocol):
    """Who is talked to."""

    def say(self, words: str) -> Stream[Event]:
        """Sends what was typed."""
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

    def say(self, words: str) -> Stream[Event]:
        """Asks, with what was said before."""
        self._words = words
        options: Asked = {**self._options, "history": self._history}
        return self._rag.stream_query(words, **options)

    def heard(self, live: Live) -> None:
        """Keeps the exchange."""
        answer = cut(live.last.answer.text, ANSWER_BYTES)
        exchange = Exchange(question=cut(self._words, QUESTION_BYTES), answer=answer)
        self._history = [*self._history, exchange][-MOST_EXCHANGES:]


class Agent:
    """An agent; the server keeps the conversation."""

    def __init__(self, rag: Client, name: str, options: Asked) -> None:
        self._rag = rag
        self._name = name
        self._options = options
        self._thread_id = ""
        self._interrupt: Interrupt | None = None

    def say(self, words: str) -> Stream[Event]:
        """Sends the next question, or the reply that is waited for."""
        if self._interrupt is not None:
            reply = Reply(interrupt_id=self._interrupt.id, value=value(words))
            return self._rag.stream_run(self._name, reply, thread_id=self._thread_id)
        return self._rag.stream_run(self._name, words, thread_id=self._thread_id, **self._options)

    def heard(self, live: Live) -> None:
        """Shows what the agent waits for, if it does."""
        self._thread_id = live.thread_id or self._thread_id
        self._interrupt = live.last.interrupt if live.last.HasField("interrupt") else None
        if self._interrupt is not None:
            show_interrupt(self._interrupt)


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


def partner(rag: Client, agent: str, options: Asked) -> Partner:
    """An agent where the server has any, else the plain engine; an agent that was named must be there."""
    try:
        loaded = rag.list_agents()
    except Unimplemented:
        if agent:
            raise
        loaded = []
    return Agent(rag, agent, options) if loaded or agent else Engine(rag, options)


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


def exchange(settings: Connection, talk: Partner, words: str) -> None:
    """One thing said and what comes back; Ctrl-C leaves the answer, not the chat."""
    live = Live()
    try:
        with patience(settings.server) as first, talk.say(words) as events:
            live.follow(events, first)
            show_use(events.last)
    except KeyboardInterrupt:
        if not sys.stdin.isatty():
            raise
        say("\n— left —", style="dim")
        return
    talk.heard(live)


def chat(context: typer.Context, agent: AgentName = "", collection: Collections = None) -> None:
    """Ask one question after another; each may build on those before. /exit or Ctrl-D ends."""
    settings, failed = connection(context), False
    with settings.open() as rag:
        with patience(settings.server):
            talk = partner(rag, agent, options_of(collection, None, None))
        for words in lines():
            try:
                exchange(settings, talk, words)
            except RagentsError as error:
                failed = True
                tell_error(error)
    raise typer.Exit(Exit.FAILED if failed and not sys.stdin.isatty() else Exit.DONE)
