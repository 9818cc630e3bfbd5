"""The page of an offer in a real browser, before a whole Tandem: paid in the embedded page, and paid days later."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from console.http import own_machine
from console.local.ports import free_port
from playwright.async_api import Page, expect
from shared.apps.togai.polls import ACCOUNTS
from shared.domains.plans.flows import PLAN_TO_LINK
from shared.polls import rfc3339

from tests.engines.browser import browser_page
from tests.stack.processes import Stack, until

TIMEOUT = 30_000


class Shop:
    """A vendor that offers plans to an account."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.connections: dict[str, dict[str, Any]] = {}

    async def start(self, noun: str = "plan") -> None:
        """With a worker of another domain beside that of customers."""
        name = f"worker-{noun}"
        self.stack.launch_service(name, f"{noun}_sync")
        await self.stack.ready(name)
        found = (await self.stack.api("/connections"))["items"]
        self.connections = {one["app"]: one for one in found}

    def vendor(self, app: str) -> str:
        return str(self.connections[app]["app_account"]).rpartition(":")[2]

    async def customer(self, account: str) -> None:
        """An account in Togai, whose Stripe customer Tandem makes."""
        body = {
            "id": f"c_{account}", "name": account, "primaryEmail": f"{account}@example.test", "address": {},
            "account": {"id": account, "name": account, "invoiceCurrency": "USD"},
        }  # fmt: skip
        await self.togai("POST", "/customers", json=body)

        async def linked() -> bool:
            found = (await self.stack.api("/mappings", id=account))["items"]
            return any(one["state"] == "linked" for one in found)

        await until(linked, f"a Stripe customer of {account}")

    async def togai(self, method: str, path: str, **what: Any) -> dict[str, Any]:
        headers = {"Authorization": "Bearer togai_sandbox"}
        async with own_machine(base_url=self.stack.url("sandbox", "/togai"), timeout=10) as http:
            answer = await http.request(method, self.stack.url("sandbox", f"/togai{path}"), headers=headers, **what)
            assert answer.is_success, answer.text
            return dict(answer.json())

    async def offered(self, account: str) -> tuple[str, str]:
        """A plan that is offered to it; the plan, and the address of the offer's page."""
        body = {"account": self.vendor("togai"), "name": "Gold", "rates": {"USD": "49.5"}}
        plan = str((await self.stack.control("POST", "/togai/price_plans", json=body))["id"])
        async with own_machine(base_url=self.stack.url("console"), timeout=10) as http:
            (await http.post(f"/api/plans/{plan}/offers", json={"account": account})).raise_for_status()

            async def ready() -> str:
                made = await http.post(f"/api/plans/{plan}/portal", json={"account": account})
                if not made.is_success:
                    return ""
                url = str(made.json()["url"])
                return url if (await http.get(f"{url}/state")).json()["state"] == "open" else ""

            return plan, str(await until(ready, f"an open offer of {plan}"))

    async def listed(self, account: str) -> None:
        """Wait until the pollers have seen an account."""
        began = rfc3339(time.time())

        async def seen() -> bool:
            pollers = (await self.stack.api("/status"))["pollers"]["items"]
            return any(one["kind"] == ACCOUNTS.kind and one["at"] > began for one in pollers)

        await until(seen, f"a poll that lists {account}")

    async def choose(self, **options: str) -> None:
        """What payment links ask for, for the offers from now on."""
        await self.tell_link(PLAN_TO_LINK.id, "options", {"options": options})

    async def tell_link(self, flow: str, change: str, body: dict[str, Any]) -> None:
        """A person changes the link of a flow."""
        async with own_machine(base_url=self.stack.url("console"), timeout=10) as http:
            found = (await http.get("/api/flow-links")).json()["items"]
            link = next(one["id"] for one in found if one["flow"] == flow)
            (await http.post(f"/api/flow-links/{link}/{change}", json=body)).raise_for_status()

    async def mailed(self, email: str) -> str:
        """The link in the one mail that was sent to an address."""

        async def sent() -> str:
            mails = (await self.stack.control("GET", "/mails"))["mails"]
            return next((str(mail["text"]) for mail in mails if mail["to"] == email), "")

        text = await until(sent, f"a mail to {email}")
        return next(word for word in str(text).split() if "/portal/sign-in/" in word)

    async def has(self, plan: str, account: str) -> bool:
        found = await self.togai("GET", f"/accounts/{account}/pricing_schedules")
        rows = found.get("pricingSchedules", found.get("data", []))
        return any(one["pricePlanId"] == plan for one in rows)


@asynccontextmanager
async def whole(home: Path, bootstrap: str) -> AsyncIterator[Stack]:
    """A whole Tandem that sends mail. Who has an address is known from Togai's lists."""
    stack = await Stack.start(
        home, bootstrap, TANDEM_SANDBOX_MAIL_PORT=str(free_port()), TANDEM_TOGAI_POLL_INTERVAL="1"
    )
    try:
        yield stack
    finally:
        await stack.stop()


@pytest.fixture
async def shop(tmp_path: Path, kafka_bootstrap: str) -> AsyncIterator[Shop]:
    async with whole(tmp_path, kafka_bootstrap) as stack:
        made = Shop(stack)
        await made.start()
        yield made


async def pay(page: Page, url: str, choice: str) -> list[str]:
    """Open the address and choose in the embedded page; what the browser refused."""
    refused: list[str] = []
    page.on("console", lambda said: refused.append(said.text) if "Content Security" in said.text else None)
    await page.goto(url)
    frame = page.frame_locator("#checkout iframe")
    await frame.get_by_role("button", name=choice).click(timeout=TIMEOUT)
    return refused


@pytest.mark.long("tests/integration/plans/test_portal.py: the same page without a browser")
async def test_a_customer_pays_in_the_embedded_page(shop: Shop) -> None:
    """The plan is active in Togai, and the page says so by itself; a bank debit is confirmed when it arrives."""
    await shop.customer("acme")
    await shop.customer("later")
    plan, url = await shop.offered("acme")
    slow, address = await shop.offered("later")
    async with browser_page() as page:
        refused = await pay(page, url, "Pay 49.50 USD")
        await expect(page.get_by_role("heading", name="Paid. Thank you")).to_be_visible(timeout=TIMEOUT)
        assert await shop.has(plan, "acme")
        refused += await pay(page, address, "Pay by bank debit")
        await expect(page.get_by_text("Your bank was asked to pay")).to_be_visible(timeout=TIMEOUT)
        assert not await shop.has(slow, "later")
        [waiting] = [one for one in await sessions(shop) if one["payment_status"] == "unpaid"]
        body = {"account": shop.vendor("stripe"), "session": waiting["id"], "outcome": "async_succeeded"}
        await shop.stack.control("POST", "/stripe/checkout", json=body)
        await expect(page.get_by_role("heading", name="Paid. Thank you")).to_be_visible(timeout=TIMEOUT)
        assert await shop.has(slow, "later")
    assert refused == []


@pytest.mark.long("tests/integration/plans/test_sign_in.py and test_modes.py: the same without a browser")
async def test_a_customer_signs_in_and_subscribes(shop: Shop) -> None:
    """By the mailed link to the account's offers, there to the one, and pays it: Stripe has a subscription then."""
    await shop.customer("acme")
    await shop.listed("acme")
    await shop.choose(mode="subscription")
    plan, _ = await shop.offered("acme")
    async with browser_page() as page:
        await page.goto(shop.stack.url("console", "/portal/sign-in"))
        await page.get_by_label("Your e-mail address").fill("acme@example.test")
        await page.get_by_role("button", name="Send me a link").click()
        await expect(page.get_by_role("heading", name="Look into your mail")).to_be_visible(timeout=TIMEOUT)
        await page.goto(await shop.mailed("acme@example.test"))
        await page.get_by_role("button", name="Show my offers").click()
        await page.get_by_role("link", name="Gold").click()
        refused = await pay(page, page.url, "Pay 49.50 USD")
        await expect(page.get_by_role("heading", name="Paid. Thank you")).to_be_visible(timeout=TIMEOUT)
    async with own_machine(timeout=10) as http:
        url = shop.stack.url("sandbox", "/stripe/v1/subscriptions")
        found = (await http.get(url, headers={"Authorization": "Bearer sk_test_sandbox"})).json()["data"]

    assert [one["metadata"]["togai_account_id"] for one in found] == ["acme"]
    assert await shop.has(plan, "acme")
    assert refused == []


async def sessions(shop: Shop) -> list[dict[str, Any]]:
    async with own_machine(timeout=10) as http:
        url = shop.stack.url("sandbox", "/stripe/v1/checkout/sessions?limit=100")
        answer = await http.get(url, headers={"Authorization": "Bearer sk_test_sandbox"})
        return list(answer.json()["data"])
