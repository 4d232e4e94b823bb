"""Redis for whoever shares something between replicas: one server or a cluster, and what it means when it is away.

Every request is bounded in time. The first one that gets no answer closes the way for all: until a task of ours finds
the server answering again, requests fail at once and touch no network.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, Protocol

from ragents_server.connections.redis_guard import Guard, RedisRefused, RedisUnavailable, Tasks, meaning
from ragents_server.connections.redis_url import Place, parsed
from ragents_server.errors import ConfigurationError

if TYPE_CHECKING:
    from redis.asyncio import Redis as Client
    from redis.asyncio import RedisCluster

__all__ = ["Redis", "RedisRefused", "RedisUnavailable", "open_redis"]

MAP_SECONDS = 2.0  # to learn which server of a cluster has what
MOST_TRIES = 10_000  # keys, to find one of each server of a cluster

Argument = str | bytes | int
Command = Sequence[Argument]


class Servers(Protocol):
    """One server, or those of a cluster."""

    @property
    def away(self) -> bool:
        """Whether the way to any of them is closed."""
        ...

    @property
    def connections(self) -> int:
        """How many there are, at work or idle."""
        ...

    def slot(self, key: str) -> int:
        """Keys of one slot may stand in one command."""
        ...

    def server(self, key: str) -> str:
        """Keys of one server may stand in one pipeline."""
        ...

    async def call(self, key: str, *command: Argument, **options: Any) -> Any:
        """The reply of the server that has the key."""
        ...

    async def pipeline(self, key: str, commands: Sequence[Command]) -> list[Any]:
        """Its replies to several commands at once; errors among them."""
        ...

    async def primaries(self) -> Sequence[tuple[str, dict[str, Any]]]:
        """A key and the options of a call for each of the servers that have all keys between them."""
        ...

    async def close(self) -> None:
        """Closes all connections."""
        ...


class Redis:
    """What a part needs of Redis. Raises RedisUnavailable or RedisRefused; replies are in the form redis-py gives."""

    def __init__(self, servers: Servers, tasks: Tasks, name: str = "ragents") -> None:
        self.name = name  # of our connections at the server
        self.slot = servers.slot  # of a key: keys of one slot may stand in one command
        self.server = servers.server  # of a key: keys of one server may stand in one pipeline
        self.call = servers.call  # (key, *command): the reply of the server that has the key
        self.spawn = tasks.spawn  # starts a task that ends with this Redis at the latest
        self._servers = servers

    @property
    def away(self) -> bool:
        """Whether requests fail at once, to one of its servers at least."""
        return self._servers.away

    @property
    def connections(self) -> int:
        """How many there are."""
        return self._servers.connections

    async def pipeline(self, key: str, commands: Sequence[Command]) -> list[Any]:
        """The replies to commands about keys of the server of `key`, in one round trip; not a transaction."""
        replies = await self._servers.pipeline(key, commands)
        for reply in replies:
            if isinstance(reply, Exception):
                raise meaning(reply)
        return replies

    async def scan(self, pattern: str, page: int = 1000) -> AsyncIterator[list[str]]:
        """The keys that match, in pages of about so many, perhaps some twice: of all servers, one after the other."""
        for key, options in await self._servers.primaries():
            cursor = 0
            while True:
                reply = await self.call(key, "SCAN", cursor, "MATCH", pattern, "COUNT", page, **options)
                cursor, keys = _page(reply)
                if keys:
                    yield keys
                if not cursor:
                    break


def _page(reply: Any) -> tuple[int, list[str]]:
    """A cursor and keys; those that are no text are not ours. A cluster's reply names the server of the cursor."""
    try:
        cursor, keys = reply
        cursor = next(iter(cursor.values())) if isinstance(cursor, dict) else cursor
        texts = [key.decode(errors="replace") for key in keys]
        return int(cursor), [text for text in texts if "\ufffd" not in text]
    except (TypeError, ValueError, AttributeError):
        raise RedisUnavailable("the reply to SCAN has another form") from None


class _Server:
    """Plays `Servers` with the only one."""

    def __init__(self, place: Place, client: "Client", *, timeout: float, tasks: Tasks) -> None:
        async def probe(key: str) -> None:
            async with asyncio.timeout(timeout):
                await client.exists(key)

        self._client = client
        self._guard = Guard(str(place), probe, timeout=timeout, tasks=tasks)

    @property
    def away(self) -> bool:
        return self._guard.away

    @property
    def connections(self) -> int:
        pool = self._client.connection_pool
        return len(pool._available_connections) + len(pool._in_use_connections)

    def slot(self, key: str) -> int:  # noqa: ARG002 - all are of one
        return 0

    def server(self, key: str) -> str:  # noqa: ARG002
        return ""

    async def call(self, key: str, *command: Argument, **options: Any) -> Any:
        return await self._guard.ask(key, self._client.execute_command, *command, **options)

    async def pipeline(self, key: str, commands: Sequence[Command]) -> list[Any]:
        pipe = self._client.pipeline(transaction=False)
        for command in commands:
            pipe.execute_command(*command)
        return await self._guard.ask(key, pipe.execute, raise_on_error=False)

    async def primaries(self) -> Sequence[tuple[str, dict[str, Any]]]:
        return [("ragents", {})]

    async def close(self) -> None:
        with suppress(Exception):  # of a server that is away there is nothing to wait for
            await self._client.connection_pool.disconnect()


class _Cluster:
    """Plays `Servers` with a guard for each: while one is away the keys of the others are served."""

    def __init__(self, place: Place, client: "RedisCluster", *, connections: int, timeout: float, tasks: Tasks) -> None:
        self._name = str(place)
        self._client = client
        self._timeout = timeout
        self._tasks = tasks
        self._free = asyncio.Semaphore(connections)  # redis-py's cluster fails where its pool waits
        self._guards: dict[str, Guard] = {}

    @property
    def away(self) -> bool:
        return any(guard.away for guard in self._guards.values())

    @property
    def connections(self) -> int:
        return sum(len(node._connections) for node in self._client.nodes_manager.nodes_cache.values())

    def slot(self, key: str) -> int:
        return self._client.keyslot(key)

    def server(self, key: str) -> str:
        owners = self._client.nodes_manager.slots_cache.get(self.slot(key))
        return owners[0].name if owners else self._name

    async def call(self, key: str, *command: Argument, **options: Any) -> Any:
        return await self._guard(key).ask(key, self._called, *command, **options)

    async def pipeline(self, key: str, commands: Sequence[Command]) -> list[Any]:
        return await self._guard(key).ask(key, self._piped, commands)

    async def primaries(self) -> Sequence[tuple[str, dict[str, Any]]]:
        """Any key of a server will do, so that its own guard is asked."""
        await self._guard("ragents").ask("ragents", self._client.initialize)
        nodes = {node.name: node for node in self._client.get_primaries()}
        keys: dict[str, str] = {}
        for key in (f"ragents:{number}" for number in range(MOST_TRIES)):
            if len(keys) == len(nodes):
                break
            keys.setdefault(self._client.nodes_manager.get_node_from_slot(self.slot(key)).name, key)
        return [(keys[name], {"target_nodes": [nodes[name]]}) for name in keys.keys() & nodes.keys()]

    async def learn(self) -> None:
        """Reads the cluster's map where it was never read or proved wrong."""
        async with asyncio.timeout(MAP_SECONDS):
            await self._client.initialize()

    async def close(self) -> None:
        """All nodes by hand: redis-py's cluster does nothing where its map has just proved wrong."""
        manager = self._client.nodes_manager
        nodes = [*manager.nodes_cache.values(), *manager.startup_nodes.values()]  # equal ones may be two
        with suppress(Exception):  # of a server that is away there is nothing to wait for
            await self._client.aclose()
            await asyncio.gather(*(node.disconnect() for node in nodes), return_exceptions=True)

    async def _called(self, *command: Argument, **options: Any) -> Any:
        async with self._free:
            return await self._client.execute_command(*command, **options)

    async def _piped(self, commands: Sequence[Command]) -> list[Any]:
        async with self._free:
            pipe = self._client.pipeline()
            for command in commands:
                pipe.execute_command(*command)
            replies: list[Any] = await pipe.execute(raise_on_error=False)
            return replies

    def _guard(self, key: str) -> Guard:
        """Of the server that has the key, as far as is known."""
        name = self.server(key)
        if name not in self._guards:
            self._guards[name] = Guard(name, self._probe, timeout=self._timeout, tasks=self._tasks)
        return self._guards[name]

    async def _probe(self, key: str) -> None:
        """Looks at the map first: another server may have taken over."""
        async with asyncio.timeout(MAP_SECONDS):
            await self._client.initialize()
            await self._client.nodes_manager.initialize()
        async with asyncio.timeout(self._timeout):
            await self._client.execute_command("EXISTS", key)


@asynccontextmanager
async def open_redis(
    url: str, *, setting: str, timeout: float = 0.1, connections: int = 8, name: str = "ragents"
) -> AsyncIterator[Redis]:
    """The Redis at redis://, rediss:// (verified; `?ssl_ca_certs=`), unix:// or redis+cluster://; it may be away.

    `timeout` bounds every request in seconds: waiting for one of the `connections`, connecting, the reply. `name` is
    what the server calls our connections. Raises ConfigurationError, which begins with the setting's name.
    """
    place = parsed(url, setting)
    tasks = Tasks()
    options = place.options | {"client_name": name, "socket_connect_timeout": timeout, "socket_timeout": None}
    try:
        servers = _opened(place, options, connections=connections, timeout=timeout, tasks=tasks)
    except ImportError:
        raise ConfigurationError(f"{setting}: install ragents-grpc[redis]") from None
    try:
        if isinstance(servers, _Cluster):
            with suppress(Exception):  # the first request finds out
                await servers.learn()
        yield Redis(servers, tasks, name)
    finally:
        await tasks.end()
        await servers.close()


def _opened(place: Place, options: dict[str, Any], *, connections: int, timeout: float, tasks: Tasks) -> Servers:
    """No retries anywhere: a caller has no time for them, and the guard's task has all the time."""
    from redis import asyncio as redis
    from redis.asyncio.cluster import ClusterNode
    from redis.asyncio.retry import Retry
    from redis.backoff import NoBackoff

    options |= {"protocol": 2, "retry": Retry(NoBackoff(), 0)}
    if place.cluster:
        nodes = [ClusterNode(host, port) for host, port in place.hosts]
        cluster = redis.RedisCluster(startup_nodes=nodes, ssl=place.secure, max_connections=2 * connections, **options)
        return _Cluster(place, cluster, connections=connections, timeout=timeout, tasks=tasks)
    if place.path:
        options |= {"connection_class": redis.UnixDomainSocketConnection, "path": place.path}
    else:
        (options["host"], options["port"]), *_ = place.hosts
        options["connection_class"] = redis.SSLConnection if place.secure else redis.Connection
    pool = redis.BlockingConnectionPool(max_connections=connections, timeout=None, **options)
    return _Server(place, redis.Redis(connection_pool=pool), timeout=timeout, tasks=tasks)
