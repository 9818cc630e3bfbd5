"""A Stripe invoice from the draft on: made, filled, finalized only if it is right to the cent."""

from __future__ import annotations

from typing import Any

from shared.apps.stripe.client import StripeApp
from shared.apps.togai.client import TogaiApp
from shared.domains.invoices import INVOICE, INVOICE_INTENT
from shared.domains.invoices.stripe import (
    DraftMade,
    InvoiceFinalized,
    InvoiceToFinalize,
    metadata_of,
)
from shared.domains.invoices.togai import InvoiceFacts
from shared.errors import AmountMismatch, NotFound, NotReady, Rejected, SyncError, Waiting
from shared.identity import digest
from shared.linking.claims import Claims
from shared.linking.mappings import Mapping
from shared.runtime.actions import Context, Ended, Result
from shared.runtime.creating import Creation
from shared.runtime.creating import create as made_under

from invoice_sync.actions import second_currency
from invoice_sync.actions.collection import TERMS_REFUSED, Terms, refused, terms_of
from invoice_sync.actions.covering import covered_names
from invoice_sync.actions.filling import INVOICES, fill
from invoice_sync.actions.groups import customer_for
from invoice_sync.actions.holding import check_no_other, check_not_held
from invoice_sync.actions.invoices import OWNER, check_unchanged, name_invoice, own_pair
from invoice_sync.actions.keys import under_key
from invoice_sync.actions.lowering import lower
from invoice_sync.decide import amounts_of, by_balance_of, differences, is_right, too_much
from invoice_sync.lines import covered_paths
from invoice_sync.terms import SEND
from shared import money

MOST_TERMS = 3
"""Terms that are tried in one attempt of a run: without an address, and without a number that is taken."""


HELD = "togai_held"
"""In the metadata of a draft that is not right: by how much, for whoever looks at it in Stripe."""


class _Draft(Creation[dict[str, Any]]):
    """Found again by the invoice and organization that its metadata name."""

    def __init__(self, client: StripeApp, customer: str, metadata: dict[str, str]) -> None:
        self._client = client
        self._customer = customer
        self._metadata = metadata

    async def send(self, body: dict[str, Any], key: str) -> dict[str, Any]:
        return await self._client.create(INVOICES, body, key)

    async def find(self, since: int) -> dict[str, Any] | None:
        params = {"customer": self._customer} | ({"created[gte]": since} if since else {})
        return await self._client.with_metadata(INVOICES, params, self._metadata)

    def refused(self, error: Rejected) -> SyncError:
        return refused(error)


async def create(context: Context, wanted: InvoiceFacts) -> Result:
    """Make the draft with its lines, or go on with the one that is there. Raises Ended for an invoice that needs none,
    NotLinked for an account without a Stripe customer.
    """
    check_not_held(context, wanted.invoice_id)
    check_no_other(context, wanted.invoice_id, INVOICE_INTENT)
    for _ in range(MOST_TERMS - 1):
        try:
            return await _create(context, wanted)
        except NotReady as error:
            if error.code != TERMS_REFUSED:
                raise
    return await _create(context, wanted)


async def _create(context: Context, wanted: InvoiceFacts) -> Result:
    """Make it on the terms that Stripe has not refused so far. Raises NotReady where it refuses these."""
    claims, account = context.claims_of(INVOICE.name), context.account("stripe")
    source, client = context.ref("togai", "invoice", wanted.invoice_id), await context.client("stripe")
    known = claims.index.claim_of(source, account)
    customer = await customer_for(context, wanted.account_id, wanted.group_id)
    metadata = metadata_of(wanted.invoice_id, wanted.account_id, wanted.group_id, context.account("togai"))
    terms, earlier = Terms({}), known if known and known.state == "withdrawn" else None
    if known is None or known.state == "withdrawn":
        await adopt(context, claims, wanted.invoice_id, source)
        terms = await terms_of(context, client, customer, wanted, earlier)
        known = None
    held = await _claimed(context, source, _params(wanted, customer, metadata) | terms.params, earlier)
    if held.state == "claimed":
        draft, how, held = await _made(context, client, held)
    else:
        draft, how = await _present(context, client, held, wanted), "linked already"
    filled: list[str] = []
    if draft["status"] == "draft":
        filled = await fill(context, client, str(draft["id"]), wanted.lines, is_new=known is None)
    return Result(DraftMade(stripe_invoice_id=str(draft["id"])), True, (how, *terms.notes, *filled), held.refs)


async def _claimed(context: Context, source: str, body: dict[str, Any], earlier: Mapping | None) -> Mapping:
    """The claim, or the pair that is there; `earlier` is the withdrawn claim of a create that Stripe refused."""
    return await context.claims_of(INVOICE.name).claim(
        source,
        # Under the former key Stripe would repeat its refusal.
        action=f"stripe.invoice.create.{digest(earlier.reason)[:8]}" if earlier else "stripe.invoice.create",
        app_account=context.account("stripe"),
        body=body,
        run=context.run.id,
    )


async def _made(context: Context, client: StripeApp, held: Mapping) -> tuple[dict[str, Any], str, Mapping]:
    """The draft of a claim, with it how, in words, and its pair."""
    assert held.claim
    claims, body = context.claims_of(INVOICE.name), held.claim.body
    async with second_currency.named(client, body["customer"], body["currency"].upper()):
        creation = _Draft(client, body["customer"], body["metadata"])
        draft, how = await made_under(claims, held, context.account("stripe"), creation)
    return draft, how, await claims.link(held, context.ref("stripe", "invoice", str(draft["id"])), "created")


async def made_plainly(
    context: Context, client: StripeApp, invoice_id: str, params: dict[str, Any]
) -> tuple[dict[str, Any], str, Mapping]:
    """The Stripe invoice that mirrors one of Togai, whichever flow claims it first; with it how it was made, empty
    where another run did, and its pair. Raises Ended where Togai's Settings name another one.
    """
    check_no_other(context, invoice_id, INVOICE_INTENT)
    claims, source = context.claims_of(INVOICE.name), context.ref("togai", "invoice", invoice_id)
    known = claims.index.claim_of(source, context.account("stripe"))
    if known is None or known.state == "withdrawn":
        await adopt(context, claims, invoice_id, source)
    held = await _claimed(context, source, params, known if known and known.state == "withdrawn" else None)
    if held.state == "claimed":
        return await _made(context, client, held)
    return await client.retrieve(INVOICES, context.id_of(held.target)), "", held


def _params(wanted: InvoiceFacts, customer: str, metadata: dict[str, str]) -> dict[str, Any]:
    return {"customer": customer, "currency": wanted.currency.lower(), **ALONE, "metadata": metadata}


ALONE = {"auto_advance": "false", "pending_invoice_items_behavior": "exclude", "discounts": ""}
"""Nothing of the customer's own comes in: no pending items, no discount. Only the finalizing call lets it go on."""


async def adopt(context: Context, claims: Claims, invoice_id: str, source: str) -> None:
    """An invoice that Togai's Settings know at Stripe already is not made again. Raises Ended then."""
    client: TogaiApp = await context.client("togai")
    setting = await client.setting(context.settings.stripe_invoice_setting, OWNER, invoice_id)
    if setting is None or not setting.value:
        return
    target = context.ref("stripe", "invoice", setting.value)
    held = await claims.claim(
        source,
        action="stripe.invoice.adopt",
        app_account=context.account("stripe"),
        body={},
        run=context.run.id,
        target=target,
    )
    if held.state == "claimed":
        held = await claims.link(held, target, "setting")
    raise Ended("in_sync", f"its Settings name Stripe invoice {setting.value}: that one collects it", held.refs)


async def _present(context: Context, client: StripeApp, held: Mapping, wanted: InvoiceFacts) -> dict[str, Any]:
    """The invoice that was made before. Raises Ended where nothing is left to do for it, Waiting where Stripe asks for
    nothing any more, or for too much, while Togai's is due.
    """
    stripe_id = context.id_of(held.target)
    try:
        invoice = await client.retrieve(INVOICES, stripe_id)
    except NotFound:
        invoice = {"id": stripe_id, "status": "deleted"}
    status = str(invoice.get("status"))
    if status == "paid":
        if own_pair(context, INVOICE, context.ref("togai", "invoice", wanted.invoice_id)):
            await name_invoice(context, wanted.invoice_id, invoice)
        raise Ended("skipped", f"Stripe invoice {stripe_id} is paid: its payment is counted by itself", held.refs)
    if status not in ("draft", "open"):
        raise Waiting(
            f"Stripe invoice {stripe_id} is {status}, and Togai's is still due: it is not made again. Close it in "
            "Togai, or collect it by hand",
            code="closed_in_stripe",
        )
    if status == "open":
        lowered = await lower(context, invoice, held, wanted.total)
        togai: TogaiApp = await context.client("togai")
        setting = await togai.setting(context.settings.stripe_invoice_setting, OWNER, wanted.invoice_id)
        if setting and setting.value == invoice["id"]:
            if lowered:
                raise Ended("succeeded", lowered, held.refs)
            raise Ended("in_sync", f"Stripe invoice {invoice['id']} is open and collects it", held.refs)
    return invoice


async def finalize(context: Context, wanted: InvoiceToFinalize) -> Result:
    """The penny gate: currency and total that Stripe shows are Togai's, or the draft stays one.

    Raises AmountMismatch, with the difference line by line; Waiting for one that a person finalized and that asks for
    too much.
    """
    check_not_held(context, wanted.invoice_id)
    client: StripeApp = await context.client("stripe")
    refs = (context.ref("stripe", "invoice", wanted.stripe_invoice_id),)
    try:
        invoice = await client.retrieve(INVOICES, wanted.stripe_invoice_id)
    except NotFound as error:
        why = (
            f"draft {wanted.stripe_invoice_id} was deleted in Stripe: close the invoice in Togai, or collect it by hand"
        )
        raise Waiting(why, code="closed_in_stripe") from error
    status, notes = invoice.get("status"), list[str]()
    if status == "draft":
        await _check_not_billed(context, wanted)
        await check_unchanged(context, wanted.invoice_id, wanted.total)
        if context.run.attempts > 1 and not is_right(invoice, wanted.currency, wanted.total):
            # What was corrected in Togai since the draft was filled comes into it.
            notes = await fill(context, client, wanted.stripe_invoice_id, wanted.lines, is_new=False)
            invoice = await client.retrieve(INVOICES, wanted.stripe_invoice_id)
        await _check(client, invoice, wanted)
        source = context.ref("togai", "invoice", wanted.invoice_id)
        invoice = await under_key(
            context,
            "stripe.invoice.finalize",
            source,
            lambda key: client.act(INVOICES, wanted.stripe_invoice_id, "finalize", {"auto_advance": "true"}, key),
        )
    elif status not in ("open", "paid"):
        raise Ended("skipped", f"Stripe invoice {wanted.stripe_invoice_id} is {status}", refs)
    elif status == "paid" and invoice["total"] != wanted.total:
        await name_invoice(context, wanted.invoice_id, invoice)
        raise Ended(
            "skipped", f"Stripe invoice {wanted.stripe_invoice_id} is paid: its payment is counted by itself", refs
        )
    elif by_hand := _asks_otherwise(invoice, wanted):
        raise by_hand
    if HELD in (invoice.get("metadata") or {}):
        await client.update(INVOICES, wanted.stripe_invoice_id, {"metadata": {HELD: ""}})
        notes = [*notes, "it is right now: what its metadata said of a difference is gone"]
    page = str(invoice.get("hosted_invoice_url") or "")
    at = (invoice.get("status_transitions") or {}).get("finalized_at") or invoice["created"]
    done = InvoiceFinalized(
        stripe_invoice_id=wanted.stripe_invoice_id,
        url=page,
        is_new=status == "draft",
        finalized_at=at,
        is_sent=invoice.get("collection_method") == SEND,
        due_date=invoice.get("due_date"),
    )
    notes += [f"{invoice.get('number')} is paid at {page}"] if page else []
    notes += by_balance_of(invoice, wanted.currency)
    return Result(done, status == "draft", tuple(notes), refs)


async def _check_not_billed(context: Context, wanted: InvoiceToFinalize) -> None:
    """A subscription may have begun since the lines were chosen. Raises Waiting where one bills what it asks for:
    under `exclude` the run leaves it out when it looks again.
    """
    shown = {
        "ownerId": wanted.account_id,
        "pricePlanId": wanted.plan_id,
        "generatedAt": wanted.made_at,
        "invoiceDetails": {"invoiceGroup": {"id": wanted.group_id}},
    }
    said, names = await covered_names(context, shown)
    if not said:
        return
    togai: TogaiApp = await context.client("togai")
    invoice = await togai.invoice(wanted.invoice_id)
    covered, amounts = covered_paths(invoice.get("revenueInfo") or {}, names), amounts_of(invoice)
    is_whole = amounts.rest == money.major(wanted.total, wanted.currency)
    if is_whole or any(line.id in covered for line in wanted.lines):
        why = f"{said}, and it began after the draft was filled: what it covers is left out at the next attempt"
        raise Waiting(why, code="subscribed")


def _asks_otherwise(invoice: dict[str, Any], wanted: InvoiceToFinalize) -> Waiting | None:
    """What a person decides about one that somebody finalized in Stripe at another total, past the gate."""
    stripe_id, total = wanted.stripe_invoice_id, int(invoice.get("total") or 0)
    over = too_much(invoice, wanted.total)
    asks = wanted.total + over if over > 0 else total
    asked, right = (f"{money.major(n, wanted.currency)} {wanted.currency}" for n in (asks, wanted.total))
    why = f"{stripe_id} was finalized in Stripe and asks for {asked}, and {right} are to be collected: it is not sent"
    if over > 0:
        return Waiting(f"{why}. Give a credit note of the difference in Stripe, or void it there", code="asks_too_much")
    if total < wanted.total:
        how = "Enter the difference as paid in Togai, or void it in Stripe and collect by hand"
        return Waiting(f"{why}. {how}", code="asks_too_little")
    return None


async def _check(client: StripeApp, invoice: dict[str, Any], wanted: InvoiceToFinalize) -> None:
    if is_right(invoice, wanted.currency, wanted.total):
        return
    currency, total = str(invoice.get("currency")).upper(), int(invoice.get("total") or 0)
    lines = [line async for line in client.listed(f"{INVOICES}/{invoice['id']}/lines", {})]
    differing = "; ".join(differences(lines, wanted.lines, wanted.currency)) or "no line, but tax or a discount"
    await client.update(INVOICES, invoice["id"], {"metadata": {HELD: f"Togai {wanted.total}, here {total}"}})
    raise AmountMismatch(
        f"draft {invoice['id']} comes to {money.major(total, currency)} {currency} in Stripe, and "
        f"{money.major(wanted.total, wanted.currency)} {wanted.currency} is to be collected: it stays a draft. "
        f"What differs: {differing}. Correct the draft or the invoice; a retry puts back Togai's lines"
    )
