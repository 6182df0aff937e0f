"""Becomes another program that cannot outlive us: `leash.py SIGNAL PARENT UID GID PROGRAM ARGUMENT…`.

A program of its own and not a `preexec_fn`: Python code that runs between fork and exec in a process with
threads may deadlock. Standard library only, and no import of ours, so that it costs some 20 ms.
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1


def main(death_signal: int, parent: int, uid: int, gid: int, command: list[str]) -> None:
    if uid >= 0:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    if sys.platform == "linux":
        # After the change of user, which clears it. The exec below keeps it.
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit(1)  # the parent died before the line above
    os.execvp(command[0], command)  # noqa: S606 - a list, and no shell is wanted


if __name__ == "__main__":
    death_signal, parent, uid, gid = map(int, sys.argv[1:5])
    main(death_signal, parent, uid, gid, sys.argv[5:])
