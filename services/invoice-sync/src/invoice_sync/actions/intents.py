"""Payment-intent mode: an invoice is charged off session by its customer's default method, once.

The intent is made under a claim and linked before it is confirmed: there is one for an invoice, and Stripe lets none
succeed twice. What a declined attempt leaves is read before another one, so that no method is tried twice by itself.
"""

from __future__ import annotations

import time
from typing import Any, NamedTuple

from shared.apps.stripe.client import StripeApp
from shared.apps.togai.client import TogaiApp
from shared.domains.invoices import INVOICE, INVOICE_INTENT
from shared.domains.invoices.intents import IntentCharged, IntentNamed, IntentShown, InvoiceToCharge
from shared.domains.invoices.progress import CANCELED, PAID_IN_PART
from shared.domains.invoices.states import InvoiceState
from shared.domains.invoices.stripe import metadata_of
from shared.errors import AmountMismatch, Rejected, Waiting
from shared.linking.mappings import Mapping
from shared.runtime.actions import Context, Ended, Result
from shared.runtime.creating import Creation, create

from invoice_sync.actions.collection import CUSTOMERS
from invoice_sync.actions.drafts import adopt
from invoice_sync.actions.groups import customer_for
from invoice_sync.actions.holding import BY_HAND, check_no_other, check_not_held
from invoice_sync.actions.invoices import check_unchanged
from invoice_sync.actions.keys import under_key
from invoice_sync.actions.page_addresses import publish_page
from invoice_sync.actions.payments import INTENTS, check_version, is_counted
from invoice_sync.actions.states import objects_of_intent
from invoice_sync.decide import CLOSED_AS, TO_CONFIRM, UNPAID, attempt_of, intent_payments, intent_state
from invoice_sync.states import gathered, outcome_of
from shared import money

Json = dict[str, Any]
CHARGES = "/v1/charges"
DONE = ("succeeded", "processing")
AT_BANK = 3600
"""Seconds that a customer is given at the bank's page before another method may take over."""


class _New(NamedTuple):
    """An intent that was made just now, and the method that is to pay it."""

    intent: Json
    method: str


class _Intent(Creation[Json]):
    """Found again by the invoice and organization that its metadata name."""

    def __init__(self, client: StripeApp, customer: str, metadata: dict[str, str]) -> None:
        self._client = client
        self._customer = customer
        self._metadata = metadata

    async def send(self, body: Json, key: str) -> Json:
        return await self._client.create(INTENTS, body, key)

    async def find(self, since: int) -> Json | None:
        params = {"customer": self._customer} | ({"created[gte]": since} if since else {})
        return await self._client.with_metadata(INTENTS, params, self._metadata)


async def charge(context: Context, wanted: InvoiceToCharge) -> Result:
    """Make the intent and confirm it, or read what became of it. Raises Ended where a Stripe invoice collects it,
    Waiting without a method, and for what its customer has to do.
    """
    check_not_held(context, wanted.invoice_id)
    check_no_other(context, wanted.invoice_id, INVOICE)
    await check_unchanged(context, wanted.invoice_id, wanted.total)
    client: StripeApp = await context.client("stripe")
    customer = await customer_for(context, wanted.account_id, wanted.group_id)
    held, new = await _linked(context, client, customer, wanted)
    intent = new.intent if new else await client.retrieve(INTENTS, context.id_of(held.target))
    _check_not_counted(context, intent, wanted)
    if intent["status"] in UNPAID:
        intent = await corrected(client, intent, wanted.total, wanted.currency)
    method = new.method if new else await _method_to_try(context, client, intent, customer)
    if method:
        intent = await _confirmed(context, client, intent, method)
    if intent["status"] not in DONE:
        raise await _left_to_customer(context, intent, wanted.invoice_id)
    done = IntentCharged(payment_intent=str(intent["id"]), status=str(intent["status"]))
    amount = f"{money.major(int(intent['amount']), wanted.currency)} {wanted.currency}"
    notes = (f"{amount} of {intent['id']} are {intent['status']}",)
    return Result(done, bool(method), notes, held.refs)


def _check_not_counted(context: Context, intent: Json, wanted: InvoiceToCharge) -> None:
    """Raises Waiting where it was paid and counted, and Togai still asks for something: an intent succeeds once."""
    if not any(is_counted(context, payment) for payment in intent_payments(intent)):
        return
    rest = f"{money.major(wanted.total, wanted.currency)} {wanted.currency}"
    raise Waiting(
        f"{intent['id']} paid a part of it, and {rest} are open since: collect them by hand and count them in Togai",
        code=PAID_IN_PART,
    )


async def _linked(
    context: Context, client: StripeApp, customer: str, wanted: InvoiceToCharge
) -> tuple[Mapping, _New | None]:
    """The pair of the invoice and its one intent, which is made if there is none yet; with it what was made just now,
    which nobody has tried to pay.
    """
    claims, account = context.claims_of(INVOICE_INTENT.name), context.account("stripe")
    source = context.ref("togai", "invoice", wanted.invoice_id)
    known, method = claims.index.claim_of(source, account), ""
    if known is None or known.state == "withdrawn":
        await adopt(context, context.claims_of(INVOICE.name), wanted.invoice_id, source)
        method = await _method_of(client, customer)
    metadata = metadata_of(wanted.invoice_id, wanted.account_id, wanted.group_id, context.account("togai"))
    body = {
        "amount": wanted.total,
        "currency": wanted.currency.lower(),
        "customer": customer,
        "description": f"Invoice {wanted.number or wanted.invoice_id}",
        # Nobody is there to be sent to another page.
        "automatic_payment_methods": {"enabled": "true", "allow_redirects": "never"},
        "metadata": metadata,
    }
    held = await claims.claim(
        source, action="stripe.payment_intent.create", app_account=account, body=body, run=context.run.id
    )
    if held.state != "claimed":
        return held, None
    creation = _Intent(client, customer, metadata)
    # A person may mean an invoice of a time that this home knows nothing of.
    found = await creation.find(0) if method and context.run.origin in BY_HAND else None
    if found:
        return await claims.link(held, context.ref("stripe", "payment_intent", str(found["id"])), "metadata"), None
    made, _ = await create(claims, held, account, creation)
    held = await claims.link(held, context.ref("stripe", "payment_intent", str(made["id"])), "created")
    # An answer to a claim of an earlier attempt may be a repeated one, and older than the intent is.
    return held, _New(made, method) if method else None


async def _default_method(client: StripeApp, customer: str) -> str:
    """The method that pays the customer's invoices; empty for none."""
    found = await client.retrieve(CUSTOMERS, customer)
    settings = found.get("invoice_settings") or {}
    return str(settings.get("default_payment_method") or found.get("default_source") or "")


async def _method_of(client: StripeApp, customer: str) -> str:
    """The customer's default method. Raises Waiting where there is none."""
    if method := await _default_method(client, customer):
        return method
    why = f"Stripe customer {customer} has no default payment method: it is charged when there is one"
    raise Waiting(why, code="no_method")


async def _method_to_try(context: Context, client: StripeApp, intent: Json, customer: str) -> str:
    """The default method, where it is to be tried now; empty where it was. Raises Waiting where there is none."""
    if intent["status"] == "requires_action":
        # Its customer may have left the bank's page for good: a default method that is new since takes it over.
        method = await _default_method(client, customer)
        is_new = bool(method) and not await _was_tried(client, intent, method)
        return method if is_new and not await _is_at_bank(client, intent) else ""
    if intent["status"] not in TO_CONFIRM:
        return ""
    method = await _method_of(client, customer)
    by_hand = context.run.origin in BY_HAND
    return method if by_hand or not await _was_tried(client, intent, method) else ""


async def corrected(client: StripeApp, intent: Json, total: int, currency: str) -> Json:
    """The penny gate: what is confirmed is what Togai asks for now, in minor units. Of one that was confirmed meanwhile
    nothing is changed. Raises AmountMismatch for another currency.
    """
    if str(intent["currency"]).upper() != currency:
        raise AmountMismatch(
            f"{intent['id']} is in {str(intent['currency']).upper()}, and the invoice in {currency}: cancel it "
            "in Stripe and collect the invoice by hand"
        )
    if intent["amount"] == total:
        return intent
    try:
        intent = await client.update(INTENTS, str(intent["id"]), {"amount": total})
    except Rejected:
        intent = await client.retrieve(INTENTS, str(intent["id"]))
        if intent["status"] in UNPAID:
            raise
        return intent
    if intent["amount"] != total:
        raise AmountMismatch(f"{intent['id']} asks for {intent['amount']} minor units, the invoice for {total}")
    return intent


async def _confirmed(context: Context, client: StripeApp, intent: Json, method: str) -> Json:
    """Try a method."""
    name = str(intent["id"])

    async def done() -> Json | None:
        found = await client.retrieve(INTENTS, name)
        return found if _shows_try(found, method) else None

    # A try leaves a charge: the same one goes under the same key, the next one under another.
    what = f"{name} {method} {intent.get('latest_charge') or ''}"
    params = {"payment_method": method, "off_session": "true"}
    try:
        return await under_key(
            context,
            "stripe.payment_intent.confirm",
            what,
            lambda key: client.act(INTENTS, name, "confirm", params, key),
            done,
        )
    except Rejected as error:
        found = await client.retrieve(INTENTS, name)
        # One that is at the bank's page stays there.
        if _shows_try(found, method) or found["status"] == "requires_action":
            return found
        raise error


def _shows_try(intent: Json, method: str) -> bool:
    """Whether an intent shows that a method was tried, or that it is paid, canceled or under way."""
    if intent["status"] == "requires_action":
        return bool(intent.get("payment_method") == method)
    return intent["status"] not in TO_CONFIRM or attempt_of(intent).method == method


async def _is_at_bank(client: StripeApp, intent: Json) -> bool:
    """Whether its customer was led to the bank's page so lately that they may be there still."""
    params = {"type": "payment_intent.requires_action", "created[gte]": int(time.time()) - AT_BANK}
    async for event in client.listed("/v1/events", params):
        if event["data"]["object"]["id"] == intent["id"]:
            return True
    return False


async def _was_tried(client: StripeApp, intent: Json, method: str) -> bool:
    """Whether a method was tried before. The last attempt may be the customer's own, by another one."""
    if _shows_try(intent, method):
        return True
    if not intent.get("latest_charge"):
        return False
    tried = [one.get("payment_method") async for one in client.listed(CHARGES, {"payment_intent": intent["id"]})]
    return method in tried


async def _left_to_customer(context: Context, intent: Json, invoice_id: str) -> Waiting:
    """What somebody has to do about an intent that is not paid. Where its customer can, its page is said in Togai."""
    waiting = _waiting(intent)
    if waiting.code not in ("requires_action", "declined"):
        return waiting
    return Waiting(f"{waiting.message}. {await publish_page(context, invoice_id)}", code=waiting.code)


def _waiting(intent: Json) -> Waiting:
    name, attempt = intent["id"], attempt_of(intent)
    if intent["status"] == "canceled":
        why = f"{name} was canceled in Stripe, and Togai's invoice is still due: close it there, or collect it by hand"
        return Waiting(why, code="closed_in_stripe")
    if intent["status"] == "requires_action" or attempt.code == "authentication_required":
        why = f"{name} waits for its customer, whose bank asks to confirm it: they do so on its page, or it is paid by "
        why += "another default method"
        return Waiting(why, code="requires_action")
    if attempt.method:
        why = f"{name} was declined ({attempt.said}): it is charged again once its customer has another default "
        why += "method, unless they pay it on its page"
        return Waiting(why, code="declined")
    return Waiting(f"{name} is {intent['status']}", code="not_paid")


async def _canceled_as(context: Context, invoice_id: str) -> tuple[InvoiceState, str]:
    """What an invoice is whose intent was canceled, and what its Settings say: nothing where Togai closed it itself."""
    togai: TogaiApp = await context.client("togai")
    status = str((await togai.invoice(invoice_id)).get("status"))
    return (CLOSED_AS[status], "") if status in CLOSED_AS else ("failed", CANCELED)


async def read(context: Context, wanted: IntentNamed) -> Result:
    """What became of it. Raises Ended for one that no invoice of Togai is collected by."""
    check_version(wanted.unknown_version)
    ref = context.ref("stripe", "payment_intent", wanted.payment_intent)
    pair = context.claims_of(INVOICE_INTENT.name).index.pair(ref)
    invoice_id = context.id_of(pair.source) if pair else wanted.invoice_id
    if not invoice_id:
        raise Ended("skipped", f"{wanted.payment_intent} is the payment of no invoice by its metadata", (ref,))
    if wanted.organization not in ("", context.account("togai")):
        raise Ended("skipped", f"it pays {invoice_id} of {wanted.organization}", (ref,))
    client: StripeApp = await context.client("stripe")
    intent = await client.retrieve(INTENTS, wanted.payment_intent, {"expand[]": "latest_charge"})
    currency, (state, words), status = str(intent["currency"]).upper(), intent_state(intent), ""
    if intent["status"] == "canceled":
        state, words = await _canceled_as(context, invoice_id)
    if intent["status"] == "succeeded":
        # An event that names the payment alone was appended for a refund or a dispute.
        ask = not wanted.invoice_id
        outcome = outcome_of(gathered([one async for one in objects_of_intent(client, intent, ask=ask)]), currency)
        state, words, status = outcome.state, outcome.recorded, outcome.status
    found = IntentShown(
        invoice_id=invoice_id,
        stripe_invoice_id="",
        currency=currency,
        # What it does not cover is closed by nobody.
        status="open",
        payments=intent_payments(intent),
        payment_intent=wanted.payment_intent,
        state=state,
        togai_status=status,
        recorded=words,
        total=int(intent["amount"]),
    )
    return Result(found, False, (f"it is {intent['status']}",), (ref, context.ref("togai", "invoice", invoice_id)))
