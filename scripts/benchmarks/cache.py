"""The bench `cache`: a hit beside bare gRPC, reads from Redis, repeats of a slow model's answers, hits on a stream."""

import sys
from dataclasses import dataclass

from scripts.benchmarks import zipf
from scripts.benchmarks.cores import two_cores
from scripts.benchmarks.errors import BenchError
from scripts.benchmarks.h2load import ready
from scripts.benchmarks.hits import CONNECTIONS, hits
from scripts.benchmarks.redis_reads import redis_reads
from scripts.benchmarks.repeating import WRITING, repeating
from scripts.figures import Figure

NOTES = {
    "cached_over_echo": f"calls a second of a cached answer over those of a bare grpc.aio server that sends the same "
    f"bytes, on {CONNECTIONS} connections from h2load, by turns; the servers on one core, the load on another. The "
    "server's loop is uvloop. With _cpu: the same of calls a CPU second, which others on that core do not change",
    "share_of_its_core": "near 1: the server's own work is what limits it. Well below: something else ran there",
    "redis_reads": "50 tasks, one read each at a time, against GET through redis-py with a pool of as many "
    "connections. Decoded: through a layer that holds nothing in memory, checked against tenant and key, as an "
    "Answer of 2 KB",
    "repeat": f"a chat model of ours that writes for {1000 * WRITING:.0f} ms. Revalidated: another document was put "
    "between, so that the question is searched again and the answer is not written again",
    "zipf": f"s = {zipf.EXPONENT}, {zipf.QUESTIONS:,} questions, {zipf.HOURS:.0f} hours, seed {zipf.SEED}; answers "
    "live an hour. The optimum is Belady's MIN with the same hour; with room for 10 % of the questions only near it",
}


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured."""

    hit_rounds: int
    hits: int  # of each server, a round
    read_rounds: int
    reads: int  # of each caller, a round
    questions: int
    requests: int


FULL = Plan(hit_rounds=9, hits=6_000, read_rounds=25, reads=40, questions=12, requests=zipf.REQUESTS)
SHORT = Plan(hit_rounds=1, hits=500, read_rounds=1, reads=10, questions=2, requests=5_000)


async def measured(*, short: bool) -> list[Figure]:
    """All figures."""
    plan = SHORT if short else FULL
    return [
        *await _hits(plan, needed=not short),
        *await redis_reads(rounds=plan.read_rounds, calls=plan.reads),
        *await repeating(questions=plan.questions),
        *await zipf.hit_ratios(plan.requests),
    ]


async def _hits(plan: Plan, *, needed: bool) -> list[Figure]:
    """Where the machine has what it takes; else, if that is not needed, it says so."""
    try:
        await ready()
        two_cores()
    except BenchError as missing:
        if needed:
            raise
        print(f"left out, a cached answer beside a bare echo: {missing}", file=sys.stderr)
        return []
    return await hits(rounds=plan.hit_rounds, calls=plan.hits)
