"""The vendor's own SDK for Stripe, sync and async, runs against the sandbox for plans and invoices."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import stripe

from tests.contract.sandbox import tools
from tests.contract.sandbox.conftest import StripeSide


def test_a_plan_is_sold(side: StripeSide, control: tools.Control) -> None:
    """Product, tiered price, link and session by the SDK; amounts come back as decimals; a paid link is listed."""
    v1 = side.sdk.v1
    product = v1.products.create({"name": "Starter", "id": "plan-1"})
    price = v1.prices.create({
        "product": product.id, "currency": "usd", "billing_scheme": "tiered", "tiers_mode": "graduated",
        "tiers": [{"up_to": 10, "unit_amount": 0}, {"up_to": "inf", "unit_amount_decimal": Decimal("300.5")}],
        "lookup_key": "starter", "expand": ["tiers"],
    })  # fmt: skip
    assert price.tiers is not None
    assert [tier.unit_amount_decimal for tier in price.tiers] == [Decimal(0), Decimal("300.5")]
    link = v1.payment_links.create({"line_items": [{"price": price.id, "quantity": 12}], "metadata": {"account": "A1"}})
    done = control.call(
        "POST", "/stripe/checkout", {"account": side.account, "payment_link": link.id, "outcome": "paid"}
    )
    session = v1.checkout.sessions.retrieve(done["session"], {"expand": ["line_items", "payment_intent.latest_charge"]})
    assert (session.amount_total, session.payment_status) == (601, "paid")
    assert session.metadata is not None
    assert session.metadata["account"] == "A1"
    assert session.line_items is not None
    assert session.line_items.data[0].quantity == 12
    listed = v1.checkout.sessions.list({"payment_link": link.id, "status": "complete"})
    assert [found.id for found in listed.auto_paging_iter()] == [session.id]
    assert [found.id for found in v1.prices.list({"lookup_keys": ["starter"]}).data] == [price.id]


def test_an_invoice_is_paid(side: StripeSide, control: tools.Control) -> None:
    """Draft, lines, finalized, sent and paid by the SDK's calls, with keys; its lines page; the payment leads back."""
    v1 = side.sdk.v1
    customer = v1.customers.create({"name": "ACME", "email": "a@example.com"})
    terms: Any = {"customer": customer.id, "collection_method": "send_invoice", "days_until_due": 30}
    draft = v1.invoices.create(terms, {"idempotency_key": "create"})
    assert v1.invoices.create(terms, {"idempotency_key": "create"}).id == draft.id
    lines: Any = [
        {"amount": n, "description": f"Line {n}", "quantity_decimal": Decimal("1.5")} for n in range(100, 112)
    ]
    v1.invoices.add_lines(draft.id, {"lines": lines}, {"idempotency_key": "lines"})
    v1.invoices.add_lines(draft.id, {"lines": lines}, {"idempotency_key": "lines"})
    v1.invoices.finalize_invoice(draft.id)
    sent = v1.invoices.send_invoice(draft.id)
    assert (sent.total, sent.lines.has_more, sent.status) == (sum(range(100, 112)), True, "open")
    paged = v1.invoices.line_items.list(draft.id, {"limit": 5}).auto_paging_iter()
    assert [line.amount for line in paged] == list(range(100, 112))
    control.call("POST", f"/stripe/invoices/{draft.id}/pay", {"account": side.account, "outcome": "succeeded"})
    paid = v1.invoices.retrieve(draft.id, {"expand": ["payments"]})
    assert paid.payments is not None
    intent = paid.payments.data[0].payment.payment_intent
    assert isinstance(intent, str)
    found = v1.invoice_payments.list({"payment": {"type": "payment_intent", "payment_intent": intent}})
    assert ([payment.invoice for payment in found.data], paid.status) == ([draft.id], "paid")
    refund = v1.refunds.create({"payment_intent": intent, "amount": 100})
    note = v1.credit_notes.create({"invoice": draft.id, "amount": 50, "credit_amount": 50})
    assert (refund.status, note.type) == ("succeeded", "post_payment")
    types = [event.type for event in v1.events.list({"types": ["invoice.paid", "invoice.sent"]}).data]
    assert types == ["invoice.paid", "invoice.sent"]


def test_the_async_client(side: StripeSide) -> None:
    """Every call has an async twin over aiohttp."""

    async def calls() -> str:
        http = stripe.AIOHTTPClient(timeout=15)
        sdk = tools.stripe_client(side.url, side.key, http_client=http)
        product = await sdk.v1.products.create_async({"name": "Starter"})
        found = [item.id async for item in (await sdk.v1.products.list_async()).auto_paging_iter()]
        await http.close_async()  # type: ignore[no-untyped-call]
        assert found == [product.id]
        return product.id

    assert asyncio.run(calls()).startswith("prod_")
