"""What a whole look-up in the shared Redis costs when many wait at once: checked and decoded, against plain GETs."""

import itertools
import os
import statistics
from collections.abc import Mapping

from ragents_client.v1 import Answer
from ragents_server.cache.clearings import Clearings
from ragents_server.cache.layer import Layer, Stores
from ragents_server.cache.memory import Memory
from ragents_server.cache.redis import RedisStore
from ragents_server.cache.redis_keys import entry
from ragents_server.cache.statistics import Statistics
from ragents_server.cache.stores import LAYERS, Key
from ragents_server.connections.redis import open_redis
from scripts.benchmarks.errors import BenchError
from scripts.benchmarks.load import cpu_ms, raced
from scripts.benchmarks.reads import CALLERS, plain_client
from scripts.benchmarks.texts import Author
from scripts.figures import Figure
from tests.redis_servers import valkey_server

TENANT, LAYER = "bench", "answer"
KEYS, LENGTH = 500, 2_000  # characters of an answer, about
GAIN = 5.0  # at least


async def layer_reads(*, rounds: int, calls: int) -> list[Figure]:
    """A layer without memory and redis-py's GET of the same entries, by turns; so many calls of each caller a round."""
    async with (
        valkey_server() as server,
        open_redis(server.url, setting="RAGENTS_CACHE", timeout=1.0) as shared,
        plain_client(server) as client,
    ):
        stores = Stores(Memory(dict.fromkeys(LAYERS, 0)), RedisStore(shared), Clearings(), Statistics(None))
        layer = Layer(LAYER, stores, seconds=3600)
        answers = await _filled(layer)

        async def plain(digest: bytes) -> None:
            if await client.get(entry(Key(TENANT, LAYER, digest))) is None:
                raise BenchError("an entry is gone")

        async def decoded(digest: bytes) -> None:
            if await layer.slot(TENANT, digest).get(Answer.FromString) is None:
                raise BenchError("an answer is gone")

        asked = list(itertools.islice(itertools.cycle(answers), CALLERS * calls))
        turns = [
            (await raced(plain, asked, callers=CALLERS), await raced(decoded, asked, callers=CALLERS))
            for _ in range(rounds)
        ]
    return [
        Figure("redis_reads_decoded_50_callers", statistics.median(ours.rate for _, ours in turns), "reads/s"),
        Figure.at_least(
            "redis_reads_decoded_gain_50_callers",
            statistics.median(ours.rate / plain.rate for plain, ours in turns),
            GAIN,
            "times",
        ),
        Figure("redis_read_plain_cpu", 1e3 * cpu_ms([plain for plain, _ in turns]), "CPU us/read"),
        Figure("redis_read_decoded_cpu", 1e3 * cpu_ms([ours for _, ours in turns]), "CPU us/read"),
    ]


async def _filled(layer: Layer) -> Mapping[bytes, Answer]:
    """Answers that are in the layer, by digest, and come out of it as they went in."""
    author = Author()
    answers = {os.urandom(16): Answer(text=author.passage(LENGTH).text) for _ in range(KEYS)}
    for digest, answer in answers.items():
        await layer.slot(TENANT, digest).put(answer.SerializeToString())
        hit = await layer.slot(TENANT, digest).get(Answer.FromString)
        if hit is None or hit.value != answer:
            raise BenchError("an answer did not come out of the layer as it went in")
    return answers
