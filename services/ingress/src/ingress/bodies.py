"""Webhooks' bodies as they come in: each bounded in size and time, and all together in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from shared.apps.receiving import Refused
from shared.errors import Unavailable

LARGEST_BODY = 1024 * 1024
LARGEST_HELD = 128 * LARGEST_BODY
"""What bodies may hold together until they are in Kafka: a thousand slow senders, or a slow Kafka, must not use up the
memory, of which a body takes several times its size: it stands in the request, the event and the record.
"""
BODY_DEADLINE = 10.0
"""Seconds for a sender to deliver its body."""
LARGEST_REST, REST_DEADLINE = 2 * LARGEST_BODY, 1.0
"""Bytes and seconds that are waited for of a body that was refused unread: a connection that is closed before it has
come is reset, and the sender never sees why it was refused.
"""

Receive = Callable[[], Awaitable[dict[str, Any]]]


class Bodies:
    """Counts what all bodies together hold."""

    def __init__(self, most: int = LARGEST_HELD) -> None:
        self.most = most
        self.held = 0

    @contextmanager
    def room(self, announced: bytes = b"") -> Iterator[Room]:
        """Room for one body, given back at the end; `announced` is its length, as the sender tells it."""
        room = Room(self, announced)
        try:
            yield room
        finally:
            self.held -= room.taken


class Room:
    """The room of one body."""

    def __init__(self, bodies: Bodies, announced: bytes) -> None:
        self._bodies = bodies
        self._announced = int(announced[:20]) if announced.isdigit() else 0
        self.taken = 0
        self._over = False

    async def discard(self, receive: Receive) -> None:
        """Let the rest of a refused body come, and keep nothing of it."""
        seen = 0
        with suppress(TimeoutError):
            async with asyncio.timeout(REST_DEADLINE):
                while not self._over and seen <= LARGEST_REST:
                    message = await receive()
                    seen += len(message.get("body", b""))
                    self._over = message["type"] == "http.disconnect" or not message.get("more_body")

    async def read(self, receive: Receive) -> bytes:
        """The body. Raises Refused for one that is too large or too slow, Unavailable while too much is coming in."""
        self._check(self._announced)
        body = bytearray()
        try:
            async with asyncio.timeout(BODY_DEADLINE):
                while True:
                    message = await receive()
                    self._over = message["type"] == "http.disconnect" or not message.get("more_body")
                    if message["type"] == "http.disconnect":
                        raise Refused(400, "disconnected", "the sender went away")
                    chunk = message.get("body", b"")
                    self._check(len(body) + len(chunk))
                    body += chunk
                    self.taken += len(chunk)
                    self._bodies.held += len(chunk)
                    if self._over:
                        return bytes(body)
        except TimeoutError as error:
            self._over = True  # who is so slow is not waited for again
            raise Refused(408, "too_slow", f"the body did not arrive within {BODY_DEADLINE:.0f} s") from error

    def _check(self, size: int) -> None:
        if size > LARGEST_BODY:
            raise Refused(413, "too_large", f"the body is larger than {LARGEST_BODY} bytes")
        if self._bodies.held - self.taken + size > self._bodies.most:
            raise Unavailable(f"bodies of more than {self._bodies.most} bytes are coming in at once")
