"""A load of signed webhooks over many connections, each sending its next one as soon as it has an answer.

    python -m benchmarks.load --seconds 8 --connections 64 --secret whsec_x http://127.0.0.1:1/webhooks/stripe/con_x

Several addresses share the connections. Prints one JSON object. Bare asyncio protocols: a client library would cost
more than the server that is measured.
"""

from __future__ import annotations

import argparse
import asyncio
import hmac
import json
import secrets
import time
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from urllib.parse import urlsplit

PADDING = "x" * 550
"""Makes a body of about 1 KB, as a customer's event has."""


@dataclass
class Tally:
    """Answers by status, and the seconds that each took."""

    until: float
    since: float
    seconds: list[float] = field(default_factory=list)
    refused: int = 0


class Requests:
    """Makes a new request each time: every event has an id and a customer of its own."""

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()
        self._run = secrets.token_hex(4)
        self._number = 0

    def make(self, host: str, path: str) -> bytes:
        """The whole request."""
        self._number += 1
        customer = {"id": f"cus_{self._run}{self._number}", "object": "customer", "description": PADDING}
        event: dict[str, Any] = {"id": f"evt_{self._run}{self._number}", "object": "event", "type": "customer.created"}
        event |= {"created": int(time.time()), "livemode": False, "api_version": "2026-10-28.endive"}
        body = json.dumps(event | {"data": {"object": customer}}).encode()
        stamp = str(int(time.time())).encode()
        signature = hmac.digest(self._secret, stamp + b"." + body, "sha256").hex()
        head = (
            f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
            f"Stripe-Signature: t={stamp.decode()},v1={signature}\r\n\r\n"
        )
        return head.encode() + body


class Connection(asyncio.Protocol):
    """One sender."""

    def __init__(self, requests: Requests, host: str, path: str, tally: Tally, ended: asyncio.Future[None]) -> None:
        self._requests, self._host, self._path = requests, host, path
        self._tally, self._ended = tally, ended
        self._transport: Any = None
        self._sent = 0.0
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._send()

    def connection_lost(self, error: Exception | None) -> None:
        if not self._ended.done():
            self._ended.set_exception(error or ConnectionError("the server closed a connection"))

    def _send(self) -> None:
        self._sent = time.perf_counter()
        if self._sent >= self._tally.until:
            if not self._ended.done():
                self._ended.set_result(None)
            self._transport.close()
            return
        self._transport.write(self._requests.make(self._host, self._path))

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, found, rest = self._buffer.partition(b"\r\n\r\n")
        if not found or len(rest) < _length(head):
            return
        self._buffer = b""
        if self._sent >= self._tally.since:
            self._tally.seconds.append(time.perf_counter() - self._sent)
            self._tally.refused += not head.startswith(b"HTTP/1.1 200")
        self._send()


def _length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line[15:])
    return 0


async def send(urls: list[str], secret: str, connections: int, warm: float, seconds: float) -> dict[str, float]:
    """Send for `warm` and then `seconds` seconds, and count the latter."""
    loop, requests = asyncio.get_running_loop(), Requests(secret)
    begin = time.perf_counter() + warm
    tally = Tally(until=begin + seconds, since=begin)
    ends = []
    for number in range(connections):
        url = urlsplit(urls[number % len(urls)])
        ended: asyncio.Future[None] = loop.create_future()
        ends.append(ended)
        args = (requests, url.netloc, url.path, tally, ended)
        await loop.create_connection(partial(Connection, *args), url.hostname or "", url.port or 80)
    await asyncio.gather(*ends)
    took = sorted(tally.seconds)
    return {
        "per_second": len(took) / seconds,
        "refused": tally.refused,
        "p50_ms": 1000 * took[len(took) // 2],
        "p99_ms": 1000 * took[int(len(took) * 0.99)],
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("urls", nargs="+")
    parser.add_argument("--secret", required=True)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--warm", type=float, default=2.0)
    parser.add_argument("--seconds", type=float, default=8.0)
    given = parser.parse_args()
    found = asyncio.run(send(given.urls, given.secret, given.connections, given.warm, given.seconds))
    print(json.dumps(found))


if __name__ == "__main__":
    main()
