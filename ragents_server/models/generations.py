"""What a chat model read and wrote, for whoever traces; nothing is kept where nobody does."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from ragents_server.signals import Span, span


class Generation:
    """What has been written so far, and what that took."""

    def __init__(self, told: Span) -> None:
        self._told = told
        self._pieces: list[str] = []
        self._read = self._written = 0

    def add(self, model: str, text: str, read: int, written: int) -> None:
        """A piece, and the tokens told with it."""
        if self._told.root is not None:
            self._told.attributes["model"] = model
            self._pieces.append(text)
        self._read += read
        self._written += written

    def close(self) -> None:
        """Tells the sum."""
        if self._told.root is not None:
            self._told.show(output="".join(self._pieces))
            self._told.set(input_tokens=self._read, output_tokens=self._written)


@contextmanager
def generating(model: str, messages: Callable[[], Sequence[tuple[str, str]]]) -> Iterator[Generation]:
    """A span around a generation; `messages` are pairs of who says it and what."""
    with span("generation", model=model) as told:
        if told.root is not None:
            told.show(input=[{"role": role, "content": text} for role, text in messages()])
        generation = Generation(told)
        try:
            yield generation
        finally:
            generation.close()
