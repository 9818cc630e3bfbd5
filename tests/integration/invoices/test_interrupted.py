"""A worker that dies on the way leaves nothing undone. Every point of every scenario: `tests/reliability/sweep`."""

from __future__ import annotations

import pytest

from tests.integration.invoices.conftest import Invoices
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
