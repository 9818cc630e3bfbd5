"""Switching the flow on moves nothing that is old, and all that becomes due from then on."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from tests.integration.invoices.conftest import OUT, Invoices
from tests.stack.imports import imported
from tests.stack.in_process import InProcess


async def test_what_is_older_than_the_flow_link_stays(invoices: Invoices, tandem: InProcess) -> None:
    """Switching it on moves nothing that is old; a person's catch-up does."""
    invoice = invoices.generate("10")
    later = (datetime.now(UTC) + timedelta(minutes=5)).isoformat()
    await tandem.link(OUT, changed_at=later)
    await invoices.bring(invoice)
    before, run = len(invoices.stripe()), invoices.last_run(invoice)
    await invoices.bring(invoice, origin="replay")

    assert (before, run.state, len(invoices.stripe())) == (0, "skipped", 1)
    assert "was due before" in run.reason


async def test_a_draft_that_is_older_than_the_flow_link_is_for_people(invoices: Invoices, tandem: InProcess) -> None:
    """Whether it became due since, or was only changed, nobody tells: it waits, and says how to send it."""
    invoice = invoices.generate("10", status="DRAFT")
    await asyncio.sleep(0.002)  # times are milliseconds: made and switched on in one would count as made later
    await tandem.link(OUT, changed_at=datetime.now(UTC).isoformat(timespec="milliseconds"))
    await asyncio.sleep(0.002)
    invoices.change(invoice, status="DUE")
    await invoices.bring(invoice, "invoice.updated")
    run = invoices.last_run(invoice)
    await invoices.bring(invoice, origin="backfill")

    assert (run.state, run.problem and run.problem.code) == ("parked", "older")
    assert len(invoices.stripe()) == 1


async def test_a_draft_whose_date_comes_after_the_flow_link_is_sent(invoices: Invoices, tandem: InProcess) -> None:
    """Nothing of Togai is due before its date: this one became due while the flow was on."""
    later = datetime.now(UTC) + timedelta(seconds=0.5)
    invoice = invoices.generate("10", status="DRAFT", invoice_date=later.isoformat())
    await asyncio.sleep(0.002)
    await tandem.link(OUT, changed_at=datetime.now(UTC).isoformat(timespec="milliseconds"))
    await asyncio.sleep(0.002)
    invoices.change(invoice, status="DUE")
    await invoices.bring(invoice, "invoice.updated")

    assert [made["status"] for made in invoices.stripe()] == ["open"]


async def test_an_invoice_that_togai_does_not_know_is_left_out(tandem: InProcess) -> None:
    """A person who imports misspelt it: no event of it will come."""
    [run] = (await imported(tandem, "invoices", "in_nope")).values()

    assert (run.state, tandem.letters()) == ("skipped", [])
