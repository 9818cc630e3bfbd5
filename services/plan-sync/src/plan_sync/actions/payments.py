"""What became of a checkout of an offer: looked up as it is now, whatever the event that tells of it."""

from __future__ import annotations

from typing import Any

from shared.apps.stripe.client import StripeApp
from shared.domains.plans import ATTACHED, CHECKOUT_PAYMENT
from shared.domains.plans.flows import FAILED_TO_LINK
from shared.domains.plans.payments import OfferPayment, PaymentNamed, PaymentState
from shared.domains.plans.stripe import ACCOUNT, ORGANIZATION, PLAN
from shared.domains.plans.togai import offer_id
from shared.runtime.actions import Context, Ended, Result

from plan_sync.actions.payment_links import FAILED, PAYMENT_INTENTS, SESSIONS

INVOICES, INVOICE_PAYMENTS = "/v1/invoices", "/v1/invoice_payments"
Json = dict[str, Any]


async def read(context: Context, wanted: PaymentNamed) -> Result:
    """Raises Ended for what paid no offer of the flow link's organization."""
    client: StripeApp = await context.client("stripe")
    session = await _session(context, client, wanted)
    metadata = (session or {}).get("metadata") or {}
    if session is None or not (metadata.get(PLAN) and metadata.get(ACCOUNT)):
        raise Ended("skipped", f"{wanted.payment_intent or wanted.session_id} paid no offer")
    refs = [context.ref("stripe", "checkout.session", str(session["id"]))]
    if metadata.get(ORGANIZATION, "") not in ("", context.account("togai")):
        raise Ended("skipped", f"it is an offer of {metadata[ORGANIZATION]}", tuple(refs))
    intent = str(session.get("payment_intent") or wanted.payment_intent)
    state, refunded = await state_of(client, session, intent)
    if state == "pending" and context.run.event_type == FAILED_TO_LINK.trigger:
        state = "failed"  # of a subscription, whose session shows no payment
    found = OfferPayment(
        session_id=str(session["id"]),
        payment_intent=intent,
        state=state,
        currency=str(session.get("currency") or ""),
        amount=int(session.get("amount_total") or 0),
        refunded=refunded,
    )
    refs.append(context.ref("togai", "offer", offer_id(metadata[PLAN], metadata[ACCOUNT])))
    refs += [context.ref("stripe", "payment_intent", intent)] if intent else []
    return Result(found, False, (f"it is {state}", *_counted_still(context, found)), tuple(refs))


def _counted_still(context: Context, found: OfferPayment) -> list[str]:
    """What a person has to see to after a refund: what was paid stays the account's wallet credit."""
    source = context.ref("stripe", "payment_intent", found.payment_intent)
    pair = context.claims_of(CHECKOUT_PAYMENT.name).index.pair(source) if found.refunded else None
    if pair is None:
        return []
    return [f"payment {context.id_of(pair.target)} in Togai counts it still as wallet credit: take that back there"]


async def _session(context: Context, client: StripeApp, wanted: PaymentNamed) -> Json | None:
    if wanted.session_id:
        return await client.retrieve(SESSIONS, wanted.session_id)
    async for session in client.listed(SESSIONS, {"payment_intent": wanted.payment_intent}):
        return session
    return await _of_subscription(context, client, wanted.payment_intent)


async def _of_subscription(context: Context, client: StripeApp, intent: str) -> Json | None:
    """The session of ours whose subscription's first invoice a payment paid: Stripe names none for the payment. Nothing
    is asked where no checkout attached a plan.
    """
    index = context.claims_of(ATTACHED.name).index
    if not index.has_links_at(context.account("togai")):
        return None
    params = {"payment[type]": "payment_intent", "payment[payment_intent]": intent}
    async for row in client.listed(INVOICE_PAYMENTS, params):
        invoice = await client.retrieve(INVOICES, str(row["invoice"]))
        subscription = ((invoice.get("parent") or {}).get("subscription_details") or {}).get("subscription")
        for pair in index.under(context.ref("stripe", "subscription", str(subscription))) if subscription else ():
            session = await client.retrieve(SESSIONS, context.id_of(pair.source))
            if session.get("invoice") == invoice["id"]:
                return session
    return None


async def state_of(client: StripeApp, session: Json, intent: str) -> tuple[PaymentState, int]:
    """What became of a session's payment, and how much was given back. A refund that fails is taken off again by Stripe
    itself.
    """
    if session.get("status") == "expired":
        return "expired", 0
    if not intent and session.get("payment_status") == "unpaid" and session.get("invoice"):
        intent = await _intent_of_invoice(client, str(session["invoice"]))
    if not intent:
        return ("pending" if session.get("payment_status") == "unpaid" else "paid"), 0
    shown = await client.retrieve(PAYMENT_INTENTS, intent, {"expand[]": "latest_charge"})
    if session.get("payment_status") == "unpaid":
        return ("failed" if shown.get("status") in FAILED else "pending"), 0
    refunded = int((shown.get("latest_charge") or {}).get("amount_refunded") or 0)
    if refunded >= int(session["amount_total"]) > 0:
        return "refunded", refunded
    return ("partly refunded" if refunded else "paid"), refunded


async def _intent_of_invoice(client: StripeApp, invoice: str) -> str:
    """The payment of a subscription's first invoice: its session names none. Empty where there is none yet."""
    async for row in client.listed(INVOICE_PAYMENTS, {"invoice": invoice}):
        if intent := row["payment"].get("payment_intent"):
            return str(intent)
    return ""
