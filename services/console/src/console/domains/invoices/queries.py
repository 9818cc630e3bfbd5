"""Pages of invoices, and what is known of one: found by any id of either side."""

from __future__ import annotations

from shared.domains.invoices import INVOICE
from shared.domains.invoices.progress import Known, known_of
from shared.domains.progress import Progress
from shared.linking import mappings
from shared.linking.mappings import Mapping
from sqlalchemy import select
from sqlmodel import Session, col

from console.domains.invoices.tables import InvoiceRunRow
from console.projection import entity_runs
from console.projection.queries import Search
from console.projection.tables import MappingRow

MOST_RUNS = 200
"""Runs of one invoice that are read for what is known of it."""


def holds(session: Session) -> dict[str, Mapping]:
    """The decisions to hold, by the full ref of the invoice."""
    row = MappingRow
    query = select(row).where(col(row.relation) == INVOICE.name, col(row.state) == "held")
    found = [mappings.decode(one.record) for one in session.scalars(query)]
    return {mapping.source: mapping for mapping in found}


def page(session: Session, search: Search) -> tuple[list[Known], tuple[str, str] | None]:
    """Invoices, the last changed first, and where the next page goes on. `search.equal` may name `state`, `account`."""
    row, state = InvoiceRunRow, search.equal.get("state")
    is_held = col(row.ref).in_(holds(session))
    in_state = (is_held,) if state == "held" else (col(row.state) == state, ~is_held) if state else ()
    among = [refs_of(session, text) for text in (search.id, search.equal.get("account", "")) if text]
    found, after = entity_runs.page(session, row, search, *in_state, among=among)
    return [known_of(ref, runs_of(session, ref)) for ref in found], after


def refs_of(session: Session, text: str) -> set[str]:
    """The full refs of Togai's invoices to which any id leads."""
    return entity_runs.refs_of(session, InvoiceRunRow, INVOICE, text)


def runs_of(session: Session, ref: str) -> list[Progress]:
    """The last runs that tell of an invoice."""
    return entity_runs.runs_of(session, InvoiceRunRow, col(InvoiceRunRow.ref) == ref, MOST_RUNS)
