"""What is said of an endpoint that does not send a type of event, by where the events came from."""

from __future__ import annotations

from typing import Any

import pytest
from console.projection.not_sent import judged
from shared.connections import FlowLink
from shared.flows.runs import Run

PAID = "stripe.checkout.session.completed"
LINK = FlowLink(
    id="link_checkout", flow="stripe-checkout-to-togai-plan", connections={"stripe": "con_stripe"}, enabled=True
)


def run(number: int, event_type: str, origin: str, minute: int = 0, connection: str = "con_stripe") -> Run:
    """What came of an event."""
    return Run(
        id=f"run_{number}",
        state="succeeded",
        event=f"evt_{number}",
        event_type=event_type,
        aggregate="stripe:test:acct_1/x/y",
        connection=connection,
        started_at="2026-11-23T10:00:00.000Z",
        event_at=f"2026-11-23T10:{minute:02d}:00.000Z",
        origin=origin,
    )


CUSTOMER = run(9, "stripe.customer.updated", "live", minute=2)
FOUND = [run(1, PAID, "poll"), run(2, PAID, "poll", minute=4)]


def test_a_type_that_pollers_find_alone_is_named() -> None:
    """With the connection, the flow links that need it, and what to do."""
    [said] = judged([*FOUND, CUSTOMER], [LINK])

    assert "con_stripe" in said
    assert "seems not to send checkout.session.completed, which link_checkout needs" in said
    assert "Add it to the endpoint's events" in said


@pytest.mark.parametrize(
    ("runs", "links"),
    [
        pytest.param([*FOUND, CUSTOMER, run(3, PAID, "live", minute=5)], [LINK], id="one came by webhook"),
        pytest.param(FOUND, [LINK], id="no webhook came at all"),
        pytest.param([FOUND[0], CUSTOMER], [LINK], id="one may be lost"),
        pytest.param([FOUND[0], FOUND[0], CUSTOMER], [LINK], id="twice the same event"),
        pytest.param([*FOUND, run(9, CUSTOMER.event_type, "live", minute=59)], [LINK], id="ingress was away"),
        pytest.param([*FOUND, CUSTOMER], [], id="nobody needs it"),
        pytest.param(
            [run(n, "togai.account.updated", "poll") for n in (1, 2)] + [CUSTOMER], [LINK], id="a poller's alone"
        ),
    ],
)
def test_nothing_is_said_without_reason(runs: list[Any], links: list[FlowLink]) -> None:
    """Whatever else may explain that a poller found it."""
    assert judged(runs, links) == []


def test_a_flow_link_that_is_off_needs_nothing() -> None:
    """Nor one of another connection."""
    off = FlowLink(id="off", flow=LINK.flow, connections=LINK.connections, enabled=False)
    other = FlowLink(id="other", flow=LINK.flow, connections={"stripe": "con_other"}, enabled=True)

    assert judged([*FOUND, CUSTOMER], [off, other]) == []
