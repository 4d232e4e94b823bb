"""What `postmaster.pid` in a cluster's folder says of the PostgreSQL that runs it, or ran it until it was killed."""

import os
from pathlib import Path


def ready(folder: Path, process: int) -> bool:
    """Tell whether this process has the cluster open and accepts connections, as it writes into `postmaster.pid`."""
    try:
        lines = (folder / "postmaster.pid").read_text("utf-8").splitlines()
    except OSError:
        return False
    return len(lines) > 7 and lines[0] == str(process) and lines[7].strip() == "ready"


def running(folder: Path) -> int | None:
    """Return the process that has the cluster open, by what PostgreSQL wrote and the kernel confirms."""
    process = _written(folder)
    return process if process and _alive(process) and _works_in(process, folder) else None


def _written(folder: Path) -> int | None:
    try:
        return int((folder / "postmaster.pid").read_text("utf-8").split("\n", 1)[0])
    except (OSError, ValueError):
        return None


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except OSError:
        return False
    return True


def _works_in(process: int, folder: Path) -> bool:
    """PostgreSQL's working folder is its cluster; that of a process which got the same number after a reboot is not."""
    if not Path("/proc/self/cwd").exists():
        return True
    try:
        return Path(f"/proc/{process}/cwd").samefile(folder)
    except OSError:
        return False


def clear(folder: Path, socket_folder: Path) -> None:
    """Remove what a killed PostgreSQL left where it misleads the next; only while we hold the lock and none runs.

    PostgreSQL judges `postmaster.pid` better (it finds orphan backends by it), but it takes any living process of that
    number for a PostgreSQL; after a reboot, and in a container, that is often somebody else.
    """
    process = _written(folder)
    if process and _alive(process) and not _works_in(process, folder):
        (folder / "postmaster.pid").unlink(missing_ok=True)
    for left in socket_folder.glob(".s.PGSQL.*"):
        left.unlink(missing_ok=True)
