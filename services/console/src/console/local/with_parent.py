"""Run a command that dies with the process that started it: `python with_parent.py PARENT_PID [UID GID] -- COMMAND`.

The kernel sends SIGKILL when the starting *thread* ends, so parts are started from threads that live as long as the
process. The wish survives exec but not a change of user, hence the order here. A program of its own because code
between fork and exec is unsafe once the parent has threads. Standard library only: it runs without site-packages.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def die_with_parent(signum: int = signal.SIGKILL) -> None:
    """Ask the kernel to send `signum` to this process when the thread that started it ends. Linux only."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, int(signum), 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")


def main(arguments: list[str]) -> None:
    split = arguments.index("--")
    parent, *user = (int(number) for number in arguments[:split])
    command = arguments[split + 1 :]
    if user:
        os.setgroups([])
        os.setgid(user[1])
        os.setuid(user[0])
    die_with_parent()
    if os.getppid() != parent:  # it died before the wish stood
        os._exit(1)
    try:
        os.execvp(command[0], command)
    except OSError as error:
        sys.exit(f"{command[0]}: {error.strerror}")


if __name__ == "__main__":
    main(sys.argv[1:])
