"""Who stands at the other end of a connection from this machine: the kernel knows the user of each socket."""

from __future__ import annotations

import os
import socket
import struct
from typing import Any

SOCK_DIAG, BY_FAMILY, REQUEST, ANY_STATE, NO_COOKIE = 4, 20, 1, 0xFFFFFFFF, 0xFFFFFFFF
"""linux/netlink.h, linux/sock_diag.h and linux/inet_diag.h: one question names one socket by both its ends."""
UID_AT = 80
"""Bytes of an answer before the user: 16 of the netlink header, 4 of the state, 48 of both ends, 12 of the queues."""
FIRST_PERSON, SERVICES = 1000, range(61184, 65535)
"""Users of people begin here (UID_MIN of login.defs); above are those that systemd makes for services, and nobody."""


def is_service(uid: int | None) -> bool:
    """Whether it is a user that programs run as and people do not, as proxies do: neither root nor our own."""
    return uid is not None and uid not in (0, os.getuid()) and (uid < FIRST_PERSON or uid in SERVICES)


def user_of(client: Any, server: Any) -> int | None:
    """The user whose program connected from `client` to `server`, each (address, port), as ASGI names them; None where
    the kernel does not tell: it is another machine, or has no such list.
    """
    try:
        # Granian names ports by texts, others by numbers.
        question = _question(client[0], int(client[1]), server[0], int(server[1]))
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, SOCK_DIAG) as kernel:
            kernel.sendto(question, (0, 0))
            answer = kernel.recv(4096)
    except (OSError, TypeError, ValueError, IndexError, struct.error):
        return None
    # Of a socket that is not there it answers by an error, which is shorter.
    return int(struct.unpack_from("=I", answer, UID_AT)[0]) if len(answer) >= UID_AT + 4 else None


def _question(address: str, port: int, to: str, to_port: int) -> bytes:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    ends = (socket.inet_pton(family, end).ljust(16, b"\0") for end in (address, to))
    body = struct.pack("=BBBBI", family, socket.IPPROTO_TCP, 0, 0, ANY_STATE)
    body += struct.pack("!HH16s16s", port, to_port, *ends) + struct.pack("=III", 0, NO_COOKIE, NO_COOKIE)
    return struct.pack("=IHHII", 16 + len(body), BY_FAMILY, REQUEST, 1, 0) + body
