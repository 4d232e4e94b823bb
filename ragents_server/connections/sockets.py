"""Where PostgreSQL's socket is: a folder that only its account may enter, with a path short enough for a socket."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from ragents_server.connections import pidfile
from ragents_server.connections.account import Account, barrier, private_folder
from ragents_server.connections.cluster import ROLE, Cluster
from ragents_server.errors import ConfigurationError

# A socket's path may have 107 bytes, and PostgreSQL adds "/.s.PGSQL.5432". A list of folders has commas between them.
LONGEST_FOLDER = 80
PORT = 5432  # only a part of the socket's name


def url(folder: Path) -> str:
    """Return what connects to the socket in the folder; all of it named, so that no PG* variable changes it."""
    return f"postgresql://{ROLE}@/postgres?host={quote(str(folder), safe='')}&port={PORT}"


@contextmanager
def socket_folder(cluster: Cluster) -> Iterator[Path]:
    """Open a folder for the socket that only the account may enter; elsewhere when the path is too long or odd."""
    near = cluster.home / "socket"
    if len(os.fsencode(near)) <= LONGEST_FOLDER and not set(',"') & set(str(near)):
        private_folder(cluster.account, near)
        yield near
        return
    far = Path(tempfile.mkdtemp(prefix="ragents-", dir=_short_folder(cluster.account)))
    try:
        private_folder(cluster.account, far)
        yield far
    finally:
        shutil.rmtree(far, ignore_errors=True)


def _short_folder(account: Account) -> Path:
    for name in (os.environ.get("XDG_RUNTIME_DIR"), tempfile.gettempdir(), "/tmp"):  # noqa: S108 — mkdtemp makes a private one in it
        folder = Path(name or "/nonexistent")
        if (
            len(os.fsencode(folder)) < LONGEST_FOLDER - 20
            and os.access(folder, os.W_OK)
            and not barrier(account, folder)
        ):
            return folder
    raise ConfigurationError(
        "no temporary folder with a short path for PostgreSQL's socket: set TMPDIR, or a shorter RAGENTS_DATA"
    )


def running_url(data: Path) -> str | None:
    """Return the URL of the embedded PostgreSQL that a server keeps running on this data folder, if one does."""
    folder = data.absolute() / "postgres" / "cluster"
    process = pidfile.running(folder)
    if process is None or not pidfile.ready(folder, process):
        return None
    return url(Path((folder / "postmaster.pid").read_text("utf-8").splitlines()[4]))
