"""Stripe, as the rest asks for it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote

from shared.apps.model import Access, App
from shared.apps.receiving import RawWebhook
from shared.apps.stripe.webhooks import receive
from shared.connections import Connection, Secrets
from shared.events.envelope import Envelope
from shared.identity import AppAccount
from shared.ratelimit.quotas import Quota
from shared.settings import Settings

RATES = {"live": 100.0, "test": 25.0}
"""Calls per second and account, by mode. Source: docs.stripe.com/rate-limits."""


PAGES = {"customer": "customers"}
"""Where the dashboard shows entities, by their noun."""


class Stripe(App):
    """Payments."""

    name, title = "stripe", "Stripe"
    fills_index = ("stripe-customers", "stripe-events")

    def url(self, account: AppAccount, noun: str, entity: str) -> str:
        """Source: addresses of dashboard.stripe.com as its own pages show them."""
        page = PAGES.get(noun)
        mode = "/test" if account.mode == "test" else ""
        return f"https://dashboard.stripe.com/{account.account}{mode}/{page}/{quote(entity, safe='')}" if page else ""

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
