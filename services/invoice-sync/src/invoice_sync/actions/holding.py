"""What a person decides about an invoice: held, nothing more is made of it in Stripe; released, it goes on at once."""

from __future__ import annotations

from datetime import UTC, datetime

from shared.apps.togai.client import TogaiApp
from shared.domains.invoices import INVOICE, INVOICE_INTENT
from shared.domains.invoices.by_hand import InvoiceDecided, InvoiceDecision
from shared.domains.model import Relation
from shared.errors import NotFound, Waiting
from shared.flows.recheck import replayed
from shared.identity import Ref
from shared.linking.mappings import ACTIVE
from shared.runtime.actions import Context, Ended, Result

AGAIN = {
    ("togai", "invoice"): "togai.invoice.updated",
    ("stripe", "invoice"): "stripe.invoice.paid",
    ("stripe", "payment_intent"): "stripe.payment_intent.succeeded",
}
"""The event by which each side of an invoice is looked at again as a whole: it says nothing but which one."""
BY_HAND = ("replay", "backfill")
"""Origins of events that a person asked for: old invoices are meant then."""


def check_not_held(context: Context, invoice_id: str) -> None:
    """Before each step that makes something of an invoice. Raises Waiting for one that a person holds."""
    held = context.claims_of(INVOICE.name).index.held(context.ref("togai", "invoice", invoice_id))
    if held:
        raise Waiting(
            f"held by hand since {held.at}: {held.reason}. `tandem invoices release {invoice_id} --reason ...` lets it "
            "go on",
            code="held",
        )


def check_no_other(context: Context, invoice_id: str, other: Relation) -> None:
    """Before an invoice is collected in one way. Raises Ended for one that is collected in the other: both together
    would bill it twice, whatever the flow links are.
    """
    source = context.ref("togai", "invoice", invoice_id)
    found = context.claims_of(other.name).index.claim_of(source, context.account("stripe"))
    if found and found.state in ACTIVE:
        what = context.id_of(found.target) if found.target else f"what run {found.run} is making"
        raise Ended("skipped", f"{what} collects it at Stripe", found.refs)


async def decide(context: Context, wanted: InvoiceDecision) -> Result:
    """Remember the decision; what waits for it goes on, for this is an event of the invoice. Raises Ended where there
    is nothing to decide.
    """
    ref = context.ref("togai", "invoice", wanted.invoice_id)
    if wanted.flow_link not in ("", context.link.id):
        raise Ended("skipped", f"flow link {wanted.flow_link} was asked to do it")
    claims = context.claims_of(INVOICE.name)
    held = claims.index.held(ref)
    pairs = (context.claims_of(one.name).index.pair(ref) for one in (INVOICE, INVOICE_INTENT))
    refs = tuple(dict.fromkeys((ref, *(side for pair in pairs if pair for side in pair.refs))))
    if wanted.change == "release":
        if held is None:
            raise Ended("in_sync", "nobody holds it", refs)
        await claims.release(held, context.run.id, wanted.reason)
    else:
        client: TogaiApp = await context.client("togai")
        try:
            await client.invoice(wanted.invoice_id)
        except NotFound as error:
            raise Ended("skipped", f"nothing was done: {error.message}", refs) from error
    if wanted.change == "hold":
        await claims.hold(ref, context.run.id, wanted.reason)
    if wanted.change == "resync":
        await _recheck(context, refs)
    decided = InvoiceDecided(invoice_id=wanted.invoice_id, change=wanted.change)
    return Result(decided, True, (f"{wanted.change} by hand: {wanted.reason}",), refs)


async def _recheck(context: Context, refs: tuple[str, ...]) -> None:
    """Each side as a whole, as if its news had come again: a person means old invoices too."""
    for ref in refs:
        entity = Ref.parse(ref)
        connection = next((c.id for c in context.registry.connections.values() if c.app_account == entity.account), "")
        name = f"{context.run.event}-{entity.app}"
        event = replayed(ref, AGAIN[entity.app, entity.noun], name, connection, datetime.now(UTC), cause=context.run.id)
        await context.send_event(context.topics.replay(context.domain.noun), event)
