"""A replay is done when each event that it sent has ended, also one that starts nothing."""

from __future__ import annotations

from tests.integration.customers.test_replays import asked
from tests.integration.customers.test_replays import console as console
from tests.integration.invoices.conftest import Invoices
from tests.integration.invoices.test_checkouts import COUNTED, session
from tests.integration.invoices.test_covered import tandem as tandem
from tests.stack.console import Console
from tests.stack.in_process import InProcess

TAX = "togai-invoice-draft-to-stripe-tax"


async def test_an_event_that_does_not_meet_the_flows_condition_is_left_out(tandem: InProcess, console: Console) -> None:
    """A session that pays no invoice of Togai starts nothing at its flow, whether it comes first or again."""
    await tandem.link(COUNTED)
    tandem.control.call(
        "POST", "/stripe/checkout",
        {"account": tandem.accounts["stripe"]["id"], "session": session(tandem, 500, {}), "outcome": "paid"},
    )  # fmt: skip
    await tandem.drain()
    for dry in (True, False):
        found = await asked(tandem, console, flow_link=COUNTED, dry_run=dry)

        assert (found["state"], found["sent"], found["left_out"]) == ("done", 1, 1)


async def test_a_dry_run_looks_at_what_nobody_has_switched_on(
    tandem: InProcess, invoices: Invoices, console: Console
) -> None:
    """Whoever wonders whether to switch a new flow on asks what it would do."""
    await tandem.link(TAX, enabled=False)
    await invoices.generated("10")
    writes = tandem.writes()
    found = await asked(tandem, console, flow_link=TAX, dry_run=True)

    assert (found["state"], found["sent"]) == ("done", 1)
    assert [run.flow_link for run in tandem.runs() if run.cause == found["id"]] == [TAX]
    assert tandem.writes() == writes
