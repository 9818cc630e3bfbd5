"""Bodies as they come in: bounded one by one and all together, and forgotten when they are done."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from ingress.normalize import Refused
from ingress.webhooks import LARGEST_BODY, Bodies
from shared.errors import Unavailable


class Sender:
    """Sends a body in pieces; after `told` is set it goes on, and it goes away where a piece is None."""

    def __init__(self, *pieces: bytes | None) -> None:
        self.pieces = list(pieces)
        self.told = asyncio.Event()
        self.waits = asyncio.Event()

    async def receive(self) -> dict[str, Any]:
        """The next piece; the last one waits until the sender is told."""
        piece = self.pieces.pop(0)
        if not self.pieces:
            self.waits.set()
            await self.told.wait()
        if piece is None:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": piece, "more_body": bool(self.pieces)}


async def whole(bodies: Bodies, *pieces: bytes | None) -> bytes:
    """A body from a sender that does not tarry."""
    sender = Sender(*pieces)
    sender.told.set()
    return await bodies.read(sender.receive)


async def test_all_bodies_together_are_bounded() -> None:
    """While slow senders hold what there is, others are asked to come again; afterwards there is room for all."""
    bodies, slow = Bodies(most=1000), [Sender(b"x" * 300, b"y" * 10) for _ in range(3)]
    reading = [asyncio.create_task(bodies.read(sender.receive)) for sender in slow]
    await asyncio.gather(*(sender.waits.wait() for sender in slow))

    assert await whole(bodies, b"z" * 100) == b"z" * 100
    with pytest.raises(Unavailable):
        await whole(bodies, b"z" * 50, b"z" * 51)
    for sender in slow:
        sender.told.set()
    assert await asyncio.gather(*reading) == [b"x" * 300 + b"y" * 10] * 3
    assert await whole(bodies, b"z" * 1000) == b"z" * 1000


@pytest.mark.parametrize("pieces", [(b"x" * 600, None), (b"x" * 600, b"y" * LARGEST_BODY), (b"x" * 600, b"y" * 500)])
async def test_a_body_that_is_not_taken_gives_its_room_back(pieces: tuple[bytes | None, ...]) -> None:
    """Whether the sender goes away, or sends more than one may, or more than there is room for."""
    bodies = Bodies(most=1000)
    for _ in range(3):
        with pytest.raises((Refused, Unavailable)):
            await whole(bodies, *pieces)

    assert await whole(bodies, b"z" * 1000) == b"z" * 1000
