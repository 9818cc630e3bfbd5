"""Plain actions, for flows of one's own. What mirrors an invoice of Togai goes the way of the built-in flow: one claim,
one penny gate, whoever asks.
"""

from __future__ import annotations

import time
from decimal import Decimal
from typing import Any

from shared.apps.stripe.client import StripeApp
from shared.apps.stripe.models import TOGAI_INVOICE_GROUP
from shared.apps.stripe.step_creates import make_once
from shared.apps.togai.client import TogaiApp
from shared.domains.invoices import INVOICE
from shared.domains.invoices.plain import (
    AddInvoice,
    FinalizeInvoice,
    InvoiceAdded,
    InvoiceObject,
    InvoiceShown,
    MarkPaid,
    PlainInvoice,
    TransformInvoice,
    kept,
)
from shared.domains.invoices.stripe import ACCOUNT, INVOICE_ID, ORGANIZATION, InvoiceToFinalize
from shared.domains.invoices.togai import Counted, InvoiceFacts, InvoiceId, InvoicePaid, InvoicePayment
from shared.errors import Misconfigured, NotReady, Waiting
from shared.identity import Ref
from shared.linking.mappings import Mapping
from shared.runtime.actions import Context, Ended, Result

from invoice_sync.actions import drafts, invoices
from invoice_sync.actions.collection import TERMS_REFUSED
from invoice_sync.actions.filling import INVOICES, fill
from invoice_sync.actions.groups import customer_for, payers_of
from invoice_sync.actions.holding import check_not_held
from invoice_sync.actions.keys import under_key
from invoice_sync.actions.payments import OPEN, Counting, is_counted, is_open
from invoice_sync.actions.sending import Mail, send_once
from invoice_sync.decide import amounts_of
from invoice_sync.transform import transformed
from shared import money

Json = dict[str, Any]


async def transform(context: Context, wanted: TransformInvoice) -> Result:
    made, note = transformed(wanted, context.account("togai"), time.time())
    return Result(made, False, (note,) if note else (), (context.ref("togai", "invoice", wanted.invoice_id),))


async def add(context: Context, wanted: AddInvoice) -> Result:
    """A draft with its lines. One that mirrors an invoice of Togai is claimed: the other flow finds it made.

    Raises Ended where Togai's Settings name another one, Waiting for one that a person holds.
    """
    client: StripeApp = await context.client("stripe")
    made, mirrored = wanted.invoice, wanted.invoice.metadata.get(INVOICE_ID, "")
    if mirrored:
        _check_togai(context, mirrored, made.metadata.get(ORGANIZATION, ""))
        check_not_held(context, mirrored)
        draft, pair = await _mirror(context, client, mirrored, made)
        refs, is_own = pair.refs, pair.run == context.run.id
    else:
        draft = await make_once(
            client,
            INVOICES,
            _params(made, made.customer_id),
            step=context.step_name,
            key=context.step_key("stripe"),
            began=context.began,
        )
        refs, is_own = (context.ref("stripe", "invoice", str(draft["id"])),), True
    notes = [] if is_own else [f"run {pair.run} made it"]
    if is_own and draft["status"] == "draft":
        notes = await fill(context, client, str(draft["id"]), made.lines, is_new=False)
    shown = InvoiceAdded(stripe_invoice_id=str(draft["id"]), status=str(draft["status"]), mirrors=mirrored)
    return Result(shown, is_own, tuple(notes), refs)


async def _mirror(context: Context, client: StripeApp, invoice_id: str, made: InvoiceObject) -> tuple[Json, Mapping]:
    """The draft that mirrors an invoice of Togai, and its pair. Raises Waiting where Stripe refuses its terms."""
    account, group = made.metadata.get(ACCOUNT, ""), made.metadata.get(TOGAI_INVOICE_GROUP, "")
    customer = made.customer_id or await customer_for(context, account, group)
    metadata = made.metadata | {ORGANIZATION: context.account("togai")}
    try:
        params = _params(made, customer) | {"metadata": metadata}
        draft, _, pair = await drafts.made_plainly(context, client, invoice_id, params)
    except NotReady as error:
        if error.code != TERMS_REFUSED:
            raise
        raise Waiting(f"{error.message}; this flow has none", code=TERMS_REFUSED) from error
    return draft, pair


def _params(made: InvoiceObject, customer: str) -> Json:
    """Nothing of the customer's own comes in, and no draft advances by itself: see the built-in flow."""
    given = made.model_dump(exclude={"lines", "customer_id", "currency"})
    return drafts.ALONE | kept(given) | {"customer": customer, "currency": made.currency.lower()}


async def finalize(context: Context, wanted: FinalizeInvoice) -> Result:
    """Whoever made it. What mirrors an invoice of Togai passes the penny gate. Raises AmountMismatch, Waiting."""
    client: StripeApp = await context.client("stripe")
    invoice = await client.retrieve(INVOICES, wanted.stripe_invoice_id)
    refs = (context.ref("stripe", "invoice", wanted.stripe_invoice_id),)
    if invoice["status"] != "draft":
        return Result(_shown(invoice), False, (f"it is {invoice['status']} already",), refs)
    if mirrored := _mirrored(context, invoice):
        await _pass_gate(context, mirrored, wanted.stripe_invoice_id)
        return Result(_shown(await client.retrieve(INVOICES, wanted.stripe_invoice_id)), True, (), refs)
    params = {"auto_advance": str(wanted.auto_advance).lower()}
    done = await under_key(
        context,
        context.step.action,
        context.step_name,
        lambda key: client.act(INVOICES, wanted.stripe_invoice_id, "finalize", params, key),
    )
    return Result(_shown(done), True, (), refs)


async def _pass_gate(context: Context, invoice_id: str, stripe_invoice_id: str) -> None:
    """As the built-in flow does: what Togai asks for now, read once more, is what the draft must come to."""
    facts = (await invoices.read(context, InvoiceId(invoice_id=invoice_id))).output
    assert isinstance(facts, InvoiceFacts)
    gate = InvoiceToFinalize(
        invoice_id=invoice_id,
        stripe_invoice_id=stripe_invoice_id,
        currency=facts.currency,
        total=facts.total,
        lines=facts.lines,
        account_id=facts.account_id,
        group_id=facts.group_id,
        plan_id=facts.plan_id,
        made_at=facts.made_at,
    )
    await drafts.finalize(context, gate)


def _mirrored(context: Context, invoice: Json) -> str:
    """The invoice of Togai that a Stripe invoice mirrors, by its link or its metadata; empty for none. Raises Ended
    for one of another organization, Misconfigured where Togai cannot be asked.
    """
    pair = context.claims_of(INVOICE.name).index.pair(context.ref("stripe", "invoice", str(invoice["id"])))
    known = invoice.get("metadata") or {}
    found = Ref.parse(pair.source) if pair else None
    invoice_id = found.id if found else str(known.get(INVOICE_ID) or "")
    if invoice_id:
        _check_togai(context, invoice_id, str(found.account if found else known.get(ORGANIZATION) or ""))
    return invoice_id


def _check_togai(context: Context, invoice_id: str, organization: str) -> None:
    if "togai" not in context.link.connections:
        raise Misconfigured(
            f"it mirrors {invoice_id} of Togai, and this flow has no connection to Togai to compare them by: begin it "
            "at Togai, or leave the invoice to the built-in flow"
        )
    if organization not in ("", context.account("togai")):
        raise Ended("skipped", f"it mirrors {invoice_id} of {organization}, not of {context.account('togai')}")


async def send(context: Context, wanted: PlainInvoice) -> Result:
    """By e-mail, once. Raises Waiting for a draft: Stripe would finalize it unseen."""
    client: StripeApp = await context.client("stripe")
    invoice = await client.retrieve(INVOICES, wanted.stripe_invoice_id)
    if invoice["status"] == "draft":
        raise Waiting(f"{wanted.stripe_invoice_id} is a draft: finalize it before it is sent", code="draft")
    if mirrored := _mirrored(context, invoice):
        check_not_held(context, mirrored)
    since = int(context.began.timestamp())
    mail = Mail(wanted.stripe_invoice_id, context.step_name, since, context.run.attempts > 1)
    is_new = await send_once(context, client, mail)
    refs = (context.ref("stripe", "invoice", wanted.stripe_invoice_id),)
    return Result(_shown(invoice), is_new, () if is_new else ("sent already",), refs)


def _shown(invoice: Json) -> InvoiceShown:
    return InvoiceShown(
        stripe_invoice_id=str(invoice["id"]),
        status=str(invoice["status"]),
        number=str(invoice.get("number") or ""),
        url=str(invoice.get("hosted_invoice_url") or ""),
    )


async def mark_paid(context: Context, wanted: MarkPaid) -> Result:
    """Counted once under its number, whichever flow names it, and never beyond what is open. Raises Waiting."""
    client: TogaiApp = await context.client("togai")
    invoice = await client.invoice(wanted.invoice_id)
    amounts, status = amounts_of(invoice), str(invoice["status"])
    whole = money.decimal(wanted.amount) if wanted.amount else amounts.rest
    number = wanted.transaction or context.step_name.replace("/", "-")
    payment = InvoicePayment(transaction=number, amount=money.exact(whole, amounts.currency))
    if is_counted(context, payment):
        refs = (context.ref("togai", "invoice", wanted.invoice_id),)
        return Result(Counted(payments={}, amounts={}), False, (f"{number} is counted already",), refs)
    rest = amounts.rest if status in OPEN else Decimal(0)
    # What was begun is brought to its end, whatever is open by now.
    if not 0 < whole <= rest and not is_open(context, payment):
        why = f"it is {status}, and {rest} {amounts.currency} of it are open: {whole} cannot be counted"
        raise Waiting(why, code="not_open")
    paid = InvoicePaid(
        invoice_id=wanted.invoice_id,
        stripe_invoice_id="",
        currency=amounts.currency,
        status="open",
        payments=[payment],
        source=wanted.source,
    )
    counting = Counting(context, client, paid, await payers_of(client, invoice), rest)
    await counting.count(payment)
    return counting.result()
