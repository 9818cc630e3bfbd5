"""Stripe, as the rest asks for it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, ClassVar
from urllib.parse import quote

from shared.apps.listing import ListedPage, Window
from shared.apps.model import Access, App, only_reads
from shared.apps.polling import PollContext, Poller, PollSpec
from shared.apps.receiving import RawWebhook
from shared.apps.stripe import polls
from shared.apps.stripe.connecting import StripeConnector
from shared.apps.stripe.readers import entities
from shared.apps.stripe.webhooks import REMEDIES, receive
from shared.connections import Connection, Secrets
from shared.events.envelope import Envelope
from shared.identity import AppAccount
from shared.linking.index import Entity
from shared.ratelimit.quotas import Quota
from shared.settings import Settings

RATES = {"live": 100.0, "test": 25.0}
"""Calls per second and account, by mode. Source: docs.stripe.com/rate-limits."""


READS_PER_PAYMENT = 500
READS_AT_LEAST = 10_000
"""Reads that Stripe allows in 30 days. Source: docs.stripe.com/rate-limits, on allocations of API reads."""


PAGES = {
    "customer": "customers",
    "product": "products",
    "price": "prices",
    "payment_link": "payment-links",
    "subscription": "subscriptions",
    "invoice": "invoices",
    "payment_intent": "payments",
    "billing.meter": "meters",
}
"""Where the dashboard shows entities, by their noun."""


PREFIXES = {"customer": "cus_", "price": "price_", "payment_link": "plink_", "subscription": "sub_"}
"""How the ids of entities begin, by their noun."""


RIGHTS = {
    "customers": "Customers",
    "products": "Products",
    "prices": "Prices",
    "payment_links": "Payment Links",
    "checkout": "Checkout Sessions",
    "billing_meters": "Billing Meters",
    "subscriptions": "Subscriptions",
    "payment_intents": "PaymentIntents",
    "charges": "Charges and Refunds",
    "refunds": "Charges and Refunds",
    "invoices": "Invoices",
    "invoiceitems": "Invoices",
    "invoice_payments": "Invoices",
    "credit_notes": "Credit notes",
    "disputes": "Disputes",
    "events": "Events",
    "tax_calculations": "Tax",
    "tax_transactions": "Tax",
}
"""Whose right an operation needs, in the words of the dashboard, by the first part of its name."""


class Stripe(App):
    """Payments."""

    name, title = "stripe", "Stripe"
    connector = StripeConnector()
    polls = (polls.CUSTOMERS, polls.EVENTS)
    # One that Stripe masked itself (sk_test_****1234) stays as it is.
    secret_forms = (re.compile(r"\b((?:sk|rk)_(?:test_|live_)?|whsec_)[A-Za-z0-9+/=_-]{8,}"),)
    remedies = REMEDIES
    keys_kept_for: ClassVar[timedelta] = timedelta(hours=20)
    """Stripe may forget a key after 24 h. Source: docs.stripe.com/api/idempotent_requests."""

    def url(self, account: AppAccount, noun: str, entity: str) -> str:
        """Source: addresses of dashboard.stripe.com as its own pages show them."""
        page = PAGES.get(noun)
        mode = "/test" if account.mode == "test" else ""
        return f"https://dashboard.stripe.com/{account.account}{mode}/{page}/{quote(entity, safe='')}" if page else ""

    def recognizes(self, noun: str, entity: str) -> bool:
        return noun in PREFIXES and entity.startswith(PREFIXES[noun])

    def right_of(self, operation: str) -> str:
        found = RIGHTS.get(operation.partition(".")[0], "")
        return f"{found}: {'read' if only_reads(operation) else 'write'}" if found else ""

    async def receive(self, raw: RawWebhook, connection: Connection, secrets: Secrets) -> Envelope:
        return await receive(raw, connection, secrets)

    @asynccontextmanager
    async def session(self, call_timeout: float) -> AsyncIterator[Any]:
        from shared.apps.stripe.client import http_client

        http = http_client(call_timeout)
        try:
            yield http
        finally:
            await http.close_async()  # type: ignore[no-untyped-call]

    def client(self, access: Access, session: Any) -> Any:
        from shared.apps.stripe.client import StripeApp

        return StripeApp(access, session)

    async def identify(self, client: Any) -> str:
        return str(await client.account())

    def quota(self, settings: Settings, mode: str) -> Quota:
        rate = settings.stripe_quota if settings.stripe_quota is not None else RATES.get(mode, 25.0)
        return Quota(rate, settings.stripe_operation_quota, settings.stripe_concurrency)

    def reads_allowed(self, mode: str, payments: int) -> int | None:
        return max(READS_AT_LEAST, READS_PER_PAYMENT * payments) if mode == "live" else None

    def poll_interval(self, spec: PollSpec, settings: Settings, mode: str) -> float:
        seconds = polls.events_interval(settings, mode)
        return min(seconds, polls.ASK_AGAIN) if spec is polls.CUSTOMERS else seconds

    def pollers_of(self, context: PollContext) -> Iterable[Poller]:
        from shared.apps.stripe.readers.customers import CustomerReader
        from shared.apps.stripe.readers.events import EventReader, poll_window

        mode = AppAccount.parse(context.app_account).mode
        yield Poller((polls.EVENTS,), EventReader(context, poll_window(context.settings, mode)).poll_once)
        yield Poller((polls.CUSTOMERS,), CustomerReader(context).poll_once)

    async def list_page(self, client: Any, noun: str, window: Window, after: str) -> ListedPage:
        from shared.apps.stripe.readers import listing

        return await listing.page(client, noun, window, after)

    def entity_of(self, app_account: str, event_type: str, body: bytes) -> Entity | None:
        return entities.from_event(app_account, body) if event_type.startswith("stripe.customer.") else None

    def supersedes(self, new: Entity, known: Entity | None, *, ties: bool) -> bool:
        return entities.supersedes(new, known, ties=ties)
