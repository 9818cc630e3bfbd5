"""An event that names a flow link starts that one alone, whatever others its type would start."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from shared.flows.recheck import replayed

from tests.stack.in_process import InProcess

FLOW = "stripe-customer-to-togai-customer"


@pytest.mark.parametrize(
    ("named", "started"), [(f"{FLOW}-two", [f"{FLOW}-two"]), ("", [FLOW, f"{FLOW}-two"])], ids=["one", "all"]
)
async def test_it_starts_the_one_that_it_names(tandem: InProcess, named: str, started: list[str]) -> None:
    """What was imported, or is caught up with, for one of two is not asked for by the other."""
    await tandem.link(FLOW, suffix="-two")
    ref = tandem.ref(tandem.customer())
    await tandem.drain()
    again = replayed(
        ref, "stripe.customer.created", "again", "stripe", datetime.now(UTC), "imp_1", "backfill", flow_link=named
    )
    tandem.deliver(again)
    await tandem.drain()

    assert sorted(run.flow_link for run in tandem.runs(ref) if run.event == "again") == started
