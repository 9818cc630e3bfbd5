"""Stripe, as the rest asks for it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from shared.apps.model import Access, App
from shared.apps.stripe.webhooks import receive
from shared.connections import Connection, Secrets
from shared.events.envelope import Envelope
from shared.events.receiving import RawWebhook
from shared.limits.quotas import Quota
from shared.settings import Settings

RATES = {"live": 100.0, "test": 25.0}
"""Calls per second and account, by mode. Source: docs.stripe.com/rate-limits."""


class Stripe(App):
    """Payments."""

    name, title = "stripe", "Stripe"
    fills_index = ("stripe-customers", "stripe-events")

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
