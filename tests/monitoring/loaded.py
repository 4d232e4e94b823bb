"""A real server with real back ends under a load of everything, and a real Prometheus that scrapes it."""

import asyncio
import json
import tempfile
from asyncio.subprocess import DEVNULL
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import httpx

from ragents_client.v1 import (
    CACHE_MODE_NONE,
    AgentServiceStub,
    CacheServiceStub,
    DocumentServiceStub,
    ListDocumentsRequest,
    QueryRequest,
    QueryServiceStub,
    Question,
    ReportBadHitRequest,
    RunRequest,
    SubmitBatchRequest,
    Turn,
)
from tests.monitoring.prometheus import program
from tests.openai_server import Call, Fault, Messages, Reply, openai_server
from tests.opik_server import opik_server
from tests.postgres_servers import embedded_database, free_port
from tests.redis_servers import valkey_server
from tests.servers import bearer, keys_file
from tests.services import calls
from tests.services.processes import ready

MODEL = "openai:gpt-test"
SCRAPE = 1  # seconds
QUESTIONS = ("Where does the quokka live?", "How tall is the lighthouse?", "Which mole is for boats of 20 m?")
BROKEN = "What is broken of the quokka?"
TEXT = b"The quokka lives on Rottnest Island. The lighthouse is 31 metres tall. Boats of 20 m use mole two."


@dataclass(frozen=True, slots=True)
class Prometheus:
    """One that runs; `seconds` is the window of rates, as Grafana would choose it."""

    url: str
    window: str = "10s"

    def expression(self, query: str) -> str:
        """The query with Grafana's variables filled in, for everything there is."""
        filled = query.replace("$__rate_interval", self.window).replace("$namespace", ".*")
        return filled.replace("$job", ".*")

    async def course(self, query: str, seconds: float) -> list[dict[str, Any]]:
        """The series of the last seconds; each has `metric` and `values`."""
        now = json.loads(await self._get("/api/v1/query", query="time()"))["data"]["result"][0]
        times = {"start": now - seconds, "end": now, "step": SCRAPE}
        told = json.loads(await self._get("/api/v1/query_range", query=self.expression(query), **times))
        return list(told["data"]["result"])

    async def _get(self, path: str, **words: Any) -> bytes:
        async with httpx.AsyncClient(timeout=10) as way:
            return (await way.get(f"{self.url}{path}", params=words)).content


@asynccontextmanager
async def prometheus(*targets: str) -> AsyncIterator[Prometheus]:
    """Debian's, on a free port of loopback, with its data in a folder that is gone afterwards."""
    binary = program("prometheus")
    with tempfile.TemporaryDirectory(prefix="ragents-prometheus-") as folder:
        scrape = {
            "job_name": "ragents",
            "static_configs": [{"targets": list(targets), "labels": {"namespace": "zoo"}}],
            "scrape_interval": f"{SCRAPE}s",
        }
        config = Path(folder) / "prometheus.json"  # JSON is YAML
        config.write_text(json.dumps({"scrape_configs": [scrape]}))
        address = f"127.0.0.1:{free_port()}"
        options = [f"--config.file={config}", f"--storage.tsdb.path={folder}/data", f"--web.listen-address={address}"]
        process = await asyncio.create_subprocess_exec(binary, *options, stdout=DEVNULL, stderr=DEVNULL)
        try:
            found = Prometheus(f"http://{address}")
            async with asyncio.timeout(30):
                while not await _up(found, len(targets)):  # noqa: ASYNC110 - nothing tells
                    await asyncio.sleep(0.1)
            yield found
        finally:
            with suppress(ProcessLookupError):
                process.terminate()
            await process.wait()


async def _up(found: Prometheus, targets: int) -> bool:
    with suppress(httpx.HTTPError, ValueError, IndexError, KeyError):
        told = json.loads(await found._get("/api/v1/query", query="sum(up)"))
        return float(told["data"]["result"][0]["value"][1]) == targets
    return False


def answers(messages: Messages) -> Reply | Fault:
    """What a model would say: it looks something up for an agent, and then writes; to one question it fails."""
    said = str(messages[-1].get("content"))
    if BROKEN in said:
        return Fault(500)
    if messages[-1]["role"] == "user" and "please" in said and "[1]" not in said:
        return Reply(calls=[Call("retrieve", '{"query": "quokka"}')])
    return Reply(["It lives ", "on Rottnest Island [1]."])


@dataclass(frozen=True, slots=True)
class Load:
    """Everything that a dashboard shows, again and again."""

    channel: grpc.aio.Channel

    async def put(self, name: str) -> None:
        """One document."""
        found = DocumentServiceStub(self.channel).PutDocuments(
            iter(calls.whole(name, TEXT + name.encode())), metadata=bearer("ada"), timeout=60
        )
        async for _ in found:
            pass

    async def round(self, number: int) -> None:
        """One of each: a hit, a miss, a turn, a document, refusals, and more calls at once than there is room for."""
        fresh = [Question(text=f"{QUESTIONS[0]} {number}-{one}", cache_mode=CACHE_MODE_NONE) for one in range(8)]
        await asyncio.gather(
            *(self._ask(Question(text=QUESTIONS[number % 3])) for _ in range(3)),
            *(self._ask(one) for one in fresh),
            self._turn(number),
            self.put(f"{number}.txt"),
            self._limited(),
            self._ask(Question(text=f"{BROKEN} {number}", cache_mode=CACHE_MODE_NONE)),
            self._report(),
            return_exceptions=True,
        )

    async def batch(self) -> None:
        """Questions in the background."""
        request = SubmitBatchRequest(request_id="batch-1", questions=[Question(text=one) for one in QUESTIONS])
        await QueryServiceStub(self.channel).SubmitBatch(request, metadata=bearer("ada"), timeout=20)

    async def _ask(self, question: Question) -> None:
        request = QueryRequest(question=question)
        await QueryServiceStub(self.channel).Query(request, metadata=bearer("ada"), timeout=20)

    async def _turn(self, number: int) -> None:
        question = Question(text="Where does the quokka live, please?")
        turn = Turn(agent="react", thread_id=f"t{number % 3}", request_id=f"turn-{number}", question=question)
        await AgentServiceStub(self.channel).Run(RunRequest(turn=turn), metadata=bearer("ada"), timeout=30)

    async def _limited(self) -> None:
        for _ in range(3):
            request = ListDocumentsRequest()
            await DocumentServiceStub(self.channel).ListDocuments(request, metadata=bearer("bob"), timeout=5)

    async def _report(self) -> None:
        request = QueryRequest(question=Question(text=QUESTIONS[0]))
        response = await QueryServiceStub(self.channel).Query(request, metadata=bearer("ada"), timeout=20)
        report = ReportBadHitRequest(entry_id=response.cache.entry_id)
        await CacheServiceStub(self.channel).ReportBadHit(report, metadata=bearer("ada"), timeout=5)


@asynccontextmanager
async def loaded(folder: Path, seconds: float) -> AsyncIterator[Prometheus]:
    """After so many seconds of load; the server and Prometheus still run."""
    metrics = f"127.0.0.1:{free_port()}"
    quotas = folder / "quotas.json"
    quotas.write_text(json.dumps({"small": {"requests_per_minute": 1, "burst": 1}}))
    ada = {"tenant": "zoo", "user": "ada", "scopes": ["ask", "write"]}
    bob = {"tenant": "zoo", "user": "bob", "scopes": ["ask"], "quota": "small"}
    async with (
        embedded_database() as database,
        valkey_server("--maxmemory-policy", "noeviction") as redis,
        openai_server(answers) as model,
        opik_server() as opik,
        ready(
            **{"database": database, "metrics_listen": metrics, "opik_url": opik.url},
            **{"cache": redis.url, "limits": redis.url, "checkpoints": redis.url},
            **{"chat_model": MODEL, "chat_url": model.url, "chat_key": "none", "model_prices": f"{MODEL}=2.5/10"},
            **{"keys": keys_file(folder, ada=ada, bob=bob), "quotas": quotas, "rate_limit_wait": 0},
            **{"executions": 2, "queue": 2},
        ) as (_, channel),
        prometheus(metrics) as found,
    ):
        load = Load(channel)
        await load.put("first.txt")
        await load.batch()
        until = asyncio.get_running_loop().time() + seconds
        number = 0
        while asyncio.get_running_loop().time() < until:
            await load.round(number)
            number += 1
        yield found
