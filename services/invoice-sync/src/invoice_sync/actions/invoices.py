"""Reading an invoice that is due, and writing where it is paid to its Settings."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from shared.apps.stripe.client import StripeApp
from shared.apps.togai.client import TogaiApp
from shared.domains.invoices.togai import InvoiceFacts, InvoiceId, InvoiceLine, StripeIdsOf, Written
from shared.domains.plans import ATTACHED
from shared.errors import Waiting
from shared.events.envelope import timestamp
from shared.identity import Ref
from shared.polls import epoch
from shared.runtime.actions import Context, Ended, Result

from invoice_sync.decide import Amounts, amounts_of, was_before, why_not
from invoice_sync.lines import PAID, ROUNDING, lines_of
from shared import money

OWNER = "INVOICE"
BY_HAND = ("replay", "backfill")
"""Origins of events that a person asked for: old invoices are meant then."""


async def read(context: Context, wanted: InvoiceId) -> Result:
    """The invoice as it is now. Raises Ended where nothing is to be collected, Waiting for what a person decides."""
    client: TogaiApp = await context.client("togai")
    invoice = await client.invoice(wanted.invoice_id)
    amounts = amounts_of(invoice)
    refs = (context.ref("togai", "invoice", wanted.invoice_id),)
    if why := why_not(invoice, amounts):
        raise Ended("skipped", why, refs)
    if context.run.origin not in BY_HAND:
        _check_age(context, invoice, refs)
    await _check_not_subscribed(context, invoice)
    _check_carried(invoice)
    facts = InvoiceFacts(
        invoice_id=wanted.invoice_id,
        account_id=str(invoice.get("ownerId") or ""),
        number=str(invoice.get("sequenceId") or ""),
        currency=amounts.currency,
        total=money.exact(amounts.rest, amounts.currency),
        lines=_lines(invoice, amounts),
        due_date=int(epoch(str(invoice.get("dueDate")))) or None,
        net_term_days=invoice.get("netTermDays"),
    )
    return Result(facts, False, (), (*refs, context.ref("togai", "account", facts.account_id)))


def _check_age(context: Context, invoice: dict[str, Any], refs: tuple[str, ...]) -> None:
    """Switching the flow on moves nothing that is old. Raises Ended for what was due before, Waiting for what was made
    before and changed since: Togai does not tell whether it became due by that.
    """
    link, by_hand = context.link, f"`tandem import invoices --id {invoice['id']}` sends it"
    if was_before(invoice, link.changed_at, "updatedAt"):
        raise Ended("skipped", f"it was due before flow link {link.id} was switched on: {by_hand}", refs)
    if was_before(invoice, link.changed_at, "generatedAt", "invoiceDate"):
        why = f"it was made before flow link {link.id} was switched on, and changed since"
        raise Waiting(f"{why}: {by_hand}, discard this if it is not to be sent", code="older")


async def _check_not_subscribed(context: Context, invoice: dict[str, Any]) -> None:
    """Nothing is billed twice. Raises Waiting for an account whose plan a subscription at Stripe bills, or did when the
    invoice was made.
    """
    account = str(invoice.get("ownerId") or "")
    pairs = context.claims_of(ATTACHED.name).index.under(context.ref("togai", "account", account))
    for found in (Ref.parse(ref) for pair in pairs for ref in pair.also):
        if found.noun != "subscription":
            continue
        client: StripeApp = await context.client("stripe")
        ended = (await client.retrieve("/v1/subscriptions", context.id_of(str(found)))).get("ended_at")
        end = timestamp(datetime.fromtimestamp(ended, UTC)) if ended else ""
        if not end or was_before(invoice, end, "generatedAt", "invoiceDate"):
            why = f"Stripe bills account {account} by its subscription {found.id}: this invoice asks for the same"
            raise Waiting(f"{why}. Mark it paid or void it in Togai", code="subscribed")


def _check_carried(invoice: dict[str, Any]) -> None:
    """Raises Waiting for what Tandem cannot carry yet: it is not sent as something else."""
    if (invoice.get("invoiceDetails") or {}).get("invoiceGroup"):
        raise Waiting("it is of an invoice group, which Tandem does not bill yet: collect it by hand", code="group")


def _lines(invoice: dict[str, Any], amounts: Amounts) -> list[InvoiceLine]:
    tree = invoice.get("revenueInfo") or {}
    lines = lines_of(tree, amounts.total, amounts.paid, amounts.currency)
    start, end = (int(epoch(str(invoice.get(name)))) for name in ("startDate", "endDate"))
    if not 0 < start <= end:
        return lines
    period = {"start": start, "end": end}
    return [line if line.id in (ROUNDING, PAID) else line.model_copy(update=period) for line in lines]


async def write_stripe_id(context: Context, wanted: StripeIdsOf) -> Result:
    """The Stripe invoice and its page stand in the invoice's Settings, where people look."""
    client: TogaiApp = await context.client("togai")
    settings, invoice = context.settings, wanted.invoice_id
    values = {settings.stripe_invoice_setting: wanted.stripe_invoice_id, settings.payment_link_setting: wanted.url}
    notes: list[str] = []
    written = False
    for name, value in values.items():
        # One that is another one is not ours to replace.
        present = await client.fill_setting(name, value, OWNER, invoice) if value else ""
        written |= bool(value) and not present
        notes += [f"{name} is {present}, which stays"] if present not in ("", value) else []
    return Result(Written(written=written), written, tuple(notes), (context.ref("togai", "invoice", invoice),))
