"""What people of plans and of invoices have in common: accounts of their own, and keys that no fault is for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
from console.http import own_machine

from tests.reliability.action import Action
from tests.reliability.checker.facts import Facts
from tests.reliability.cluster import Cluster
from tests.reliability.customers.facts import BILLED

CHECK_EVERY = 0.3
Json = dict[str, Any]


class BillingPeople:
    """Does actions by `_verb` of who inherits it. Everybody waits `patience` seconds for what Tandem is to make."""

    def __init__(self, cluster: Cluster, patience: float) -> None:
        self.cluster = cluster
        self._patience = patience
        tenant = cluster.tenant
        self.organization, self.stripe_account = tenant.togai_org, tenant.stripe_account
        self.stripe = self._client("/stripe", cluster.keys["stripe"])
        self.togai = self._client("/togai", cluster.keys["togai"])

    def _client(self, path: str, key: str) -> httpx.AsyncClient:
        headers = {"Authorization": f"Bearer {key}"}
        return own_machine(base_url=self.cluster.stack.url("sandbox", path), timeout=60, headers=headers)

    async def close(self) -> None:
        await self.stripe.aclose()
        await self.togai.aclose()

    async def act(self, action: Action) -> None:
        """Do one action. Raises AssertionError if what it needs is lost."""
        do: Callable[[Action], Awaitable[None]] = getattr(self, f"_{action.verb}")
        await do(action)

    async def touch(self, facts: Facts) -> None:
        """The second pass hands out every event again: that is enough."""

    async def control(self, method: str, path: str, **body: Any) -> Json:
        """What somebody does at a vendor's own pages."""
        return await self.cluster.stack.control(method, path, json=body)

    async def _account(self, action: Action) -> None:
        """A customer of Togai with one account, of which Tandem makes one of Stripe."""
        await self.add_account(action.subject)

    async def add_account(self, name: str, country: str = "") -> None:
        """In a country, or in none."""
        account = {"id": name, "name": name, "invoiceCurrency": "USD", "primaryEmail": f"{name}{BILLED}"}
        body = {"id": f"c-{name}", "name": name, "primaryEmail": f"{name}{BILLED}", "account": account}
        body["address"] = {"country": country} if country else {}
        good(await self.togai.post("/customers", json=body))

    async def runs_of(self, entity: str) -> list[Json]:
        """What Tandem shows of an entity's runs; nothing while the console is away."""
        try:
            async with own_machine(timeout=5) as http:
                answer = await http.get(self.cluster.stack.url("console", "/api/runs"), params={"id": entity})
                return list(answer.json()["items"]) if answer.is_success else []
        except httpx.HTTPError:
            return []

    async def decided(self, change: str, invoice: str) -> bool:
        """What a person asks for an invoice in the console. Whether it was taken: not while that is away."""
        body = {"reason": "the fault run's people", "flow_link": ""}
        try:
            async with own_machine(timeout=5) as http:
                url = self.cluster.stack.url("console", f"/api/invoices/{invoice}/{change}")
                return (await http.post(url, json=body)).is_success
        except httpx.HTTPError:
            return False

    async def setting(self, name: str, owner: str, entity: str) -> str:
        """A value in Togai's Settings; empty for none."""
        answer = await self.togai.get(f"/settings/setting.USER.{name}.{owner}.{entity}")
        return str(answer.json().get("value", "")) if answer.is_success else ""

    async def found(self, what: str, look: Callable[[], Awaitable[str]]) -> str:
        """Look until something is there."""
        clock = asyncio.get_running_loop()
        deadline = clock.time() + self._patience
        while not (there := await look()):
            if clock.time() > deadline:
                raise AssertionError(f"{what} did not come within {self._patience:.0f} s")
            await asyncio.sleep(CHECK_EVERY)
        return there


def good(answer: httpx.Response) -> Json:
    assert answer.is_success, f"{answer.request.method} {answer.request.url}: {answer.status_code} {answer.text}"
    return dict(answer.json()) if answer.content else {}
