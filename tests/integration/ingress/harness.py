"""The real ingress as a process, with connections whose secrets the tests know and no vendor behind them."""

from __future__ import annotations

import asyncio
import hmac
import itertools
import json
import os
import re
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from console.http import own_machine
from shared.connections import Connection, Secrets, Vault, encode, encryption_keys
from shared.events.topics import Topics
from shared.kafka.log import Log
from shared.runtime.admin import ensure_topics

from tests.stack.processes import Stack, until
from tests.stack.tenants import SET_UP_WITHIN
from tests.stack.topics import records

STRIPE, LIVE, BARE, TOGAI = "con_stripe", "con_live", "con_bare", "con_togai"
OLD_SECRET, NEW_SECRET, LIVE_SECRET = "whsec_marked_old", "whsec_marked_new", "whsec_marked_live"
HOOK_TOKEN = "hook-token-marked-abcdefgh"
API_KEYS = ("sk_test_marked", "sk_live_marked", "togai_marked")
SECRETS = (OLD_SECRET, NEW_SECRET, LIVE_SECRET, HOOK_TOKEN, *API_KEYS)
_numbers = itertools.count()


def event_id() -> str:
    """An id that no other test uses."""
    return f"evt_{os.getpid()}_{next(_numbers)}"


def event(name: str = "", **changes: Any) -> bytes:
    """The body of a Stripe event, with spaces and an order of keys that a re-encoding would lose."""
    body = {
        "id": name or event_id(),
        "object": "event",
        "type": "customer.created",
        "created": int(time.time()),
        "livemode": False,
        "data": {"object": {"id": "cus_1", "object": "customer", "name": "Zoë"}},
    }
    return json.dumps(body | changes, indent=1, ensure_ascii=False).encode()


def signed(body: bytes, *with_secrets: str, at: float | None = None) -> str:
    """Stripe's header: one v1 for each secret."""
    stamp = str(int(time.time() if at is None else at))
    signatures = (hmac.digest(s.encode(), f"{stamp}.".encode() + body, "sha256").hex() for s in with_secrets)
    return ",".join([f"t={stamp}", *(f"v1={signature}" for signature in signatures)])


@dataclass
class Harness:
    """Ingress alone: `post` as a vendor does, `events` reads what was appended. Remembers what was answered."""

    stack: Stack
    answers: list[str] = field(default_factory=list, repr=False)

    @classmethod
    async def open(cls, home: Path, bootstrap: str, *, wait: bool = True, **extra: str) -> Harness:
        """Start ingress on topics of its own; `wait` makes the topics and connections before, and waits for it."""
        harness = cls(Stack.bare(home, bootstrap, **extra))
        encryption_keys(harness.stack.settings(), create=True)
        if wait:
            await harness.prepare()
        harness.stack.launch("ingress")
        await (harness.stack.ready("ingress") if wait else until(harness.alive, "ingress lives"))
        return harness

    async def prepare(self) -> None:
        """Topics, and the connections in them."""
        settings = self.stack.settings()
        await ensure_topics(settings)
        vault = Vault(encryption_keys(settings))
        stripe = Secrets(api_key=API_KEYS[0], webhook_secrets=[OLD_SECRET, NEW_SECRET])
        live = Secrets(api_key=API_KEYS[1], webhook_secrets=[LIVE_SECRET])
        made = [
            _connection(STRIPE, "stripe:test:acct_1", vault, stripe),
            _connection(LIVE, "stripe:live:acct_1", vault, live),
            _connection(BARE, "stripe:test:acct_2", vault, Secrets(api_key=API_KEYS[0])),
            _connection(TOGAI, "togai:test:org_1", vault, Secrets(api_key=API_KEYS[2], webhook_token=HOOK_TOKEN)),
        ]
        async with Log(settings) as kafka:
            for connection in made:
                topic = Topics(settings).connections
                await kafka.append(topic, connection.id, encode(connection), deadline=SET_UP_WITHIN)

    @property
    def topics(self) -> Topics:
        return Topics(self.stack.settings())

    def url(self, path: str) -> str:
        return self.stack.url("ingress", path)

    def client(self, timeout: float = 60) -> httpx.AsyncClient:
        """An HTTP client whose answers are remembered."""

        async def remember(answer: httpx.Response) -> None:
            self.answers.append((await answer.aread()).decode())

        return own_machine(timeout=timeout, event_hooks={"response": [remember]})

    async def post(self, path: str, body: Any, headers: dict[str, Any] | None = None) -> httpx.Response:
        """One webhook."""
        async with self.client() as http:
            return await http.post(self.url(path), content=body, headers=headers)

    async def stripe(self, body: bytes, secret: str = NEW_SECRET, connection: str = STRIPE) -> httpx.Response:
        """A webhook of Stripe, signed."""
        return await self.post(f"/webhooks/stripe/{connection}", body, {"Stripe-Signature": signed(body, secret)})

    async def taken(self, body: bytes) -> None:
        """Send it as Stripe does, again until it is taken: a slow machine may miss a short deadline of ingress."""

        async def once() -> bool:
            return (await self.stripe(body)).status_code == 200

        await until(once, "a webhook is taken")

    async def togai(self, body: bytes, name: str = "account.created", token: str = HOOK_TOKEN) -> httpx.Response:
        """A webhook of Togai."""
        return await self.post(f"/webhooks/togai/{TOGAI}/{name}/{token}", body)

    async def raw(self, request: bytes) -> tuple[int, str]:
        """Send bytes as they are, for what no client would send; the answer's status and body."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.stack.ports["ingress"])
        try:
            writer.write(request)
            head = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 20)).decode()
            length = re.search(r"content-length: (\d+)", head, re.IGNORECASE)
            body = (await reader.readexactly(int(length[1]))).decode() if length else ""
        finally:
            writer.close()
        self.answers.append(body)
        return int(head.split()[1]), body

    async def events(self, found: str, topic: str = "") -> list[Any]:
        """The records of an event, by its id, in a topic (the customers' if none is said)."""
        everything = await records(self.stack.settings(), topic or self.topics.events("customer"))
        return [record for record in everything if json.loads(record.value)["id"] == found]

    async def counted(self, metric: str) -> float:
        """A metric's present value; `metric` as it stands before the number."""
        async with self.client() as http:
            text = (await http.get(self.url("/metrics"))).text
        found = re.search(rf"^{re.escape(metric)} (\S+)$", text, re.MULTILINE)
        return float(found[1]) if found else 0.0

    async def alive(self) -> bool:
        """Whether /healthz answers."""
        async with self.client() as http:
            try:
                return (await http.get(self.url("/healthz"))).status_code == 200
            except httpx.TransportError:
                return False

    def log(self) -> str:
        """Everything that ingress has logged."""
        return self.stack.children["ingress"].log.read_text()

    async def close(self) -> None:
        await self.stack.children["ingress"].stop(15)


def _connection(name: str, account: str, vault: Vault, kept: Secrets) -> Connection:
    app, mode, _ = account.split(":")
    fields: Any = {"app": app, "mode": mode}
    # Nobody listens there: ingress never calls a vendor.
    bare = Connection(id=name, app_account=account, api_base="http://127.0.0.1:1", sealed="", **fields)
    return vault.seal(bare, kept)
