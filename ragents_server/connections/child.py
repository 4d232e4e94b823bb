"""Starts a program as a child that cannot outlive us, as another user if need be, with a clean environment."""

import asyncio
import contextlib
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Sequence
from pathlib import Path

from ragents_server.connections import leash
from ragents_server.connections.account import Account


async def spawn(command: Sequence[str], *, account: Account, folder: Path, log: Path) -> Process:
    """Start the command in the folder, its output appended to the log.

    The kernel ties the child to the *thread* that runs this event loop: when that thread ends, so does the child. So
    the loop runs in the main thread, or in one that lives until the child is ended; never in a pool's worker.
    A session of its own keeps the terminal's Ctrl-C from stopping it before those who use it.
    """
    wrapper = [sys.executable, "-I", "-S", leash.__file__, str(os.getpid()), str(account.uid), str(account.gid)]
    # Neither our secrets nor the caller's locale and PG* variables; UTC spares initdb its search for the time zone.
    environment = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        return await asyncio.create_subprocess_exec(
            *wrapper,
            *command,
            stdin=DEVNULL,
            stdout=output,
            stderr=output,
            cwd=folder,
            env=environment,
            start_new_session=True,
        )
    finally:
        os.close(output)


async def end(process: Process, *signals: tuple[signal.Signals, float]) -> None:
    """Send each signal and wait its seconds, at last SIGKILL. When cancelled on the way, SIGKILL at once."""
    try:
        for number, seconds in signals:
            _send(process, number)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await process.wait()
                    return
    finally:
        _send(process, signal.SIGKILL)
    await process.wait()


def _send(process: Process, number: signal.Signals) -> None:
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(number)
