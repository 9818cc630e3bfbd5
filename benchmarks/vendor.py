"""Both vendors' answers after 20 ms, with no work behind them: what is measured is the caller.

    python -m benchmarks.vendor PORT [MILLISECONDS]

Answers what the flow from a Togai account to a Stripe customer calls. `GET /counted` tells how many calls there were.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from typing import Any

ACCOUNT = re.compile(r"/togai/accounts/([^/?]+)")
CUSTOMER = re.compile(r"/togai/customers/([^/?]+)")
SETTING = re.compile(r"/togai/settings/")


def togai_account(name: str) -> dict[str, Any]:
    """An account as Togai answers it."""
    customer = f"c-{name}"
    found = {"id": name, "togaiAccountId": f"account.{name}", "name": f"Account {name}", "customerId": customer}
    return found | {"status": "ACTIVE", "invoiceCurrency": "USD", "primaryEmail": f"{name}@bench.test"}


def togai_customer(name: str) -> dict[str, Any]:
    """A customer as Togai answers it."""
    found = {"id": name, "togaiCustomerId": f"customer.{name}", "name": f"Customer {name}", "status": "ACTIVE"}
    return found | {"primaryEmail": f"{name}@bench.test", "address": {"line1": "1 Street", "country": "US"}}


class Answers:
    """What is answered, by method and path."""

    def __init__(self) -> None:
        self.calls = 0

    def answer(self, method: str, path: str) -> tuple[int, Any]:
        """Status and body."""
        if path == "/counted":
            return 200, {"calls": self.calls}
        self.calls += 1
        if method == "POST" and path.startswith("/stripe/v1/customers"):
            return 200, {"id": f"cus_{self.calls:014d}", "object": "customer", "livemode": False, "metadata": {}}
        if found := ACCOUNT.match(path):
            return 200, togai_account(found[1])
        if found := CUSTOMER.match(path):
            return 200, togai_customer(found[1])
        if SETTING.match(path):
            return 404, {"message": "there is no such setting"}
        return 201, {"id": "s", "value": "", "entityType": "ACCOUNT", "entityId": "", "namespace": "USER"}


class Caller(asyncio.Protocol):
    """One connection: a request, and its answer a little later."""

    def __init__(self, answers: Answers, wait: float) -> None:
        self._answers, self._wait = answers, wait
        self._transport: Any = None
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = self._buffer[:end].decode("latin-1")
            length = re.search(r"content-length: *(\d+)", head, re.IGNORECASE)
            whole = end + 4 + (int(length[1]) if length else 0)
            if len(self._buffer) < whole:
                return
            self._buffer = self._buffer[whole:]
            method, path, _ = head.split(" ", 2)
            asyncio.get_running_loop().call_later(self._wait, self._send, *self._answers.answer(method, path))

    def _send(self, status: int, body: Any) -> None:
        text = json.dumps(body).encode()
        head = f"HTTP/1.1 {status} .\r\nContent-Type: application/json\r\nContent-Length: {len(text)}\r\n\r\n"
        self._transport.write(head.encode() + text)


async def serve(port: int, milliseconds: float) -> None:
    """Serve until killed."""
    answers = Answers()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Caller(answers, milliseconds / 1000), "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), float(sys.argv[2]) if len(sys.argv) > 2 else 20.0))
