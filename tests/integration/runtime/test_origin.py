"""A worker acts on no event that was not written by whom its type says."""

from __future__ import annotations

from typing import Any

import pytest
from shared.connections import FlowLink
from shared.events import envelope as envelopes
from shared.flows import runs
from shared.flows.runs import Parked, Run

from tests.integration.runtime.harness import STRIPE, TOGAI, Harness, event

BY_HAND = FlowLink(id="link_hand", flow="links-by-hand", connections={"stripe": "con_s", "togai": "con_t"})
CONSOLE = "urn:tandem:console"
UNLINK = {"change": "unlink", "togai_account_id": "acme", "stripe_customer_id": "cus_1", "reason": "because"}


def request(**changes: Any) -> Any:
    """What a person asked for, as the console writes it."""
    fields = {
        "source": CONSOLE,
        "type": "togai.account.link_requested",
        "appaccount": TOGAI,
        "connection": "con_t",
        "aggregate": f"{TOGAI}/account/acme",
    }
    return event("req_1", data=UNLINK, **(fields | changes))


def harness() -> Harness:
    """With the flow link that changes links by hand."""
    made = Harness()
    made.registry.links[BY_HAND.id] = BY_HAND
    return made


async def test_what_the_console_wrote_is_done() -> None:
    """A person's decision, about an entity of either side."""
    worker = harness()
    await worker.handle(request())
    await worker.handle(request(id="req_2", aggregate=f"{STRIPE}/customer/cus_1"))

    assert worker.called == [("unlink", True), ("unlink", True)]


@pytest.mark.parametrize(
    "forged",
    [
        request(source=f"urn:tandem:{TOGAI}"),
        request(source=""),
        request(source=CONSOLE, connection="con_s"),
        request(source=CONSOLE, appaccount=STRIPE, connection="con_s"),
        event(source=CONSOLE),
        event(source="urn:tandem:stripe:test:acct_2"),
        event(connection="con_t"),
        event(refused="wrong_mode"),
        event(aggregate="stripe:test:acct_2/customer/cus_1"),
        event(appaccount=TOGAI, source=f"urn:tandem:{TOGAI}", connection="con_t", aggregate=f"{TOGAI}/customer/cus_1"),
        event(
            type="togai.account.updated", source=f"urn:tandem:{TOGAI}", appaccount=TOGAI, connection="con_t",
            aggregate=f"{TOGAI}/account/acme", data={"accountId": "acme"},
        ),
    ],
)  # fmt: skip
async def test_what_does_not_fit_is_refused_for_good(forged: Any) -> None:
    """By whom, by which connection, about whose entity: a dead letter, and again if it is retried."""
    worker = harness()
    await worker.handle(forged)
    (letter,) = worker.letters()
    await worker.handle(letter.value, topic="customer.replay")

    assert worker.called == []
    assert (letter.problem.error, letter.problem.retryable) == ("WrongOrigin", False)
    assert [found.problem.error for found in worker.letters()] == ["WrongOrigin"] * 2


async def test_a_parked_run_of_a_forged_request_does_not_go_on() -> None:
    """It may have been parked by an older Tandem: it ends as dead, and its letter holds it."""
    worker = harness()
    run = Run(
        id="run_1", state="parked", event="req_1", event_type="togai.account.link_requested", connection="con_t",
        aggregate=f"{TOGAI}/account/acme", started_at="", flow_link=BY_HAND.id, flow=BY_HAND.flow,
    )  # fmt: skip
    await worker.handle(request(source=f"urn:tandem:{TOGAI}"), parked=runs.encode(Parked(run=run, due=0)))
    (letter,) = worker.letters()

    assert worker.called == []
    assert letter.run is not None
    assert (letter.run.id, worker.runs()[-1].state) == ("run_1", "dead")


async def test_a_change_that_the_poller_found_is_taken_from_the_log_again() -> None:
    """Replayed or filled in later it has another origin, and is as good."""
    worker = harness()
    fields = {"source": f"urn:tandem:{TOGAI}", "appaccount": TOGAI, "connection": "con_t"}
    about = {"type": "togai.account.updated", "aggregate": f"{TOGAI}/account/acme", "data": {"accountId": "acme"}}
    for origin in ("poll", "replay", "backfill"):
        await worker.handle(event(f"tgp_{origin}", origin=origin, **fields, **about))

    assert worker.letters() == []


async def test_good_events_that_folded_into_a_forged_one_are_worked_on() -> None:
    """A waiting event represents those before it: one that is refused represents none."""
    worker = harness()
    good = [worker.work(event(f"evt_{number}")) for number in range(2)]
    await worker.handle(event("evt_forged", source=CONSOLE), folded=good)

    assert [letter.event for letter in worker.letters()] == ["evt_forged"]
    assert [run.state for run in worker.runs() if run.ended] == ["succeeded", "succeeded"]
    assert envelopes.decode(worker.letters()[0].value).source == CONSOLE
