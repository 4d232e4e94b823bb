"""The Redis of k8s/, run for real with the shipped configuration."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from redis.asyncio import Redis
from redis.exceptions import AuthenticationError, NoPermissionError

from scripts.manifests.building import Built, overlay
from tests.redis_servers import free_port, valkey


@pytest.fixture(scope="module")
def dev() -> Built:
    return overlay("dev")


@asynccontextmanager
async def running(built: Built, role: str, folder: Path) -> AsyncIterator[int]:
    """A server with the configuration of the ConfigMap, its folders and its port moved; the port."""
    workload = built.the("StatefulSet", f"redis-{role}")["spec"]["template"]["spec"]
    name = next(one["configMap"]["name"] for one in workload["volumes"] if one["name"] == "config")
    text, port = built.the("ConfigMap", name)["data"]["valkey.conf"], free_port()
    text = text.replace("/run/secrets/redis", str(folder)).replace("dir /data", f"dir {folder}")
    text = text.replace("port 6379", f"port {port}\nbind 127.0.0.1")
    (folder / "auth.conf").write_text("requirepass secret\n")
    (folder / "valkey.conf").write_text(text)
    process = await asyncio.create_subprocess_exec(
        str(valkey()), str(folder / "valkey.conf"), stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(20):
            async for line in process.stdout:
                if b"Ready to accept connections" in line:
                    break
        yield port
    finally:
        process.kill()
        await process.wait()


@pytest.mark.parametrize(("role", "policy", "kept"), [("cache", "allkeys-lru", "no"), ("state", "noeviction", "yes")])
async def test_each_redis_has_its_own_duty(dev: Built, tmp_path: Path, role: str, policy: str, kept: str) -> None:
    async with running(dev, role, tmp_path) as port, Redis(port=port, password="secret") as redis:
        asked = await redis.config_get("maxmemory-policy", "appendonly", "appendfsync", "maxmemory")
        assert asked["maxmemory-policy"] == policy
        assert asked["appendonly"] == kept
        assert int(asked["maxmemory"] or 0) >= 10**9
        if role == "state":
            assert asked["appendfsync"] == "always"


async def test_a_probe_may_ping_without_the_password_and_nothing_else(dev: Built, tmp_path: Path) -> None:
    container = dev.the("StatefulSet", "redis-state")["spec"]["template"]["spec"]["containers"][0]
    command = container["livenessProbe"]["exec"]["command"]
    user, password = command[command.index("--user") + 1], command[command.index("--pass") + 1]
    async with running(dev, "state", tmp_path) as port:
        async with Redis(port=port, username=user, password=password) as probe:
            assert await probe.ping()
            with pytest.raises(NoPermissionError):
                await probe.get("x")
        async with Redis(port=port) as stranger:
            with pytest.raises(AuthenticationError):
                await stranger.ping()
