"""A Stripe customer has one currency: a refusal of a second one names what holds the first."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from shared.apps.stripe.client import StripeApp
from shared.errors import Rejected

from invoice_sync.actions.filling import INVOICES
from invoice_sync.decide import bills

SECOND = "cannot combine currencies"
"""Stands in Stripe's refusal of a second currency; it has no code."""
MOST = 5
"""Objects that are named."""


@asynccontextmanager
async def named(client: StripeApp, customer: str, currency: str) -> AsyncIterator[None]:
    """Around the create of an invoice. Raises Rejected with what holds the other currency."""
    try:
        yield
    except Rejected as error:
        if SECOND not in error.message:
            raise
        found = await client.retrieve("/v1/customers", customer)
        other = str(found.get("currency") or "another currency").upper()
        holds = [one async for one in _holders(client, found, currency.lower())]
        shown = ", ".join(holds[:MOST]) + (f" and {len(holds) - MOST} more" if len(holds) > MOST else "")
        raise Rejected(
            f"the invoice is in {currency}, and Stripe customer {customer} is in {other}"
            f"{f', held by {shown}' if shown else ''}: Stripe lets a customer have one at a time. Bill this account in "
            f"{other}, or link it to a customer of its own, then retry",
            code="second_currency",
            status=error.status,
        ) from error


async def _holders(client: StripeApp, customer: dict[str, Any], currency: str) -> AsyncIterator[str]:
    """What keeps the customer in its currency, in words."""
    of_one = {"customer": customer["id"]}
    if customer.get("balance"):
        yield "its balance"
    async for one in client.listed("/v1/subscriptions", of_one):
        if bills(one) and one.get("currency") != currency:
            yield f"subscription {one['id']}"
    async for one in client.listed(INVOICES, of_one):
        if one.get("status") in ("draft", "open") and one.get("currency") != currency:
            yield f"{one['status']} invoice {one['id']}"
    async for one in client.listed("/v1/invoiceitems", of_one | {"pending": "true"}):
        if one.get("currency") != currency:
            yield f"pending item {one['id']}"
