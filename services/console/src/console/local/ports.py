"""Ports: free ones for tests and workers, and who holds a busy one."""

from __future__ import annotations

import asyncio
import os
import random
import socket
import time
from collections import deque
from pathlib import Path

from console.local.errors import LocalError

LEAVE_TIME = 3.0
LISTEN = "0A"
RANGE = range(15_000, 32_000)
"""Outside what the kernel gives to outgoing connections."""
_given: deque[int] = deque(maxlen=2_000)


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Whether we could listen there now."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def free_port(in_a_row: int = 1) -> int:
    """The first of some free neighbouring ports.

    None of the last two thousand is given again: who asked for one may listen only some seconds later.
    """
    while True:
        port = random.choice(RANGE)
        ports = range(port, port + in_a_row)
        if not any(each in _given for each in ports) and all(map(is_free, ports)):
            _given.extend(ports)
            return port


async def claim(port: int, part: str, setting: str, host: str = "127.0.0.1") -> None:
    """Wait a moment for the port to be free: parts of a killed run need some milliseconds to be gone.

    Raises LocalError that names the setting and, if it can be seen, who holds the port.
    """
    deadline = time.monotonic() + LEAVE_TIME
    while not is_free(port, host):
        if time.monotonic() > deadline:
            raise LocalError(
                f"Port {port} for {part} is taken{holder(port)}. Stop that program, or set {setting} to another port."
            )
        await asyncio.sleep(0.1)


def holder(port: int) -> str:
    """` by NAME (process PID)` of the program that listens there, empty if we may not see it."""
    sockets = {f"socket:[{inode}]" for inode in _listening(port)}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if any(os.readlink(fd) in sockets for fd in (process / "fd").iterdir()):
                command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
                return f" by `{_shortened(command)}` (process {process.name})"
        except OSError:  # it ended meanwhile, or belongs to someone else
            continue
    return ""


def _shortened(command: str) -> str:
    """Both ends tell: the program, and for a Java one whose it is."""
    return command if len(command) <= 120 else f"{command[:50]} ... {command[-65:]}"


def _listening(port: int) -> set[str]:
    found: set[str] = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            rows = [line.split() for line in Path(table).read_text().splitlines()[1:]]
        except OSError:
            continue
        found.update(row[9] for row in rows if row[3] == LISTEN and int(row[1].rsplit(":", 1)[1], 16) == port)
    return found
