"""A server of one's own for a measurement: the installed program on a free loopback port, with an empty data folder."""

import asyncio
import os
import random
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

from ragents_client import AsyncClient

START = 60.0  # seconds until it answers
STOP = 30.0
LEAST_OUTGOING = 32_768  # Linux's first port for what connects
_CHANCE = random.SystemRandom()  # two processes must not draw the same


class ServerError(Exception):
    """The server did not come up; the message ends with its last words."""


@asynccontextmanager
async def running_server(settings: Mapping[str, str] | None = None) -> AsyncIterator[AsyncClient]:
    """A client of a server that answers, with default settings but for `settings` (name in capitals to value)."""
    with open_folder() as folder:
        log, address = folder / "log", f"127.0.0.1:{free_port()}"
        given = {
            "DATA": f"{folder}/data",
            "LISTEN": address,
            "LAME_DUCK": "0",
            "LOG_LEVEL": "WARNING",
            **(settings or {}),
        }
        process = await start(given, log)
        try:
            async with AsyncClient(address, wait_for_ready=True) as client:
                await answers(client, process, log)
                yield client
        except Exception:
            print(last_words(log), file=sys.stderr)  # with the folder, the log goes
            raise
        finally:
            await end(process)


@contextmanager
def open_folder() -> Iterator[Path]:
    """An empty folder that every user may enter: PostgreSQL does not run as root."""
    with tempfile.TemporaryDirectory(prefix="ragents-measure-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


def free_port() -> int:
    """A port of loopback that nobody listens on, and none that the kernel gives a connection before it is used."""
    while True:
        port = _CHANCE.randrange(10_000, LEAST_OUTGOING)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


async def start(settings: Mapping[str, str], log: Path) -> asyncio.subprocess.Process:
    """The program beside this Python, whatever the caller's own RAGENTS_ variables say."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAGENTS_")}
    environment |= {f"RAGENTS_{name}": value for name, value in settings.items()}
    with log.open("wb") as output:
        return await asyncio.create_subprocess_exec(
            Path(sys.executable).with_name("ragents-server"),
            env=environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,  # Ctrl-C is for us, who end it in order
        )


async def answers(client: AsyncClient, process: asyncio.subprocess.Process, log: Path) -> None:
    """Returns once the server is healthy; ServerError when it ends instead, or takes too long."""
    healthy = asyncio.create_task(_healthy(client))
    ended = asyncio.create_task(process.wait())
    try:
        await asyncio.wait((healthy, ended), timeout=START, return_when=asyncio.FIRST_COMPLETED)
        if not healthy.done():
            raise ServerError(f"the server did not come up: {last_words(log)}")
        await healthy
    finally:
        healthy.cancel()
        ended.cancel()
        await asyncio.wait((healthy, ended))


async def _healthy(client: AsyncClient) -> None:
    """The first call waits for the channel, and the channel for the health service to say SERVING."""
    async for _ in client.list_collections(timeout=START):
        return


def last_words(log: Path) -> str:
    """The end of what the server said."""
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-5:]) or "it said nothing"


async def end(process: asyncio.subprocess.Process) -> None:
    """Asks it to end, and makes it after a while."""
    if process.returncode is not None:
        return
    process.send_signal(signal.SIGTERM)
    try:
        async with asyncio.timeout(STOP):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
