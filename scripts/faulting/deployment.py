"""All that a fault test breaks, opened: a database, a Redis, a model and some replicas, each test its own."""

import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from ragents_server.connections.launcher import embedded_postgres
from scripts.evaluation.server import open_folder
from scripts.faulting.model import Model, chat_model
from scripts.faulting.redis import RedisServer, redis_server
from scripts.faulting.replicas import SERVER, Key, Replica, replicas, write_keys

DATABASE = "database"
LANGCHAIN, PLAIN = "openai:stub", "scripts.faulting.chat:PlainChat"


@dataclass(frozen=True, slots=True)
class Deployment:
    """What runs. A replica's own name is its key at the model, so that the model can tell who asks."""

    folder: Path
    database: str
    replicas: list[Replica]
    redis: RedisServer
    model: Model

    @property
    def data(self) -> Path:
        """Of the embedded PostgreSQL, which is a child of ours and is started again when it dies."""
        return self.folder / DATABASE


@asynccontextmanager
async def deployed(
    keys: Sequence[Key],
    each: Sequence[dict[str, object]],
    *,
    short: bool,
    delay: float = 0.0,
    model: Model | None = None,
    program: Sequence[str] = SERVER,
) -> AsyncIterator[Deployment]:
    """A replica for each row of settings; `delay` (seconds) is the model's. `short`: asked without LangChain."""
    with open_folder() as folder:
        async with (
            embedded_postgres(folder / DATABASE) as database,
            redis_server() as redis,
            chat_model(model or Model(delay=delay)) as chat,
        ):
            settings: dict[str, object] = {
                "database": database,
                "database_connections": 8,
                "cache": redis.url,
                "keys": write_keys(folder / "keys.json", keys),
                "embedding_threads": 1,
                "chat_model": PLAIN if short else LANGCHAIN,
                "chat_url": chat.url,
            }
            rows = [settings | {"chat_key": f"replica-{at}"} | own for at, own in enumerate(each)]
            async with replicas(folder, rows, program=program) as running:
                yield Deployment(folder, database, running, redis, chat)


def say(words: str) -> None:
    """A line of progress."""
    print(words, file=sys.stderr, flush=True)
