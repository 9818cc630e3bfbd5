"""The demonstration's second part: a plan is sold by its payment link, and the customer's month is billed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import httpx
from rich.console import Console
from shared.settings import Settings

from console.identity import ConsoleAuth

PLAN = "pp.sandbox.start"
"""The sandbox has it from its first start on."""
USAGE = {"um.sandbox.calls": "1000"}
DEADLINE = 90.0
"""Seconds for each step: what no webhook brings is found within a minute."""
CHECK_EVERY = 0.3
Json = dict[str, Any]


class NotInTime(Exception):
    """A step did not come: it says which, and where to look."""


@dataclass(frozen=True)
class Customer:
    """Who buys. The ids are those of the two app accounts, and of the account in Togai."""

    name: str
    account: str
    stripe: str
    togai: str


class Billing:
    """Offers, pays, bills and pays again, as people at the two vendors would."""

    def __init__(self, client: httpx.AsyncClient, settings: Settings, customer: Customer) -> None:
        self._client = client
        self._settings = settings
        self._customer = customer

    async def sell(self) -> str:
        """Offer the plan, pay its link, and wait until Togai has the plan on the account. Returns what was sold."""
        body = {"account": self._customer.account}
        (await self._console("POST", f"/plans/{PLAN}/offers", json=body)).raise_for_status()
        link = await self._until(self._open_link, "a payment link", f"tandem plans show {PLAN}")
        paid = {"account": self._customer.stripe, "payment_link": link["id"], "outcome": "paid"}
        await self._control("POST", "/stripe/checkout", paid)
        plan = await self._until(self._attached, "the plan on the account", f"tandem plans show {PLAN}")
        return str(plan["name"])

    async def bill(self) -> Json:
        """End the account's month, wait for the Stripe invoice, pay it, and wait until Togai says that it is paid.

        Returns the invoice as Togai made it, with what Stripe asked for and Togai's last status.
        """
        cycle = {"account": self._customer.togai, "togai_account": self._customer.account, "usage": USAGE}
        made = await self._control("POST", "/togai/billing_cycle", cycle)
        shown = f"tandem invoices show {made['id']}"

        async def known(state: str) -> Json | None:
            answer = await self._console("GET", f"/invoices/{made['id']}")
            found: Json = answer.json() if answer.is_success else {}
            return found if found.get("state") == state else None

        invoice = await self._until(partial(known, "open"), "the invoice in Stripe", shown)
        outcome = {"account": self._customer.stripe, "outcome": "succeeded"}
        await self._control("POST", f"/stripe/invoices/{invoice['stripe_id']}/pay", outcome)
        ended = await self._until(partial(known, "paid"), "the payment in Togai", shown)
        return {**made, "asked": invoice["total"], "status": ended["togai_status"]}

    async def _open_link(self) -> Json | None:
        offer = await self._offer()
        return next((link for link in offer.get("links", ()) if link["state"] == "open"), None)

    async def _attached(self) -> Json | None:
        offer = await self._offer()
        return (await self._plan()) if offer.get("state") == "paid" else None

    async def _offer(self) -> Json:
        offers = (await self._plan()).get("offered", ())
        return next((offer for offer in offers if offer["account"] == self._customer.account), {})

    async def _plan(self) -> Json:
        answer = await self._console("GET", f"/plans/{PLAN}")
        return dict(answer.json()) if answer.is_success else {}

    async def _console(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        url = f"http://127.0.0.1:{self._settings.console_port}/api{path}"
        return await self._client.request(method, url, auth=ConsoleAuth(self._settings), **arguments)

    async def _control(self, method: str, path: str, body: Json) -> Json:
        answer = await self._client.request(method, f"{self._settings.sandbox_url}/control{path}", json=body)
        return dict(answer.raise_for_status().json())

    async def _until(self, found: Callable[[], Awaitable[Json | None]], what: str, command: str) -> Json:
        end = time.monotonic() + DEADLINE
        while not (answer := await found()):
            if time.monotonic() > end:
                raise NotInTime(f"{what} did not come within {DEADLINE:.0f} s; see why: {command}")
            await asyncio.sleep(CHECK_EVERY)
        return answer


async def run(client: httpx.AsyncClient, settings: Settings, customer: Customer, out: Console) -> None:
    """Sell and bill, with a line for each. Raises httpx.HTTPError; what does not come in time is said."""
    billing = Billing(client, settings, customer)

    def say(sentence: str) -> None:
        out.print(sentence, markup=False, soft_wrap=True)

    try:
        plan = await billing.sell()
        say(f"{customer.name} was offered the plan {plan}, paid at its payment link, and has it.")
        month = await billing.bill()
    except NotInTime as error:
        say(f"The demo ends here: {error}")
        return
    calls, currency = int(USAGE["um.sandbox.calls"]), month["invoiceDetails"]["account"]["invoiceCurrency"]
    say(
        f"Its month with {calls:,} calls came to {month['totalAmount']:.2f} {currency}: {month['paidAmount']:.2f} were "
        f"paid before, Stripe asked for {month['asked']}, and since that was paid Togai says {month['status']}."
    )
