"""What became of a checkout of an offer: looked up as it is now, whatever the event that tells of it."""

from __future__ import annotations

from typing import Any

from shared.apps.stripe.client import StripeApp
from shared.domains.plans.payments import OfferPayment, PaymentNamed, PaymentState
from shared.domains.plans.stripe import ACCOUNT, ORGANIZATION, PLAN
from shared.domains.plans.togai import offer_id
from shared.runtime.actions import Context, Ended, Result

from plan_sync.actions.payment_links import FAILED, PAYMENT_INTENTS, SESSIONS

Json = dict[str, Any]


async def read(context: Context, wanted: PaymentNamed) -> Result:
    """Raises Ended for what paid no offer of the flow link's organization."""
    client: StripeApp = await context.client("stripe")
    session = await _session(client, wanted)
    metadata = (session or {}).get("metadata") or {}
    if session is None or not (metadata.get(PLAN) and metadata.get(ACCOUNT)):
        raise Ended("skipped", f"{wanted.payment_intent or wanted.session_id} paid no offer")
    refs = [context.ref("stripe", "checkout.session", str(session["id"]))]
    if metadata.get(ORGANIZATION, "") not in ("", context.account("togai")):
        raise Ended("skipped", f"it is an offer of {metadata[ORGANIZATION]}", tuple(refs))
    intent = str(session.get("payment_intent") or "")
    state, refunded = await _state(client, session, intent)
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
    return Result(found, False, (f"it is {state}",), tuple(refs))


async def _session(client: StripeApp, wanted: PaymentNamed) -> Json | None:
    if wanted.session_id:
        return await client.retrieve(SESSIONS, wanted.session_id)
    found = client.listed(SESSIONS, {"payment_intent": wanted.payment_intent})
    return await anext(found, None)


async def _state(client: StripeApp, session: Json, intent: str) -> tuple[PaymentState, int]:
    """What it is, and how much was given back. A refund that fails is taken off again by Stripe itself."""
    if session.get("status") == "expired":
        return "expired", 0
    if not intent:
        return ("pending" if session.get("payment_status") == "unpaid" else "paid"), 0
    shown = await client.retrieve(PAYMENT_INTENTS, intent, {"expand[]": "latest_charge"})
    if session.get("payment_status") == "unpaid":
        return ("failed" if shown.get("status") in FAILED else "pending"), 0
    refunded = int((shown.get("latest_charge") or {}).get("amount_refunded") or 0)
    if refunded >= int(session["amount_total"]) > 0:
        return "refunded", refunded
    return ("partly refunded" if refunded else "paid"), refunded
