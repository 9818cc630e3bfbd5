"""What our clients never do: go where a vendor sends them, and tell of other calls."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import stripe
from shared.apps.stripe.client import http_client as stripe_http
from shared.apps.togai.client import http_client as togai_http

MOVED = (301, 302, 303, 307, 308)
KEY = {"Authorization": "Bearer sk_test_1", "Idempotency-Key": "tandem-1"}


class Elsewhere:
    """A vendor that sends every call to another host, and what came to that one."""

    def __init__(self) -> None:
        self.status = 302
        self.reached: list[bytes] = []
        self.url = ""

    async def vendor(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = await reader.readuntil(b"\r\n\r\n")
        if b" /elsewhere " in asked:
            self.reached.append(asked)
        head = f"HTTP/1.1 {self.status} Moved\r\nLocation: {self.url}/elsewhere\r\n"
        writer.write(head.encode() + b"Content-Length: 2\r\nConnection: close\r\n\r\n{}")
        await writer.drain()
        writer.close()


@pytest.fixture
async def elsewhere() -> AsyncIterator[Elsewhere]:
    """On one port: a client that follows is seen there as well as at another host."""
    found = Elsewhere()
    server = await asyncio.start_server(found.vendor, "127.0.0.1", 0)
    found.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    yield found
    server.close()
    await server.wait_closed()


@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize("status", MOVED)
async def test_no_redirect_is_followed(elsewhere: Elsewhere, status: int, method: str) -> None:
    """It would take the token, or a customer's data, to another host, and make a question of what was to be made."""
    elsewhere.status = status
    async with togai_http(1.0) as togai:
        answers = [(await togai.request(method, elsewhere.url, headers=KEY)).status_code]
    http = stripe_http(1.0)
    answers.append((await http.request_async(method, elsewhere.url, KEY, None))[1])
    await http.close_async()  # type: ignore[no-untyped-call]

    assert (answers, elsewhere.reached) == ([status] * 2, [])


def test_stripes_telemetry_is_off() -> None:
    """It writes a file into the home and sends figures about other calls."""
    stripe.enable_telemetry = True
    stripe_http(1.0)

    assert stripe.enable_telemetry is False
