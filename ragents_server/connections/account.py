"""The unprivileged account that PostgreSQL, which refuses to run as root, runs as; and which folders it may enter."""

import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path

from ragents_server.errors import ConfigurationError

# The first of these that the machine knows: one made for us, PostgreSQL's own, the one that every machine has.
CANDIDATES = ("ragents", "postgres", "nobody")


@dataclass(frozen=True, slots=True)
class Account:
    """A user of this machine, by number, and its name for messages."""

    name: str
    uid: int
    gid: int


def choose(cluster: Path) -> Account:
    """Ourselves; when we are root, the owner of the existing cluster, else the first of CANDIDATES."""
    uid = os.geteuid()
    if uid == 0 and cluster.is_dir():
        uid = cluster.stat().st_uid
    if uid:
        return _by_number(uid)
    for name in CANDIDATES:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(name, entry.pw_uid, entry.pw_gid)
    raise ConfigurationError(
        f"PostgreSQL does not run as root and there is no user named {' or '.join(CANDIDATES)}: add one"
    )


def _by_number(uid: int) -> Account:
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        raise ConfigurationError(
            f"PostgreSQL needs a named user and number {uid} has no name: give it one, or set RAGENTS_DATABASE"
        ) from None
    return Account(entry.pw_name, uid, entry.pw_gid)


def barrier(account: Account, folder: Path) -> Path | None:
    """Return the outermost of the folder and its parents that the account may not enter, None when the way is free."""
    if account.uid == os.geteuid():
        return None  # then the kernel says so itself, and knows groups and access lists that the modes do not show
    folder = folder.resolve()
    for step in (*reversed(folder.parents), folder):
        if not _may_enter(account, step.stat()):
            return step
    return None


def _may_enter(account: Account, status: os.stat_result) -> bool:
    if status.st_uid == account.uid:
        return bool(status.st_mode & stat.S_IXUSR)
    if status.st_gid == account.gid:
        return bool(status.st_mode & stat.S_IXGRP)
    return bool(status.st_mode & stat.S_IXOTH)


def private_folder(account: Account, folder: Path) -> None:
    """Make the folder, if it is not there, for the account alone; its parents stay as they are."""
    folder.mkdir(mode=0o700, exist_ok=True)
    if os.geteuid() == 0:
        os.chown(folder, account.uid, account.gid, follow_symlinks=False)
