"""Becomes another program that ends when its parent does; run by path: `leash.py PARENT UID GID PROGRAM ARGUMENT…`.

A program of its own, since a process that has threads may do none of this between fork and exec, and since the kernel
forgets the death signal when the user changes: first the user, then the signal, then the program.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # <linux/prctl.h>

# PostgreSQL's immediate shutdown ends within 5 s whatever its backends do. A fast one could wait for ever on a backend
# that is stuck, and nobody would be left to kill it. The next start replays the log, as after any crash.
DEATH_SIGNAL = signal.SIGQUIT


def become(uid: int, gid: int) -> None:
    """Give up root for good, supplementary groups first."""
    if os.geteuid() == 0:
        os.setgroups([gid])
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, uid)


def follow(parent: int, death: signal.Signals = DEATH_SIGNAL) -> None:
    """Ask the kernel (Linux only) for the signal at the parent's death, and end now if it has died already."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, int(death), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "PR_SET_PDEATHSIG")
    if os.getppid() != parent:
        sys.exit("the parent ended before its child began")


def main(arguments: list[str]) -> None:
    """Never returns: the process is the program from here on."""
    parent, uid, gid = (int(number) for number in arguments[:3])
    os.umask(0o077)
    become(uid, gid)
    if sys.platform == "linux":
        follow(parent)
    os.execv(arguments[3], arguments[3:])  # noqa: S606 — to replace this process is the point


if __name__ == "__main__":
    main(sys.argv[1:])
