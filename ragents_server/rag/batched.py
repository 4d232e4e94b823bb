"""Embeddings whose concurrent questions share a request: pays where a request costs more than a text in it.

No task of its own: whoever comes first to a batch leads it, waits for others, and makes the call for all. When the
leader's call is cancelled, the next one leads; whoever is cancelled leaves the others alone.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from ragents_server.models.embeddings import Embeddings, PassageVectors, Vectors


@dataclass(eq=False, slots=True)
class _Seat:
    """One caller in a batch; `turn` gives the caller's vectors, or None when it is now the one to lead."""

    texts: Sequence[str]
    turn: "asyncio.Future[Vectors | None]"


@dataclass(eq=False, slots=True)
class _Batch:
    """Callers that share a request, the leader first."""

    until: float  # when the wait for others ends, in the loop's time
    seats: list[_Seat] = field(default_factory=list)
    full: asyncio.Event = field(default_factory=asyncio.Event)

    def size(self) -> int:
        return sum(len(seat.texts) for seat in self.seats)


class BatchedEmbeddings:
    """Plays `Embeddings`: at most `size` texts a request, `wait` seconds for others, `requests` at once."""

    def __init__(self, embeddings: Embeddings, *, size: int, wait: float, requests: int = 4) -> None:
        self.model = embeddings.model
        self.dimension = embeddings.dimension
        self.max_tokens = embeddings.max_tokens
        self._embeddings = embeddings
        self._size = size
        self._wait = wait
        self._slots = asyncio.Semaphore(requests)  # while all are taken, batches fill
        self._open: _Batch | None = None  # takes further callers

    async def embed_passages(
        self, texts: Sequence[str], sentences: Sequence[Sequence[tuple[int, int]]]
    ) -> list[PassageVectors]:
        """As it is: these come in batches."""
        return await self._embeddings.embed_passages(texts, sentences)

    async def embed_queries(self, texts: Sequence[str]) -> Vectors:
        """One unit vector a text, from a request shared with whoever asks meanwhile."""
        if not 0 < len(texts) < self._size:
            return await self._embeddings.embed_queries(texts)
        seat = _Seat(texts, asyncio.get_running_loop().create_future())
        batch = self._join(seat)
        try:
            if batch.seats[0] is seat or (vectors := await seat.turn) is None:
                vectors = await self._lead(batch, seat)
            return vectors
        finally:
            self._leave(batch, seat)

    def _join(self, seat: _Seat) -> _Batch:
        batch = self._open
        if batch is None or batch.size() + len(seat.texts) > self._size:
            batch = self._open = _Batch(asyncio.get_running_loop().time() + self._wait)
        batch.seats.append(seat)
        if batch.size() >= self._size:
            self._close(batch)
        return batch

    def _close(self, batch: _Batch) -> None:
        batch.full.set()
        if self._open is batch:
            self._open = None

    async def _lead(self, batch: _Batch, leader: _Seat) -> Vectors:
        """Makes the call for all who are seated when it begins, and gives each its own."""
        try:
            async with asyncio.timeout_at(batch.until):
                await batch.full.wait()
        except TimeoutError:
            pass  # nobody else came
        async with self._slots:
            self._close(batch)
            seats = list(batch.seats)  # the leader's is the first
            try:
                vectors = await self._embeddings.embed_queries([text for seat in seats for text in seat.texts])
            except Exception as error:
                _fail(seats[1:], error)
                raise
        _share(seats[1:], vectors[len(leader.texts) :])
        return vectors[: len(leader.texts)]

    def _leave(self, batch: _Batch, seat: _Seat) -> None:
        """Makes room; where the leader leaves before its call is done, the next one is told to lead."""
        led = batch.seats[0] is seat
        batch.seats.remove(seat)
        if not batch.seats:
            self._close(batch)
        elif led and not batch.seats[0].turn.done():
            batch.seats[0].turn.set_result(None)


def _share(seats: Sequence[_Seat], vectors: Vectors) -> None:
    at = 0
    for seat in seats:
        if not seat.turn.done():  # else its call was cancelled
            seat.turn.set_result(vectors[at : at + len(seat.texts)])
        at += len(seat.texts)


def _fail(seats: Sequence[_Seat], error: Exception) -> None:
    for seat in seats:
        if not seat.turn.done():
            seat.turn.set_exception(error)
            seat.turn.exception()  # seen: a caller that is cancelled right now never looks
