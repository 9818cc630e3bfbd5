"""Sandbox and ingress alone, with quick pollers: what they append, and what they keep in the index."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from console.http import own_machine
from shared.apps.connecting import Wanted
from shared.connections import encryption_keys
from shared.events.topics import Topics
from shared.linking import index
from shared.linking.index import EntityIndex
from shared.runtime.admin import ensure_topics

from tests.stack.processes import QUICK, UNLIMITED, Stack, until
from tests.stack.tenants import Tenant
from tests.stack.topics import records

QUICK_POLLS = {
    "TANDEM_POLLING": "true",
    "TANDEM_STRIPE_POLL_INTERVAL": "0.5",
    "TANDEM_TOGAI_POLL_INTERVAL": "0.5",
    "TANDEM_STRIPE_QUOTA": "0",
    "TANDEM_TOGAI_QUOTA": "0",
}


async def open_room(home: Path, bootstrap: str, **extra: str) -> Stack:
    """The sandbox and one ingress that polls all the time, on topics of their own."""
    stack = Stack.bare(home, bootstrap, **(QUICK_POLLS | extra))
    encryption_keys(stack.settings(), create=True)
    stack._launch("sandbox", "sandbox", "--port", str(stack.ports["sandbox"]), "--state", str(home / "sandbox"))
    await stack._ready("sandbox", "/healthz")
    await stack.control("PATCH", "/settings", json=UNLIMITED | QUICK)
    await ensure_topics(stack.settings())
    stack.launch("ingress")
    await stack.ready("ingress")
    return stack


@dataclass
class Guest(Tenant):
    """A Stripe account and a Togai organization without workers behind them; `items` and `events` tell of polls."""

    @classmethod
    async def enter(cls, stack: Stack) -> Guest:
        """New accounts at the sandbox, not connected yet."""
        name = secrets.token_hex(4)
        stripe = await stack.control("POST", "/accounts", json={"app": "stripe", "key": f"sk_test_{name}"})
        togai = await stack.control("POST", "/accounts", json={"app": "togai", "key": f"togai_{name}"})
        return cls(stack, name, stripe["key"], stripe["id"], togai["key"], togai["id"])

    @property
    def stripe_name(self) -> str:
        return f"stripe:test:{self.stripe_account}"

    @property
    def togai_name(self) -> str:
        return f"togai:test:{self.togai_org}"

    async def join(self, app: str, key: str = "", suffix: str = "") -> str:
        """A connection without any webhook. Returns its id."""
        base = self.stack.url("sandbox", f"/{app}")
        own = self.stripe_key if app == "stripe" else self.togai_token
        more: dict[str, Any] = {"mode": "test", "webhook_token": "t" * 22} if app == "togai" else {}
        name = f"con_{app}_{self.name}{suffix}"
        await self._keep(Wanted(id=name, app=app, key=own, api_base=base, **more), key=key)
        return name

    async def item(self, kind: str) -> dict[str, Any]:
        """How far one poller is, as ingress tells; empty if it does not know it."""
        return await item(self.stack, self.stripe_name if kind.startswith("stripe") else self.togai_name, kind)

    async def passed(self, kind: str, more: int = 1) -> dict[str, Any]:
        """Wait until a poller has ended so many looks from now on; two make sure that one began after now."""
        before = (await self.item(kind)).get("passes", 0)

        async def enough() -> dict[str, Any] | None:
            found = await self.item(kind)
            return found if found.get("passes", 0) >= before + more and found["complete"] else None

        return dict(await until(enough, f"{more} more polls of {kind}", 30))

    async def events(self, subject: str = "", kind: str = "") -> list[dict[str, Any]]:
        """The events of this guest in the log, of all topics, by subject and end of type."""
        topics = Topics(self.stack.settings())
        found = [
            json.loads(r.value) for r in await records(self.stack.settings(), topics.events("customer"), topics.other)
        ]
        own = [e for e in found if e["appaccount"] in (self.stripe_name, self.togai_name)]
        return [e for e in own if subject in (e["subject"], "") and e["type"].endswith(kind)]

    async def known(self) -> EntityIndex:
        """The index as it stands in its topic."""
        found = EntityIndex()
        for record in await records(self.stack.settings(), Topics(self.stack.settings()).index):
            found.apply(index.decode(record.value))
        return found


async def pollers(stack: Stack, name: str = "ingress") -> dict[str, Any]:
    """What one ingress tells of its pollers; empty if it does not answer."""
    async with own_machine(timeout=5) as http:
        try:
            return dict((await http.get(stack.url(name, "/pollers"))).json())
        except httpx.HTTPError:
            return {}


async def item(stack: Stack, app_account: str, kind: str, name: str = "ingress") -> dict[str, Any]:
    """One list of one app account in it; empty if it is not there."""
    found = (await pollers(stack, name)).get("items", [])
    return next((i for i in found if (i["app_account"], i["kind"]) == (app_account, kind)), {})
