"""What is loaded: two replicas behind the shipped Envoy, a Redis, PostgreSQL, and a model that takes its time."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from math import exp, log, sqrt

import httpx
from prometheus_client.parser import text_string_to_metric_families

from ragents_client import AsyncClient
from scripts.evaluation.server import free_port
from scripts.faulting.deployment import Deployment, deployed, say
from scripts.faulting.model import Model
from scripts.faulting.proxy import Proxy, proxied
from scripts.faulting.replicas import Key
from scripts.loading.streams import TOPICS, document

REPLICAS = 2
SLOTS, LINE = 25, 50  # of each replica
MEAN, P95 = 2.0, 5.0  # seconds: what the project began with said of a call to a hosted model
Z95 = 1.6449  # of the normal law
SPREAD = Z95 - sqrt(Z95**2 - 2 * log(P95 / MEAN))  # of the logarithm, so that both hold
KEY = Key("loader", "loads", priority="CRITICAL")
PRICES = "openai:stub=2.5/10"  # dollars for a million tokens
TIMEOUT = 60.0


@dataclass(slots=True)
class HostedModel(Model):
    """Takes 2 s on the mean, and more than 5 s one time in twenty, by a lognormal law; or `delay` where that is set."""

    def seconds(self) -> float:
        """What the next answer takes."""
        if self.delay:
            return Model.seconds(self)
        return MEAN * exp(self.chance.gauss(-(SPREAD**2) / 2, SPREAD))


@dataclass(frozen=True, slots=True)
class Topology:
    """What runs, and the address that callers know."""

    deployment: Deployment
    proxy: Proxy
    metrics: tuple[str, ...]  # addresses of the replicas' pages

    @property
    def generations(self) -> int:
        """How often the model was asked."""
        return len(self.deployment.model.generations)

    async def total(self, name: str) -> float:
        """A metric's sum over its labels and the replicas."""
        found = 0.0
        async with httpx.AsyncClient(timeout=TIMEOUT) as way:
            for address in self.metrics:
                page = (await way.get(f"http://{address}/metrics")).text
                samples = (sample for family in text_string_to_metric_families(page) for sample in family.samples)
                found += sum(sample.value for sample in samples if sample.name == name)
        return found


@asynccontextmanager
async def loaded(*, delay: float, spread: float = 0.0, plain: bool = True) -> AsyncIterator[Topology]:
    """Opens all of it, with a document for each topic; `plain`: the model is asked without LangChain, to save CPU."""
    model = HostedModel(delay=delay, spread=spread)
    pages = [f"127.0.0.1:{free_port()}" for _ in range(REPLICAS)]
    rows: list[dict[str, object]] = [
        {"executions": SLOTS, "queue": LINE, "lame_duck": 4, "metrics_listen": page, "model_prices": PRICES}
        for page in pages
    ]
    say(f"starting {REPLICAS} replicas, Envoy, Redis, PostgreSQL …")
    async with deployed([KEY], rows, short=plain, model=model) as deployment:
        addresses = [replica.begun.address for replica in deployment.replicas]
        async with proxied(addresses, deployment.folder) as proxy:
            async with AsyncClient(proxy.address, token=KEY.token, timeout=TIMEOUT, wait_for_ready=True) as client:
                await client.put_documents([(f"{topic}.txt", document(topic)) for topic in TOPICS])
            yield Topology(deployment, proxy, tuple(pages))
