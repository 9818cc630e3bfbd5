"""Reading an invoice that is due, and writing where it is paid to its Settings."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from shared.apps.stripe.client import StripeApp
from shared.apps.togai.client import TogaiApp
from shared.domains.invoices import INVOICE, INVOICE_INTENT
from shared.domains.invoices.togai import InvoiceFacts, InvoiceId, InvoiceLine, StripeIdsOf, Written
from shared.domains.model import Relation
from shared.errors import Waiting
from shared.linking.mappings import ACTIVE, Mapping
from shared.polls import epoch
from shared.runtime.actions import Context, Ended, Result

from invoice_sync.actions.covering import covered_names
from invoice_sync.actions.filling import INVOICES
from invoice_sync.actions.holding import BY_HAND
from invoice_sync.actions.taxes import recorded_tax
from invoice_sync.decide import Amounts, amounts_of, group_of, was_before, why_not
from invoice_sync.lines import PAID, ROUNDING, covered_paths, is_by_stripe, leaves, lines_of
from shared import money

OWNER = "INVOICE"
INTENT_SETTING = "StripePaymentIntentId"
"""Names the payment intent that collects an invoice, in its Settings."""


async def read(context: Context, wanted: InvoiceId) -> Result:
    """The invoice as it is now. Raises Ended where nothing is to be collected, Waiting for what a person decides."""
    facts, notes = await facts_of(context, wanted, may_be_old=context.run.origin in BY_HAND)
    noun, owner = ("invoice_group", facts.group_id) if facts.group_id else ("account", facts.account_id)
    refs = (context.ref("togai", "invoice", wanted.invoice_id), context.ref("togai", noun, owner))
    return Result(facts, False, notes, refs)


async def facts_of(context: Context, wanted: InvoiceId, *, may_be_old: bool) -> tuple[InvoiceFacts, tuple[str, ...]]:
    """What is asked for by an invoice now, and what was left out of it, in words. `may_be_old`: also one of before the
    flow link was switched on. Raises Ended, Waiting as `read` does.
    """
    client: TogaiApp = await context.client("togai")
    refs = (context.ref("togai", "invoice", wanted.invoice_id),)
    with context.ends_if_unknown(refs[0]):
        invoice = await client.invoice(wanted.invoice_id)
    amounts = amounts_of(invoice)
    if why := why_not(invoice, amounts):
        await _name_collector(context, wanted.invoice_id)
        raise Ended("skipped", why, refs)
    if not (may_be_old or _is_started(context, refs[0])):
        _check_age(context, invoice, refs)
    _check_taxed(context, invoice)
    said, names = await covered_names(context, invoice)
    lines, notes = _lines(invoice, amounts, context.settings.invoice_rounding), tuple[str, ...]()
    if said:
        lines, notes = _without(lines, said, covered_paths(invoice.get("revenueInfo") or {}, names))
    total = sum(line.amount + sum(tax.amount for tax in line.taxes) for line in lines)
    if total <= 0:
        raise Ended("skipped", f"{said}: nothing else is left to collect", refs)
    group = group_of(invoice)
    facts = InvoiceFacts(
        invoice_id=wanted.invoice_id,
        account_id="" if group else str(invoice.get("ownerId") or ""),
        group_id=group,
        number=str(invoice.get("sequenceId") or ""),
        currency=amounts.currency,
        total=total if said else money.exact(amounts.rest, amounts.currency),
        lines=lines,
        due_date=int(epoch(str(invoice.get("dueDate")))) or None,
        net_term_days=invoice.get("netTermDays"),
        status=str(invoice["status"]),
        plan_id=str(invoice.get("pricePlanId") or ""),
        made_at=str(invoice.get("generatedAt") or invoice.get("invoiceDate") or ""),
    )
    return facts, notes


async def check_unchanged(context: Context, invoice_id: str, total: int) -> None:
    """Before a call that asks for so many minor units, and charges at once, is sent again: it may have failed for a
    minute since the invoice was read. Raises Ended where nothing is to be collected any more, Waiting where it is
    another amount.
    """
    if context.run.steps[-1].attempts == 1:
        return
    facts, _ = await facts_of(context, InvoiceId(invoice_id=invoice_id), may_be_old=True)
    if facts.total != total:
        now = f"{money.major(facts.total, facts.currency)} {facts.currency}"
        raise Waiting(f"Togai asks for {now} now: the next attempt asks for that", code="changed")


async def _name_collector(context: Context, invoice_id: str) -> None:
    """A run that charged or finalized it, and died, may see that it was paid before it has written by what."""
    source = context.ref("togai", "invoice", invoice_id)
    if intent := own_pair(context, INVOICE_INTENT, source):
        name = context.id_of(intent.target)
        await write_stripe_id(context, StripeIdsOf(invoice_id=invoice_id, payment_intent=name))
    if made := own_pair(context, INVOICE, source):
        client: StripeApp = await context.client("stripe")
        await name_invoice(context, invoice_id, await client.retrieve(INVOICES, context.id_of(made.target)))


def own_pair(context: Context, relation: Relation, source: str) -> Mapping | None:
    """What an earlier attempt of this run made for an invoice of Togai. One that died counts as no attempt."""
    pair = context.claims_of(relation.name).index.pair(source)
    return pair if pair and pair.state == "linked" and pair.is_made and pair.run == context.run.id else None


async def name_invoice(context: Context, invoice_id: str, invoice: dict[str, Any]) -> None:
    """A Stripe invoice that was paid before the run that made it came to its last step; a draft is not shown yet."""
    if invoice["status"] == "draft":
        return
    page = str(invoice.get("hosted_invoice_url") or "")
    ids = StripeIdsOf(invoice_id=invoice_id, stripe_invoice_id=str(invoice["id"]), url=page)
    await write_stripe_id(context, ids)


def _is_started(context: Context, source: str) -> bool:
    """Whether its Stripe invoice or payment intent was made, or may have been: the flow link was on then."""
    account = context.account("stripe")
    known = (context.claims_of(one.name).index.claim_of(source, account) for one in (INVOICE, INVOICE_INTENT))
    return any(found is not None and found.state in ACTIVE for found in known)


def _check_age(context: Context, invoice: dict[str, Any], refs: tuple[str, ...]) -> None:
    """Switching the flow on moves nothing that is old. Raises Ended for what was due before, Waiting for what is dated
    before and changed since: Togai does not tell whether it became due by that. One that is dated after it became due
    after it, whenever its draft was made: Togai makes nothing due before its date.
    """
    link, by_hand = context.link, f"`tandem import invoices --id {invoice['id']}` sends it"
    if was_before(invoice, link.changed_at, "updatedAt"):
        raise Ended("skipped", f"it was due before flow link {link.id} was switched on: {by_hand}", refs)
    if was_before(invoice, link.changed_at, "invoiceDate", "generatedAt"):
        why = f"it is of a time before flow link {link.id} was switched on, and changed since"
        raise Waiting(f"{why}: {by_hand}, discard this if it is not to be sent", code="older")


def _check_taxed(context: Context, invoice: dict[str, Any]) -> None:
    """Raises Waiting where Stripe is to calculate tax, and what Togai shows is not what was recorded there."""
    if context.option("tax") != "stripe":
        return
    recorded = recorded_tax(context, str(invoice["id"]))
    shown = sum((leaf.value for leaf in leaves(invoice.get("revenueInfo") or {}) if is_by_stripe(leaf)), Decimal(0))
    if recorded is None:
        why = "Stripe is to calculate its tax, and it was never a draft that Togai had finalized: no tax is in it"
        raise Waiting(f"{why}. Collect it by hand, or set the flow link's option `tax`", code="no_tax")
    if recorded != shown:
        raise Waiting(f"its tax at Stripe is {recorded}, and {shown} in Togai: collect it by hand", code="no_tax")


def _lines(invoice: dict[str, Any], amounts: Amounts, most_rounding: int) -> list[InvoiceLine]:
    tree = invoice.get("revenueInfo") or {}
    lines = lines_of(tree, amounts.total, amounts.paid, amounts.currency, most_rounding)
    start, end = (int(epoch(str(invoice.get(name)))) for name in ("startDate", "endDate"))
    if not 0 < start <= end:
        return lines
    period = {"start": start, "end": end}
    return [line if line.id in (ROUNDING, PAID) else line.model_copy(update=period) for line in lines]


def _without(lines: list[InvoiceLine], said: str, covered: frozenset[str]) -> tuple[list[InvoiceLine], tuple[str, ...]]:
    """The lines that a subscription does not bill. Raises Waiting where it is not known which it does, or a tax,
    a discount or a credit may be of them.
    """
    gone = [line for line in lines if line.id in covered]
    if not gone or any(line.taxes or line.amount < 0 for line in lines):
        raise Waiting(f"{said}, and what it covers is not known: collect the rest by hand", code="subscribed")
    left_out = ", ".join(line.description for line in gone)
    return [line for line in lines if line.id not in covered], (f"{said}; left out: {left_out}",)


async def write_stripe_id(context: Context, wanted: StripeIdsOf) -> Result:
    """The Stripe invoice and its page stand in the invoice's Settings, where people look."""
    client: TogaiApp = await context.client("togai")
    settings, invoice = context.settings, wanted.invoice_id
    # The id comes last: an open invoice whose Settings name it is done, and nobody would write the page after it.
    values = {
        settings.payment_link_setting: wanted.url,
        INTENT_SETTING: wanted.payment_intent,
        settings.stripe_invoice_setting: wanted.stripe_invoice_id,
    }
    notes: list[str] = []
    written = False
    for name, value in values.items():
        # One that is another one is not ours to replace.
        present = await client.fill_setting(name, value, OWNER, invoice) if value else ""
        written |= bool(value) and not present
        notes += [f"{name} is {present}, which stays"] if present not in ("", value) else []
    return Result(Written(written=written), written, tuple(notes), (context.ref("togai", "invoice", invoice),))
