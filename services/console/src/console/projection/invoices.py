"""Pages of invoices, and what is known of one: found by any id of either side."""

from __future__ import annotations

from shared.domains.invoices import INVOICE
from shared.domains.invoices.progress import Known, known_of
from shared.domains.progress import Progress
from shared.flows import runs
from shared.linking import mappings
from shared.linking.mappings import Mapping
from sqlalchemy import and_, select, tuple_
from sqlmodel import Session, col

from console.projection.of_noun import is_newest, refs_of
from console.projection.queries import Search
from console.projection.run_progress import progress_of
from console.projection.tables import MappingRow, RunRow

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
    row, held = RunRow, holds(session)
    query = select(row).where(col(row.invoice) != "", is_newest("invoice"))
    query = query.order_by(col(row.invoice_at).desc(), col(row.id).desc()).limit(search.limit + 1)
    if state := search.equal.get("state"):
        is_held = col(row.invoice).in_(held)
        query = query.where(is_held if state == "held" else and_(col(row.invoice_state) == state, ~is_held))
    for text in filter(None, (search.id, search.equal.get("account", ""))):
        query = query.where(col(row.invoice).in_(refs_of(session, "invoice", INVOICE, text)))
    if search.since:
        query = query.where(col(row.invoice_at) >= search.since)
    if search.after:
        query = query.where(tuple_(col(row.invoice_at), col(row.id)) < search.after)
    rows = list(session.scalars(query))
    more = rows[search.limit - 1] if len(rows) > search.limit else None
    shown = [known_of(one.invoice, runs_of(session, one.invoice)) for one in rows[: search.limit]]
    return shown, (more.invoice_at, more.id) if more else None


def runs_of(session: Session, ref: str) -> list[Progress]:
    """The last runs that tell of an invoice."""
    query = select(RunRow).where(col(RunRow.invoice) == ref).order_by(col(RunRow.invoice_at).desc()).limit(MOST_RUNS)
    return [progress_of(runs.decode_run(row.record)) for row in session.scalars(query)]
