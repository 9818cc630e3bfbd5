"""What a person does at a checkout page: pays, fails, pays later, goes away. It makes what Stripe makes of it.

Events come in Stripe's usual order: customer, payment intent and charge, payment link, then the session itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

from sandbox.store import Document
from sandbox.stripe_api import (
    customers,
    documents,
    invoice_payments,
    line_items,
    payment_links,
    payments,
    sessions,
    subscriptions,
)
from sandbox.stripe_api.calls import Call
from sandbox.stripe_api.events import emit
from sandbox.stripe_api.payments import Payer

Outcome = Literal["paid", "unpaid", "async_succeeded", "async_failed", "expired", "declined", "no_payment_required"]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)
Body = dict[str, Any]


class Impossible(ValueError):
    """What nobody could do at this page."""


@dataclass(frozen=True)
class Visitor:
    """What the page learns of whoever stands before it."""

    email: str | None = None
    name: str | None = None
    quantity: int | None = None


def visited(call: Call, link: str, reference: str | None = None, email: str | None = None) -> Body:
    """A new session of a payment link; raises for a closed one."""
    found = call.world.store.get(call.scope, payment_links.KIND, link)
    if found is None:
        raise LookupError(f"no payment link {link!r}")
    if not found.body["active"]:
        raise Impossible(f"the payment link {link} is not active")
    return sessions.visit(call, found.body, reference, email)


def resolve(call: Call, session: str, outcome: Outcome, visitor: Visitor) -> Body:
    """Plays an outcome at an open session, or ends the waiting of an unpaid one."""
    if call.world.store.get(call.scope, sessions.KIND, session) is None:
        raise LookupError(f"no checkout session {session!r}")
    found = sessions.current(call, session)
    if found.body["status"] == "complete" and found.body["payment_status"] == "unpaid":
        return _finish(call, found, outcome)
    if found.body["status"] != "open":
        raise Impossible(f"the session {session} is {found.body['status']} and {found.body['payment_status']}")
    if outcome == "expired":
        return sessions.end(call, found)
    priced = _priced(call, found, outcome, visitor.quantity)
    if outcome == "declined":
        return _decline(call, found, priced, visitor)
    completed = _complete(call, found, priced, outcome, visitor)
    if outcome in ("async_succeeded", "async_failed") and completed["payment_status"] == "unpaid":
        return _finish(call, sessions.current(call, session), outcome)
    return completed


def _priced(call: Call, found: Document, outcome: Outcome, quantity: int | None) -> Body:
    """The session with the quantity that was chosen, and with the whole price taken off for a free one."""
    session, hidden = dict(found.body), documents.hidden(call, found.id)
    items = [dict(item) for item in hidden["items"]]
    if quantity is not None and quantity != items[0]["quantity"]:
        limits = items[0]["adjustable_quantity"]
        if not limits or not limits["minimum"] <= quantity <= limits["maximum"] or quantity < 1:
            raise Impossible(f"the quantity cannot be {quantity} on this page")
        items[0] = line_items.with_quantity(call, items[0], quantity, session["currency"])
    subtotal = sum(item["subtotal"] for item in items)
    if outcome == "no_payment_required":
        items = [{**item, "free": True} for item in items]
    off = subtotal if outcome == "no_payment_required" else 0
    session |= {"amount_subtotal": subtotal, "amount_total": subtotal - off}
    session["total_details"] = {**session["total_details"], "amount_discount": off}
    documents.hide(call, found.id, items=items)
    if subtotal == off and outcome in ("unpaid", "async_succeeded", "async_failed", "declined"):
        raise Impossible("there is nothing to pay")
    return session


def _complete(call: Call, found: Document, session: Body, outcome: Outcome, visitor: Visitor) -> Body:
    """The page is done with: customer, payment and subscription as the session wants them, then the session."""
    payer = _payer(call, session, visitor)
    customer = _customer(call, session, payer)
    hidden = documents.hidden(call, found.id)
    later = outcome in ("unpaid", "async_succeeded", "async_failed")
    free = session["amount_total"] == 0
    session |= {
        "status": "complete", "customer": customer, "customer_details": _details(payer), "url": None,
        "payment_status": "no_payment_required" if free else "unpaid" if later else "paid",
        "collected_information": {"business_name": None, "individual_name": None, "shipping_details": None},
        "payment_method_types": ["us_bank_account" if later else "card"],
    }  # fmt: skip
    if session["mode"] == "subscription":
        session |= _subscribed(call, session, hidden, later=later)
    elif not free:
        intent = _intent(call, session, hidden["intent_data"], later=later)
        (payments.process if later else payments.succeed)(call, intent, payer)
        documents.hide(call, found.id, intent=intent)
        session["payment_intent"] = intent
    if session["payment_link"]:
        payment_links.count_completed(call, session["payment_link"])
    return sessions.keep(call, found, session, "checkout.session.completed")


def _subscribed(call: Call, session: Body, hidden: Body, *, later: bool) -> Body:
    """A subscription with its first invoice, which the visitor pays."""
    subscription = subscriptions.begin(call, session, hidden)
    invoice = subscriptions.first_invoice(call, subscription, hidden["items"])
    if invoice["status"] == "open":
        invoice_payments.pay_as(call, invoice["id"], "processing" if later else "succeeded", None)
    return {"subscription": subscription["id"], "invoice": invoice["id"]}


def _decline(call: Call, found: Document, session: Body, visitor: Visitor) -> Body:
    """The bank says no; the page stays open for another try."""
    intent = _intent(call, session, documents.hidden(call, found.id)["intent_data"], later=False)
    payments.fail(call, intent, _payer(call, session, visitor))
    documents.hide(call, found.id, intent=intent)
    return documents.change(call, found, {**session, "customer_details": found.body["customer_details"]})


def _finish(call: Call, found: Document, outcome: Outcome) -> Body:
    """Days later the bank debit succeeds or comes back."""
    if outcome not in ("paid", "async_succeeded", "async_failed"):
        raise Impossible(f"the session {found.id} waits for its payment: it can be async_succeeded or async_failed")
    if found.body["invoice"]:
        return _finish_invoice(call, found, outcome)
    intent, details = documents.hidden(call, found.id)["intent"], found.body["customer_details"] or {}
    known = documents.named(call, payments.INTENT, payments.INTENT, intent, "payment_intent").body
    if known["status"] != "processing":
        raise Impossible(f"the payment of the session {found.id} has failed already")
    payer = Payer(details.get("email"), details.get("name"))
    if outcome == "async_failed":
        payments.fail(call, intent, payer)
        emit(call, "checkout.session.async_payment_failed", found.body)
        return found.body
    payments.succeed(call, intent, payer)
    paid = {**found.body, "payment_status": "paid"}
    return sessions.keep(call, found, paid, "checkout.session.async_payment_succeeded")


def _finish_invoice(call: Call, found: Document, outcome: Outcome) -> Body:
    """The bank debit of a subscription's first invoice succeeds or comes back, with what that does to the session."""
    invoice = found.body["invoice"]
    if not documents.hidden(call, invoice).get("processing"):
        raise Impossible(f"the payment of the session {found.id} has failed already")
    if outcome == "async_failed":
        invoice_payments.pay_as(call, invoice, "failed", None)
        emit(call, "checkout.session.async_payment_failed", found.body)
        return found.body
    invoice_payments.pay_as(call, invoice, "succeeded", None)
    paid = {**found.body, "payment_status": "paid"}
    return sessions.keep(call, found, paid, "checkout.session.async_payment_succeeded")


def _payer(call: Call, session: Body, visitor: Visitor) -> Payer:
    """The customer that the session is for, else whoever filled in the page."""
    known = call.world.store.get(call.scope, customers.KIND, session["customer"] or "")
    body = known.body if known else {}
    email = visitor.email or body.get("email") or session["customer_email"] or "buyer@example.com"
    return Payer(email, visitor.name or body.get("name") or "Jenny Rosen")


def _details(payer: Payer) -> Body:
    address = dict.fromkeys(("city", "country", "line1", "line2", "postal_code", "state"))
    return {
        "address": address, "business_name": None, "email": payer.email, "individual_name": None, "name": payer.name,
        "phone": None, "tax_exempt": "none", "tax_ids": [],
    }  # fmt: skip


def _customer(call: Call, session: Body, payer: Payer) -> str | None:
    """The session's customer: a new one for a subscription or where the link always wants one, else a guest, none.

    The new customer carries no metadata, whatever the link's says: nothing tells it from any other one.
    """
    if session["customer"]:
        return str(session["customer"])
    if session["mode"] != "subscription" and session["customer_creation"] != "always":
        return None
    return str(customers.create(call.having({"email": payer.email, "name": payer.name}))["id"])


def _intent(call: Call, session: Body, data: Body, *, later: bool) -> str:
    """The session's payment intent: the one of an earlier try, if that fits, else a new one."""
    tried = documents.hidden(call, session["id"]).get("intent")
    if tried:
        known = documents.named(call, payments.INTENT, payments.INTENT, tried, "payment_intent")
        kind = ["us_bank_account" if later else "card"]
        again = {"payment_method_types": kind, "amount": session["amount_total"], "customer": session["customer"]}
        return str(documents.change(call, known, {**known.body, **again})["id"])
    more = {name: data.get(name) or None for name in ("description", "transfer_group", "receipt_email") if name in data}
    made = payments.open_intent(
        call, session["amount_total"], session["currency"], customer=session["customer"], later=later,
        metadata=data.get("metadata") or {}, **more,
    )  # fmt: skip
    return str(made["id"])
