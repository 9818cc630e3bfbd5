"""Workers of invoice-sync and customer-sync in the test's own process, against the sandbox."""

from __future__ import annotations

import json
import secrets
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from invoice_sync.actions import IMPLEMENTATIONS
from shared.apps.togai.webhooks import togai_event
from shared.domains import subject_of
from shared.domains.invoices import DOMAIN
from shared.domains.invoices.flows import INVOICE_TO_STRIPE
from shared.events.envelope import Origin
from shared.flows.runs import Run
from shared.identity import CONSOLE_SOURCE

from tests.contract.sandbox.conftest import control as control
from tests.contract.sandbox.conftest import process as process
from tests.contract.sandbox.tools import Control
from tests.stack.in_process import CUSTOMERS, InProcess, in_process

ACCOUNT = "acme"
OUT = INVOICE_TO_STRIPE.id
SERVICES = (*CUSTOMERS, (DOMAIN, IMPLEMENTATIONS))
Json = dict[str, Any]


class Invoices:
    """What a test does with invoices, and what it sees at both vendors."""

    def __init__(self, tandem: InProcess) -> None:
        self.tandem = tandem

    @property
    def organization(self) -> str:
        return str(self.tandem.accounts["togai"]["id"])

    def generate(self, *amounts: str, status: str = "DUE", account: str = ACCOUNT, **more: Any) -> str:
        """An invoice that Togai generated, with a line for each amount. Returns its id."""
        lines = [{"name": f"Part {place}", "amount": amount} for place, amount in enumerate(amounts, 1)]
        body = {"account": self.organization, "togai_account": account, "status": status, "lines": lines} | more
        return str(self.tandem.control.call("POST", "/togai/invoices", body)["id"])

    def change(self, invoice: str, **fields: str) -> None:
        """What somebody does with it in Togai's own pages."""
        body = {"account": self.organization} | fields
        self.tandem.control.call("PATCH", f"/togai/invoices/{invoice}", body)

    def tell(self, invoice: str, event: str = "invoice.generated", origin: Origin = "live") -> None:
        """Togai's webhook."""
        made = togai_event(
            event,
            json.dumps({"payload": {"id": invoice}}).encode(),
            self.tandem.registry.connections["togai"],
            event_id=f"tgi_{secrets.token_hex(8)}",
            now=datetime.now(UTC),
            subject_of=subject_of,
        )
        self.tandem.deliver(msgspec.structs.replace(made, origin=origin))

    async def decide(self, change: str, invoice: str, reason: str = "asked by hand") -> None:
        """What a person asks for in the console, and all that it causes."""
        body = {"invoice_id": invoice, "change": change, "reason": reason}
        made = togai_event(
            "invoice.decision_requested",
            json.dumps(body).encode(),
            self.tandem.registry.connections["togai"],
            event_id=f"req_{secrets.token_hex(8)}",
            now=datetime.now(UTC),
            subject_of=subject_of,
        )
        self.tandem.deliver(msgspec.structs.replace(made, source=CONSOLE_SOURCE))
        await self.tandem.drain()

    async def bring(self, invoice: str, event: str = "invoice.generated", origin: Origin = "live") -> None:
        """The webhook comes in, and all that it causes comes to its end."""
        self.tell(invoice, event, origin)
        await self.tandem.drain()

    async def generated(self, *amounts: str, **more: Any) -> str:
        """An invoice whose webhook has come in."""
        invoice = self.generate(*amounts, **more)
        await self.bring(invoice)
        return invoice

    async def bring_while_it_fails(self, invoice: str, operation: str, **change: str) -> None:
        """A call of an operation fails once and is tried again in place; Togai's invoice changes in between."""

        async def changed() -> None:
            self.change(invoice, **change)

        self.tandem.settings.in_place_limit = 100  # the call is tried again, not the run
        self.tandem.before_write(operation, changed)
        match = {"operation": operation, "account": self.tandem.accounts["stripe"]["id"]}
        rule = {"app": "stripe", "kind": "error_before", "match": match, "stored": False, "times": 1}
        with self.tandem.control.fault(**rule) as fired:
            await self.bring(invoice)
            assert fired() == 1
        await self.bring(invoice, "invoice.updated")

    async def go_on_elsewhere(self) -> None:
        """Another worker takes the place of one that died, and nothing else dies."""
        self.tandem.points.at = lambda _: None
        self.tandem.points.revive()
        await self.tandem.restart()
        await self.tandem.drain()

    def togai(self, invoice: str) -> Json:
        return self.tandem.call("togai", "GET", f"/invoices/{invoice}")

    def stripe(self) -> list[Json]:
        """Every invoice at Stripe, the newest first."""
        return list(self.tandem.call("stripe", "GET", "/v1/invoices", params={"limit": 100})["data"])

    def lines(self, invoice: str) -> list[tuple[str, int]]:
        """Description and amount of each line of a Stripe invoice."""
        params: Json = {"limit": 100}
        found: list[Json] = []
        while True:
            page = self.tandem.call("stripe", "GET", f"/v1/invoices/{invoice}/lines", params=params)
            found += page["data"]
            if not page["has_more"]:
                return [(line["description"], line["amount"]) for line in found]
            params = {"limit": 100, "starting_after": found[-1]["id"]}

    def pay(self, invoice: str, outcome: str = "succeeded", amount: int | str | None = None) -> None:
        """What a customer does at a Stripe invoice's page."""
        body = {"account": self.tandem.accounts["stripe"]["id"], "outcome": outcome, "amount": amount}
        self.tandem.control.call("POST", f"/stripe/invoices/{invoice}/pay", body)

    def report(self, event: str, invoice: str) -> None:
        """An event of an invoice that Stripe makes by itself, with the invoice as it is."""
        [body] = self.tandem.call("stripe", "GET", "/v1/events", params={"type": "invoice.created", "limit": 1})["data"]
        found = self.tandem.call("stripe", "GET", f"/v1/invoices/{invoice}")
        name = f"evt_{secrets.token_hex(8)}"
        self.tandem.deliver(self.tandem.event_of(body | {"id": name, "type": event, "data": {"object": found}}))

    def intent(self, invoice: str) -> str:
        """The payment intent that paid a Stripe invoice last."""
        rows = self.tandem.call("stripe", "GET", "/v1/invoice_payments", params={"invoice": invoice})["data"]
        return str(rows[0]["payment"]["payment_intent"])

    def refund(self, invoice: str, amount: int | None = None) -> str:
        """What a person gives back of a Stripe invoice's last payment. Returns the refund's id."""
        data = {"payment_intent": self.intent(invoice)} | ({} if amount is None else {"amount": str(amount)})
        return str(self.tandem.call("stripe", "POST", "/v1/refunds", data=data)["id"])

    def end_refund(self, refund: str, status: str) -> None:
        """What the bank says of a refund days later."""
        body = {"account": self.tandem.accounts["stripe"]["id"], "status": status}
        self.tandem.control.call("POST", f"/stripe/refunds/{refund}", body)

    def dispute(self, invoice: str, outcome: str | None = None) -> None:
        """What the payer's bank does: it disputes the payment, and with an outcome closes the dispute."""
        charge = self.tandem.call("stripe", "GET", f"/v1/payment_intents/{self.intent(invoice)}")["latest_charge"]
        body = {"account": self.tandem.accounts["stripe"]["id"], "charge": charge, "outcome": outcome}
        self.tandem.control.call("POST", "/stripe/disputes", body)

    def payments(self) -> list[tuple[str, str]]:
        """Transaction number and amount of each payment in Togai, the oldest first."""
        rows = self.tandem.call("togai", "GET", "/payments")["data"]
        return [
            (row["externalPaymentReferences"]["transactionNumber"], f"{Decimal(str(row['totalAmount'])).normalize():f}")
            for row in reversed(rows)
        ]

    def mails(self) -> list[Json]:
        account = self.tandem.accounts["stripe"]["id"]
        return list(self.tandem.control.call("GET", "/outbox", account=account)["mails"])

    def settings(self, invoice: str) -> dict[str, str]:
        rows = self.tandem.control.call("GET", "/state", account=self.organization, lists="settings")["settings"]
        return {row["name"]: row["value"] for row in rows if row["entityId"] == invoice}

    def last_run(self, invoice: str) -> Run:
        """The last run that was to collect an invoice of Togai."""
        found = [run for run in self.tandem.runs() if run.aggregate.endswith(f"/invoice/{invoice}") and run.flow == OUT]
        return found[-1]


def without_address(tandem: InProcess) -> None:
    """Nobody knows an e-mail address of the account's customer any more."""
    [customer] = tandem.customers()
    tandem.change(customer["id"], email="")
    tandem.call("togai", "PATCH", f"/customers/c-{ACCOUNT}", json={"primaryEmail": ""})


@pytest.fixture
async def tandem(control: Control) -> AsyncIterator[InProcess]:
    """Both workers, with one account in Togai and its customer at Stripe."""
    async with in_process(control, services=SERVICES, default_currency="USD") as made:
        made.account(ACCOUNT)
        await made.drain()
        yield made


@pytest.fixture
def invoices(tandem: InProcess) -> Invoices:
    return Invoices(tandem)
