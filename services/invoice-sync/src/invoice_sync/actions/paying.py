"""A customer pays an invoice at its page: the payment intent is made right, and the page gets what it needs to show it.

Nothing is confirmed here: the customer's browser does that at Stripe, which lets one intent succeed once.
"""

from __future__ import annotations

from shared.apps.stripe.client import StripeApp
from shared.connections import portal_keys
from shared.domains.invoices import INVOICE_INTENT
from shared.domains.invoices.pages import PaymentForm, PaymentRequest
from shared.domains.invoices.togai import InvoiceId
from shared.errors import AmountMismatch, Waiting
from shared.runtime.actions import Context, Ended, Result
from shared.sealed_texts import INTENT_SECRETS, TextSeal

from invoice_sync.actions.holding import check_not_held
from invoice_sync.actions.intents import corrected
from invoice_sync.actions.invoices import facts_of
from invoice_sync.actions.payments import INTENTS
from invoice_sync.decide import UNPAID


async def prepare(context: Context, wanted: PaymentRequest) -> Result:
    """Make the intent ask for what Togai asks for now. Raises Ended where nothing is to be paid, or not at present:
    whoever asked is gone by the time at which that changes, and asks again.
    """
    if wanted.flow_link not in ("", context.link.id):
        raise Ended("skipped", f"flow link {wanted.flow_link} was asked to do it")
    source = context.ref("togai", "invoice", wanted.invoice_id)
    pair = context.claims_of(INVOICE_INTENT.name).index.pair(source)
    if pair is None or pair.state != "linked":
        raise Ended("skipped", "no payment intent collects it", (source,))
    try:
        return await _prepared(context, wanted, context.id_of(pair.target), pair.refs)
    except (Waiting, AmountMismatch) as error:
        raise Ended("skipped", error.message, pair.refs) from error


async def _prepared(context: Context, wanted: PaymentRequest, name: str, refs: tuple[str, ...]) -> Result:
    check_not_held(context, wanted.invoice_id)
    # One that has an intent is old or not by what made it: the visitor's flow link says nothing of that.
    facts, notes = await facts_of(context, InvoiceId(invoice_id=wanted.invoice_id), may_be_old=True)
    client: StripeApp = await context.client("stripe")
    found = await client.retrieve(INTENTS, name)
    if found["status"] in UNPAID:
        intent = await corrected(client, found, facts.total, facts.currency)
    else:
        intent = found
    if intent["status"] not in UNPAID:
        raise Ended("skipped", f"{name} is {intent['status']}: there is nothing to pay", refs)
    form = PaymentForm(
        invoice_id=wanted.invoice_id,
        payment_intent=name,
        currency=facts.currency,
        amount=facts.total,
        sealed=TextSeal(portal_keys(context.settings), INTENT_SECRETS).seal(str(intent["client_secret"])),
    )
    return Result(form, intent["amount"] != found["amount"], notes, refs)
