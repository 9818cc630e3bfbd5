"""A worker that dies on the way leaves nothing undone. Every point of every scenario: `tests/reliability/sweep`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.integration.invoices.conftest import OUT, Invoices
from tests.stack.in_process import InProcess
from tests.stack.points import Died, Point


async def test_who_dies_between_two_settings_writes_both(invoices: Invoices, tandem: InProcess) -> None:
    """The next worker does not take the invoice for done while people find no way to pay it."""

    def die(point: Point) -> None:
        if (point.label, point.phase) == ("call togai settings.post", "after"):
            raise Died

    tandem.points.at = die
    with pytest.raises(Died):
        await invoices.generated("10")
    await invoices.go_on_elsewhere()
    [made] = invoices.stripe()
    written = invoices.settings(made["metadata"]["togai_invoice_id"])

    assert written == {"StripeInvoiceId": made["id"], "StripePaymentLink": made["hosted_invoice_url"]}


async def test_who_dies_where_a_balance_has_paid_it_writes_both(invoices: Invoices, tandem: InProcess) -> None:
    """Finalized, it is paid at once: the next worker finds nothing to collect, and names what collected it."""
    [customer] = tandem.customers()
    body = {"amount": -1000, "currency": "usd"}
    tandem.call("stripe", "POST", f"/v1/customers/{customer['id']}/balance_transactions", data=body)

    def die(point: Point) -> None:
        if (point.label, point.phase) == ("call stripe invoices.finalize", "after"):
            raise Died

    tandem.points.at = die
    invoice = invoices.generate("10")
    with pytest.raises(Died):
        await invoices.bring(invoice)
    await invoices.go_on_elsewhere()
    [made] = invoices.stripe()

    assert (made["status"], invoices.togai(invoice)["status"]) == ("paid", "PAID")
    assert invoices.settings(invoice) == {
        "StripeInvoiceId": made["id"], "StripePaymentLink": made["hosted_invoice_url"],
    }  # fmt: skip


async def test_what_was_started_goes_on_under_a_flow_link_that_was_off(invoices: Invoices, tandem: InProcess) -> None:
    """Switched off and on again it moves nothing that is old; a draft that it has made is not left behind as one."""
    match = {"operation": "invoices.finalize", "account": tandem.accounts["stripe"]["id"]}
    with tandem.control.fault(app="stripe", kind="error_before", match=match, stored=False):
        invoice = await invoices.generated("10")
        left = [made["status"] for made in invoices.stripe()]
    await tandem.link(OUT, changed_at=(datetime.now(UTC) + timedelta(minutes=5)).isoformat())
    await tandem.recheck()

    assert left == ["draft"]
    assert [made["status"] for made in invoices.stripe()] == ["open"]
    assert (invoices.last_run(invoice).state, len(invoices.mails())) == ("succeeded", 1)
