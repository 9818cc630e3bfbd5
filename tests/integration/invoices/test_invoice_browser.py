"""The page of an invoice in a real browser, before a whole Tandem: confirmed with the bank, or paid by another card."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from console.http import own_machine
from playwright.async_api import Page, expect
from shared.domains.invoices.flows import INVOICE_TO_STRIPE
from shared.domains.invoices.intents import INVOICE_TO_INTENT

from tests.engines.browser import browser_page
from tests.integration.plans.test_portal_browser import TIMEOUT, Shop, whole
from tests.stack.processes import until


class Biller(Shop):
    """A vendor that charges invoices off session."""

    async def begin(self) -> None:
        await self.start("invoice")
        await self.tell_link(INVOICE_TO_STRIPE.id, "disable", {})
        await self.tell_link(INVOICE_TO_INTENT.id, "enable", {})

    async def stripe(self, path: str, **data: str) -> dict[str, Any]:
        async with own_machine(timeout=10) as http:
            headers = {"Authorization": "Bearer sk_test_sandbox"}
            answer = await http.post(self.stack.url("sandbox", f"/stripe/v1/{path}"), headers=headers, data=data)
            assert answer.is_success, answer.text
            return dict(answer.json())

    async def card(self, account: str, method: str) -> None:
        """The default method of the account's Stripe customer."""
        [pair] = (await self.stack.api("/mappings", id=account))["items"]
        customer = next(side["id"] for side in pair["sides"] if side["app"] == "stripe")
        made = await self.stripe(f"payment_methods/{method}/attach", customer=customer)
        await self.stripe(f"customers/{customer}", **{"invoice_settings[default_payment_method]": made["id"]})

    async def billed(self, account: str, amount: str) -> tuple[str, str]:
        """An invoice that is due and could not be charged, and the address of its page."""
        lines = [{"name": "Usage", "amount": amount}]
        body = {"account": self.vendor("togai"), "togai_account": account, "status": "DUE", "lines": lines}
        invoice = str((await self.stack.control("POST", "/togai/invoices", json=body))["id"])

        async def ready() -> str:
            async with own_machine(base_url=self.stack.url("console"), timeout=10) as http:
                found = await http.get(f"/api/invoices/{invoice}")
                return str(found.json()["portal"]) if found.is_success else ""

        return invoice, str(await until(ready, f"the page of {invoice}"))

    async def status(self, invoice: str) -> str:
        return str((await self.togai("GET", f"/invoices/{invoice}"))["status"])


@pytest.fixture
async def biller(tmp_path: Path, kafka_bootstrap: str) -> AsyncIterator[Biller]:
    async with whole(tmp_path, kafka_bootstrap) as stack:
        made = Biller(stack)
        await made.begin()
        yield made


async def paid(page: Page) -> None:
    await expect(page.get_by_role("heading", name="Paid. Thank you")).to_be_visible(timeout=TIMEOUT)


@pytest.mark.long("tests/integration/invoices/test_invoice_page.py: the same page without a browser")
async def test_a_customer_confirms_or_pays_by_another_card(biller: Biller) -> None:
    """Declined off session; the page goes on by itself to paid, and Togai says so."""
    await biller.customer("acme")
    await biller.card("acme", "pm_card_authenticationRequired")
    confirmed, address = await biller.billed("acme", "49.50")
    other, second = await biller.billed("acme", "20")
    refused: list[str] = []
    async with browser_page() as page:
        page.on("console", lambda said: refused.append(said.text) if "Content Security" in said.text else None)
        await page.goto(address)
        await page.get_by_role("button", name="Confirm with your bank").click(timeout=TIMEOUT)
        bank = page.frame_locator("iframe[title='Your bank']")
        await bank.get_by_role("button", name="It is me: confirm").click(timeout=TIMEOUT)
        await paid(page)
        assert await biller.status(confirmed) == "PAID"

        await page.goto(second)
        methods, pay = page.get_by_label("Payment method"), page.get_by_role("button", name="Pay 20.00 USD")
        await methods.select_option("A card that is declined", timeout=TIMEOUT)
        await pay.click()
        await expect(page.get_by_role("alert")).to_contain_text("declined", timeout=TIMEOUT)
        await methods.select_option("A card that pays")
        await pay.click()
        await paid(page)
        assert await biller.status(other) == "PAID"
    assert refused == []
