"""What the page of an invoice shows, out of the tables alone: no vendor is asked."""

from __future__ import annotations

from dataclasses import dataclass

from shared.domains.invoices import INVOICE_INTENT
from shared.domains.invoices.pages import INVOICE_TO_PAYMENT_FORM, InvoicePages
from shared.domains.invoices.progress import Known, known_of
from shared.errors import Misconfigured
from shared.identity import Ref
from shared.linking import mappings
from shared.linking.mappings import Mapping
from shared.settings import Settings
from sqlalchemy import select
from sqlmodel import Session, col

from console.domains.invoices.queries import holds, runs_of
from console.portal.pages import in_words
from console.portal.public_page import PageState
from console.portal.till import Till, till_of
from console.projection import queries
from console.projection.tables import MappingRow
from shared import money

PAID, CLOSED = ("paid", "refunded"), ("void", "uncollectible")


@dataclass(frozen=True)
class Shown:
    """An invoice as its customer sees it. `amount` is what is still to be paid, or was."""

    state: PageState
    number: str
    amount: str = ""
    till: Till | None = None


def shown(session: Session, invoice: Ref) -> Shown | None:
    """None for an invoice of which the tables know nothing (any more)."""
    ref = str(invoice)
    known, pair = known_of(ref, runs_of(session, ref)), intent_of(session, ref)
    if not known.state and pair is None:
        return None
    state = _state(known, pair, is_held=ref in holds(session))
    to_pay = known.amounts.get("total") if state == "paid" or known.asked is None else known.asked
    return Shown(
        state=state,
        number=known.number or invoice.id,
        amount=""
        if to_pay is None or not known.currency
        else in_words(money.major(to_pay, known.currency), known.currency),
        till=_till(session, invoice, pair) if pair and state == "open" else None,
    )


def intent_of(session: Session, ref: str) -> Mapping | None:
    """The pair of an invoice and its payment intent."""
    query = select(MappingRow).where(
        col(MappingRow.relation) == INVOICE_INTENT.name,
        col(MappingRow.state) == "linked",
        queries.found_by(session, MappingRow, ref),
    )
    pairs = [mappings.decode(row.record) for row in session.scalars(query)]
    return next((pair for pair in pairs if pair.source == ref), None)


def page_of(session: Session, settings: Settings, ref: str) -> str:
    """The address of an open invoice's page, from now on; empty for one that has none, and without a key for it."""
    invoice = Ref.parse(ref)
    found = shown(session, invoice)
    if found is None or found.state != "open":
        return ""
    try:
        return InvoicePages(settings).address(invoice)
    except Misconfigured:
        return ""


def _state(known: Known, pair: Mapping | None, *, is_held: bool) -> PageState:
    """In the customer's terms."""
    if known.state in PAID:
        return "paid"
    if known.state in CLOSED or known.is_canceled or (pair is None and known.stripe_ref):
        return "closed"
    if known.is_under_way:
        return "confirming"
    return "preparing" if pair is None or is_held else "open"


def _till(session: Session, invoice: Ref, pair: Mapping) -> Till | None:
    return till_of(session, INVOICE_TO_PAYMENT_FORM.id, invoice.account, {Ref.parse(pair.target).account})
