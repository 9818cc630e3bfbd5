"""What a person archived in Stripe is sold no more: it is not revived, not made again, and says what it waits for."""

from __future__ import annotations

import pytest

from tests.integration.plans.conftest import Plans
from tests.stack.in_process import InProcess

OTHER = "globex"


@pytest.mark.parametrize("kind", ["price", "product"])
async def test_an_offer_waits_for_what_was_archived(plans: Plans, tandem: InProcess, kind: str) -> None:
    """Once it is active again the link is made, of the same price: nobody tells the offer of that."""
    plan = plans.plan()
    tandem.account(OTHER)
    plans.offer(plan)
    await tandem.drain()
    [price] = plans.prices()
    path = {"price": f"/v1/prices/{price['id']}", "product": f"/v1/products/{price['product']}"}[kind]
    tandem.call("stripe", "POST", path, data={"active": "false"})
    event = plans.offer(plan, OTHER)
    await tandem.drain()
    [run] = [run for run in tandem.runs() if run.event == event.id]
    before = len(plans.links())
    tandem.call("stripe", "POST", path, data={"active": "true"})
    for _ in range(2):  # Stripe repeats its refusal once, under the same key
        await tandem.go_on_unchanged()
        await tandem.work_off()

    assert (run.state, run.problem and run.problem.code, before) == ("parked", "archived_in_stripe", 1)
    assert [one["id"] for one in plans.prices()] == [price["id"]]
    assert len(plans.products()) == 1
    assert [link["active"] for link in plans.links()] == [True, True]
