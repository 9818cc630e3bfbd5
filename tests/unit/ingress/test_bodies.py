"""Bodies as they come in: bounded one by one and all together, and forgotten when they are done."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from ingress.bodies import LARGEST_BODY, LARGEST_REST, Bodies
from shared.apps.receiving import Refused
from shared.errors import Unavailable

from tests.unit.ingress.harness import BARE, STRIPE, TOGAI, TOKEN, Harness


class Sender:
    """Sends a body in pieces; after `go_on` is set it goes on, and it goes away where a piece is None."""

    def __init__(self, *pieces: bytes | None) -> None:
        self.pieces = list(pieces)
        self.go_on = asyncio.Event()
        self.waits = asyncio.Event()

    async def receive(self) -> dict[str, Any]:
        """The next piece; the last one waits for `go_on`."""
        piece = self.pieces.pop(0)
        if not self.pieces:
            self.waits.set()
            await self.go_on.wait()
        if piece is None:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": piece, "more_body": bool(self.pieces)}


async def whole(bodies: Bodies, *pieces: bytes | None) -> bytes:
    """A body from a sender that does not tarry."""
    sender = Sender(*pieces)
    sender.go_on.set()
    return await read(bodies, sender)


async def read(bodies: Bodies, sender: Sender) -> bytes:
    with bodies.room() as room:
        return await room.read(sender.receive)


async def test_all_bodies_together_are_bounded() -> None:
    """While slow senders hold what there is, others are asked to come again; afterwards there is room for all."""
    bodies, slow = Bodies(most=1000), [Sender(b"x" * 300, b"y" * 10) for _ in range(3)]
    reading = [asyncio.create_task(read(bodies, sender)) for sender in slow]
    await asyncio.gather(*(sender.waits.wait() for sender in slow))

    assert await whole(bodies, b"z" * 100) == b"z" * 100
    with pytest.raises(Unavailable):
        await whole(bodies, b"z" * 50, b"z" * 51)
    for sender in slow:
        sender.go_on.set()
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


def signed(off: int = 0) -> dict[str, str]:
    """A signature's header of now, or so many seconds off: of the time of the test, not of its collection."""
    return {"stripe-signature": f"t={int(time.time()) + off},v1=ab"}


@pytest.mark.parametrize(
    ("path", "headers", "code"),
    [
        (f"/webhooks/stripe/{STRIPE}", dict, "signature_missing"),
        (f"/webhooks/stripe/{STRIPE}", lambda: {"stripe-signature": "nonsense"}, "signature_malformed"),
        (f"/webhooks/stripe/{STRIPE}", lambda: signed(-900), "signature_stale"),
        (f"/webhooks/stripe/{STRIPE}", lambda: signed(900), "signature_stale"),
        (f"/webhooks/stripe/{BARE}", signed, "signature_no_secret"),
        (
            f"/webhooks/stripe/{STRIPE}",
            lambda: signed() | {"content-length": "1048577"},
            "too_large",
        ),
        (f"/webhooks/togai/{TOGAI}/account.created/{TOKEN}", lambda: {"content-length": "9" * 5000}, "too_large"),
        (f"/webhooks/togai/{TOGAI}/account.created/wrong", lambda: {"content-length": "10"}, "wrong_token"),
    ],
)
async def test_nothing_is_kept_of_a_body_that_cannot_be_taken(
    path: str, headers: Callable[[], dict[str, str]], code: str
) -> None:
    """A header tells: who signs nothing, or announces too much, fills no memory. It is let come, and no further than a
    bound, so that the sender sees the answer; it keeps the room of no other body.
    """
    sent: list[dict[str, Any]] = []
    harness, came = Harness(), 0

    async def receive() -> dict[str, Any]:
        nonlocal came
        came += 1
        assert harness.webhooks._bodies.held == 0
        return {"type": "http.request", "body": b"x" * 65_536, "more_body": True}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    raw = [(name.encode(), value.encode()) for name, value in headers().items()]
    await harness.webhooks({"type": "http", "method": "POST", "path": path, "headers": raw}, receive, send)

    assert json.loads(sent[1]["body"])["error"]["code"] == code
    assert came * 65_536 <= LARGEST_REST + 65_536


async def test_a_body_keeps_its_room_until_it_is_in_kafka() -> None:
    """While Kafka is slow bodies pile up as well as while senders are."""
    harness, appending, may_go = Harness(), asyncio.Event(), asyncio.Event()
    bodies = harness.webhooks._bodies
    append = harness.log.append

    async def slow(*arguments: Any, **options: Any) -> Any:
        appending.set()
        await may_go.wait()
        return await append(*arguments, **options)

    harness.log.append = slow  # type: ignore[method-assign]
    path, body = f"/webhooks/togai/{TOGAI}/account.created/{TOKEN}", b'{"accountId": "acme"}'
    pieces = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> dict[str, Any]:
        return pieces.pop()

    async def send(_: dict[str, Any]) -> None:
        """Nobody listens."""

    scope = {"type": "http", "method": "POST", "path": path, "headers": []}
    task = asyncio.create_task(harness.webhooks(scope, receive, send))
    await asyncio.wait_for(appending.wait(), 5)
    assert bodies.held == len(body)
    may_go.set()
    await task
    assert bodies.held == 0
