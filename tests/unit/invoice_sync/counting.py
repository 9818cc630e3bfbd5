"""What counts payments, as it stands, between a Stripe invoice and an invoice of Togai that are both in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from types import SimpleNamespace
from typing import Any, cast

from invoice_sync.actions import payments
from invoice_sync.states import Outcome, becomes
from shared.domains.invoices.stripe import StripeInvoiceId
from shared.domains.invoices.togai import InvoicePaid
from shared.events.topics import Topics
from shared.identity import Ref
from shared.kafka.log import Place
from shared.linking import mappings
from shared.linking.claims import Claims, Links
from shared.linking.mapping_index import LinkIndex
from shared.linking.mappings import Mapping
from shared.settings import Settings

from tests.fakes.log import FakeLog

Json = dict[str, Any]
ACCOUNTS = {"stripe": "stripe:test:acct_1", "togai": "togai:test:org_1"}
TOPICS = Topics(Settings(_env_file=None))


class _Log(FakeLog):
    """Each record of a mapping is known as soon as it is written."""

    def __init__(self, index: LinkIndex) -> None:
        super().__init__()
        self._index = index

    async def append(self, topic: str, key: str, value: bytes | None, **more: Any) -> Place:
        place = await super().append(topic, key, value, **more)
        assert value
        self._index.apply(place.offset, mappings.decode(value))
        return place

    async def wait_for(self, _topic: str, _offset: int) -> None:
        """It is known already."""


@dataclass
class Togai:
    """Togai's invoice: payments as its API takes them, statuses by the table. Amounts are in cents."""

    total: int
    status: str = "DUE"
    recorded: str = ""
    payments: dict[str, int] = field(default_factory=dict)

    @property
    def paid(self) -> int:
        return sum(self.payments.values())

    async def invoice(self, _id: str) -> Json:
        amounts = {"totalAmount": Decimal(self.total) / 100, "paidAmount": Decimal(self.paid) / 100}
        return {"id": "inv.1", "status": self.status, "ownerId": "acme", "revenueInfo": {"units": "USD"}, **amounts}

    async def create_payment(self, body: Json) -> Json:
        """It has no idempotency, and takes no more than is open."""
        amount, number = int(Decimal(body["totalAmount"]) * 100), body["externalPaymentReference"]["transactionNumber"]
        assert number not in self.payments, f"{number} is counted twice"
        assert 0 < amount <= self.total - self.paid, f"{amount} of {number} is more than is open"
        self.payments[number] = amount
        self.status = "PAID" if self.paid == self.total else "PARTIALLY_PAID"
        return {"id": f"payment.{number}", "totalAmount": Decimal(body["totalAmount"])}

    async def payment_of(self, number: str) -> Json | None:
        found = self.payments.get(number)
        return None if found is None else {"id": f"payment.{number}", "totalAmount": Decimal(found) / 100}

    def record(self, outcome: Outcome) -> None:
        self.recorded = outcome.recorded
        if becomes(self.status, outcome.status):
            self.status = outcome.status


class Counting:
    """The context of the actions that read what was paid and count it."""

    def __init__(self, togai: Togai) -> None:
        self._index = LinkIndex()
        log: Any = _Log(self._index)
        self._links = Links(log, log, self._index, TOPICS)
        self._togai = togai
        self._stripe: Json = {}
        self.run, self.link = SimpleNamespace(id="run_1"), SimpleNamespace(connections=ACCOUNTS)
        self.registry = SimpleNamespace(connections={}, links={})
        self.notes: list[str] = []
        source, target = self.ref("togai", "invoice", "inv.1"), self.ref("stripe", "invoice", "in_1")
        pair = Mapping(id="map_1", relation="invoice", state="linked", source=source, target=target, at="", run="run_0")
        self._index.apply(0, pair)

    async def count(self, invoice: Json, parts: Sequence[Json]) -> None:
        """An event of the invoice comes in, which Stripe shows so, with these payments."""
        self._stripe = {"currency": "usd", **invoice, "payments": {"data": parts}}
        read = await payments.read(cast(Any, self), StripeInvoiceId(stripe_invoice_id="in_1"))
        done = await payments.pay(cast(Any, self), cast(InvoicePaid, read.output))
        self.notes += done.notes

    def account(self, app: str) -> str:
        return ACCOUNTS[app]

    def ref(self, app: str, noun: str, entity: str) -> str:
        return str(Ref(ACCOUNTS[app], noun, entity))

    def claims_of(self, relation: str) -> Claims:
        return self._links.of(relation)

    async def client(self, app: str) -> Any:
        return self._togai if app == "togai" else self

    async def retrieve(self, _path: str, _id: str, _params: Json) -> Json:
        return self._stripe
