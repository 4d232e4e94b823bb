"""The bench `main`, on the embedded default: starts, ingestion, questions at two sizes, memory, batches."""

from dataclasses import dataclass
from pathlib import Path

from ragents_server.models.minilm import MiniLM
from scripts.benchmarks.batching import batching
from scripts.benchmarks.echo import echoing
from scripts.benchmarks.ingesting import ingestion
from scripts.benchmarks.loading import open_loader
from scripts.benchmarks.processes import memory_mb
from scripts.benchmarks.querying import Effort, Querying
from scripts.benchmarks.service import serving
from scripts.benchmarks.starting import starts
from scripts.benchmarks.texts import SEED, Author
from scripts.evaluation.server import open_folder
from scripts.figures import Figure

MEMORY = 800.0  # MB at most

NOTES = {
    "texts": f"made, seed {SEED}: 80,000 English words by Zipf's law, passages of about 1,000 characters",
    "cold_start": "initdb, then the model: 100 documents of a passage each wait for the cores to embed them",
    "warm_start": "imports and the model's load, beside PostgreSQL's start",
    "ingestion": "the model: embedding is it alone, in the bench's process, by turns. Documents have about 8 passages. "
    "Without sentences: less what their vectors add to the model's time",
    "query": "embedding (the model alone) + search (the SQL alone) + reading passages + writing + gRPC. Vectors are "
    "made, at random, which HNSW finds harder than a model's. Every question is new",
    "echo": "bare grpc.aio, an answer's bytes there and back. The client is Python too: its .1 to .3 ms of CPU a call "
    "limit the echo's calls a second, not ours",
    "memory": "PSS of the server and all below it after all of this; PostgreSQL's shared buffers count once. The "
    "caches, which have a bound of their own, may hold 20 MB here",
    "batching": "an embedding server of ours that takes 20 ms a request and 1 ms a text, one request at a time",
}


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured; `sizes` of the index with its name and the median's limit in milliseconds."""

    starts: int
    warm_starts: int
    documents: int  # of a cold start
    ingestion_rounds: int
    ingested: int  # documents a round
    sizes: tuple[tuple[int, str, float], ...]
    effort: Effort
    batching_rounds: int
    calls: int  # of each caller of the embedding server, a round


FULL = Plan(
    starts=3,
    warm_starts=2,
    documents=100,
    ingestion_rounds=5,
    ingested=8,
    sizes=((10_000, "10k", 30.0), (100_000, "100k", 80.0)),
    effort=Effort(rounds=7, questions=40, echoes=400),
    batching_rounds=3,
    calls=10,
)
SHORT = Plan(
    starts=1,
    warm_starts=1,
    documents=10,
    ingestion_rounds=1,
    ingested=2,
    sizes=((2_000, "2k", 30.0),),
    effort=Effort(rounds=2, questions=5, echoes=40),
    batching_rounds=1,
    calls=3,
)


async def measured(*, short: bool) -> list[Figure]:
    """All figures."""
    plan = SHORT if short else FULL
    found = await starts(plan.starts, plan.warm_starts, plan.documents)
    found += await batching(rounds=plan.batching_rounds, calls=plan.calls)
    with open_folder() as folder:
        return found + await _of_one_server(plan, folder)


async def _of_one_server(plan: Plan, folder: Path) -> list[Figure]:
    async with (
        serving(folder) as service,
        echoing() as echo,
        MiniLM.open() as model,
        open_loader(service.database, Author()) as loader,
    ):
        found = await ingestion(service, model, rounds=plan.ingestion_rounds, documents=plan.ingested)
        querying = Querying(service, loader, echo, model)
        for passages, name, most in plan.sizes:
            await loader.fill(passages)
            found += await querying.measure(name, plan.effort, most)
        name = plan.sizes[-1][1]
        return [*found, Figure.at_most(f"memory_{name}", memory_mb(service.pid), MEMORY, "MB")]
