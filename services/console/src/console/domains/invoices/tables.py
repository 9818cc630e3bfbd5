"""Which invoice a run has learnt something of."""

from __future__ import annotations

from typing import Any

from shared.domains.invoices.progress import invoice_of, state_of
from shared.domains.progress import Progress
from sqlmodel import Index

from console.domain import RunTable
from console.projection.tables import EntityRun


class InvoiceRunRow(EntityRun, table=True):
    """A run that has learnt what an invoice is."""

    __tablename__ = "invoice_runs"
    __table_args__ = (
        Index("invoice_runs_by_invoice", "ref", "at", "owner"),
        Index("invoice_runs_newest", "at", "owner"),
    )


def _row(progress: Progress) -> dict[str, Any] | None:
    invoice, state = invoice_of(progress), state_of(progress)
    return {"ref": invoice, "state": state, "at": progress.at} if invoice and state else None


RUNS = RunTable(InvoiceRunRow, _row)
