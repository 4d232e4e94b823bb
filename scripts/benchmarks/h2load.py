"""Load from nghttp2's h2load, which costs a tenth of a Python client: unary gRPC calls, bounded in number.

It does not read grpc-status, which comes after the body; whoever measures has to know by other means what was answered.
"""

import asyncio
import os
import re
import resource
import shutil
from asyncio.subprocess import DEVNULL, PIPE, STDOUT
from dataclasses import dataclass
from pathlib import Path

from scripts.benchmarks.errors import BenchError

PACKAGE = "nghttp2-client"
INSTALLATION = 60.0  # seconds
PATIENCE = 120.0  # seconds for one run
HEADERS = ("content-type: application/grpc", "te: trailers")
PREFIX = 5  # bytes before each message: whether it is compressed, and its length

_RATE = re.compile(r"^finished in .*, ([\d.]+) req/s,", re.MULTILINE)
_SUCCEEDED = re.compile(r"^requests: .* (\d+) succeeded, (\d+) failed, (\d+) errored", re.MULTILINE)
_DATA = re.compile(r"^traffic: .* \((\d+)\) data$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Load:
    """What one run did."""

    rate: float  # calls a second
    share: float  # of its core's time, that the generator itself took
    bytes: float  # of the message in a response, the mean


async def ready() -> None:
    """h2load is there, or is installed where we may; BenchError else."""
    if shutil.which("h2load") is None and os.geteuid() == 0 and shutil.which("apt-get") is not None:
        await _run("apt-get", "update", "-qq", patience=INSTALLATION)
        await _run("apt-get", "install", "-qq", "-y", PACKAGE, patience=INSTALLATION)
    if shutil.which("h2load") is None:
        raise BenchError(f"h2load is missing; install it first (Debian: apt-get install {PACKAGE})")


def framed(message: bytes) -> bytes:
    """The message as the body of a call."""
    return b"\0" + len(message).to_bytes(PREFIX - 1) + message


async def load(address: str, method: str, body: Path, *, calls: int, connections: int, core: int) -> Load:
    """So many calls over so many connections, one at a time on each; the first that fails makes it a BenchError."""
    options = ["-n", str(calls), "-c", str(connections), "-m", "1", "-t", "1", "-d", str(body)]
    headers = [part for header in HEADERS for part in ("-H", header)]
    spent = _spent()
    began = asyncio.get_running_loop().time()
    said = await _run(
        *("taskset", "-c", str(core), "h2load", *options, *headers, f"http://{address}{method}"), patience=PATIENCE
    )
    wall = asyncio.get_running_loop().time() - began
    rate, succeeded, data = _RATE.search(said), _SUCCEEDED.search(said), _DATA.search(said)
    if rate is None or succeeded is None or data is None or [int(n) for n in succeeded.groups()] != [calls, 0, 0]:
        raise BenchError(f"h2load did not get {calls} answers: {said.strip()[-1000:]}")
    return Load(float(rate[1]), (_spent() - spent) / wall, int(data[1]) / calls - PREFIX)


async def _run(*command: str, patience: float) -> str:
    """What the program says; BenchError when it fails or takes too long."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"}
    process = await asyncio.create_subprocess_exec(
        *command, stdin=DEVNULL, stdout=PIPE, stderr=STDOUT, env=environment, start_new_session=True
    )
    try:
        async with asyncio.timeout(patience):
            said, _ = await process.communicate()
    except TimeoutError:
        raise BenchError(f"{command[0]} took more than {patience:.0f} s") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    text = said.decode(errors="replace")
    if process.returncode:
        raise BenchError(f"{command[0]} failed: {text.strip()[-1000:]}")
    return text


def _spent() -> float:
    """CPU seconds of the children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
