"""How near the cache's layer comes to the best that any cache could do, on a fixed stream of questions.

The best is MIN (L. A. Belady, A study of replacement algorithms for a virtual-storage computer, IBM Systems Journal
5(2), 1966): where room is short, what is asked again last goes first, and what will be too old by then before it. MIN
needs entries of one size, so every answer here has the same. Where room does not bind this is the optimum: an answer
is made only when there is none young enough. Where it does, the answers' limited life makes it near, not exact.
"""

import hashlib
import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ragents_server.cache.clearings import Clearings
from ragents_server.cache.layer import Layer, Stores
from ragents_server.cache.memory import OVERHEAD, Memory
from ragents_server.cache.statistics import Statistics
from ragents_server.caching import REPEATS
from ragents_server.settings import Settings
from scripts.benchmarks.errors import BenchError
from scripts.figures import Figure

SEED = 8
EXPONENT, QUESTIONS = 0.8, 10_000
REQUESTS = 60_000
BEGINNING = 1.7e9  # of the stream, in seconds since 1970
HOURS = 3.0  # that the stream takes: an answer's hour bites a little
TENANT, LAYER = "bench", "answer"
VALUE = 2_000  # bytes of an answer
SHARE = 0.99  # of the optimum's hits, at least


@dataclass(frozen=True, slots=True)
class Request:
    """One question of the stream, and when it is asked, in seconds."""

    question: int
    at: float


@dataclass(slots=True)
class _Clock:
    """The stream's time."""

    now: float

    def __call__(self) -> float:
        return self.now


def stream(requests: int = REQUESTS, *, seed: int = SEED) -> list[Request]:
    """Questions by Zipf's law that come at random moments, as many an hour as any other; the same for a seed."""
    numbers = np.random.default_rng(seed)
    chances = 1 / np.arange(1, QUESTIONS + 1) ** EXPONENT
    asked = numbers.choice(QUESTIONS, size=requests, p=chances / chances.sum())
    times = BEGINNING + np.cumsum(numbers.exponential(HOURS * 3600 / requests, size=requests))
    return [Request(int(question), float(at)) for question, at in zip(asked, times, strict=True)]


async def hit_ratios(requests: int = REQUESTS) -> list[Figure]:
    """With the room that the default settings give, then with room for a tenth of the questions."""
    asked, seconds = stream(requests), float(_default("cache_answer_ttl"))
    entry, room = await _entry_size(), int(_default("cache_answer_size") * (1 - REPEATS))
    hits = await layer_hits(asked, size=room, seconds=seconds)
    best = clairvoyant_hits(asked, entries=room // entry, seconds=seconds)
    hits_tenth = await layer_hits(asked, size=QUESTIONS // 10 * entry, seconds=seconds)
    best_tenth = clairvoyant_hits(asked, entries=QUESTIONS // 10, seconds=seconds)
    return [
        Figure("zipf_hit_ratio", hits / len(asked)),
        Figure.at_least("zipf_share_of_optimum", hits / best, SHARE),
        Figure("zipf_hit_ratio_10_percent_room", hits_tenth / len(asked)),
        Figure("zipf_share_of_optimum_10_percent_room", hits_tenth / best_tenth),
    ]


async def layer_hits(asked: Sequence[Request], *, size: int, seconds: float) -> int:
    """The hits of the server's own layer with so many bytes of memory; every miss stores the answer."""
    clock, hits = _Clock(BEGINNING), 0
    layer = Layer(LAYER, _stores(clock, size), seconds=seconds, clock=clock)
    for request in asked:
        clock.now = request.at
        digest = _digest(request.question)
        slot = layer.slot(TENANT, digest)
        hit = await slot.get(bytes)
        if hit is None:
            await slot.put(_value(digest))
        elif hit.value != _value(digest) or hit.age >= seconds:
            raise BenchError("a hit is the answer to another question, or too old")
        else:
            hits += 1
    return hits


def clairvoyant_hits(asked: Sequence[Request], *, entries: int, seconds: float) -> int:
    """The hits of MIN with room for so many answers, each for so many seconds from when it was made."""
    following, hits = _following(asked), 0
    made = dict[int, float]()
    kept = dict[int, int]()  # by question, the place of its next asking
    furthest = list[tuple[int, int]]()  # the same as a heap; pairs that are no longer so stay in it
    for at, request in enumerate(asked):
        if kept.pop(request.question, None) is not None:
            hits += 1
        else:
            made[request.question] = request.at
        following_at = following[at]
        if following_at < len(asked) and asked[following_at].at - made[request.question] < seconds:
            kept[request.question] = following_at
            heapq.heappush(furthest, (-following_at, request.question))
        while len(kept) > entries:
            place, question = heapq.heappop(furthest)
            if kept.get(question) == -place:
                del kept[question]
    return hits


def _following(asked: Sequence[Request]) -> list[int]:
    """Where the question of each place is asked again; past the end where it is not."""
    seen, following = dict[int, int](), [len(asked)] * len(asked)
    for at in range(len(asked) - 1, -1, -1):
        following[at] = seen.get(asked[at].question, len(asked))
        seen[asked[at].question] = at
    return following


async def _entry_size() -> int:
    """The bytes that one answer takes of the room."""
    clock, digest = _Clock(BEGINNING), _digest(0)
    stores = _stores(clock, 2**20)
    await Layer(LAYER, stores, seconds=1, clock=clock).slot(TENANT, digest).put(_value(digest))
    return (await stores.memory.sizes(TENANT))[LAYER].bytes + OVERHEAD


def _stores(clock: Callable[[], float], size: int) -> Stores:
    return Stores(Memory({LAYER: size}, clock=clock), None, Clearings(), Statistics(None))


def _digest(question: int) -> bytes:
    return hashlib.blake2b(question.to_bytes(8), digest_size=16).digest()


def _value(digest: bytes) -> bytes:
    """A question's answer, and no other's."""
    return digest * (VALUE // len(digest))


def _default(setting: str) -> int:
    """Whatever the caller's own RAGENTS_ variables say."""
    found: int = Settings.model_fields[setting].default
    return found
