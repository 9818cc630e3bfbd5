"""An offer that waits for a change of its plan, or of a choice, goes on by itself: no event of it tells of that."""

from __future__ import annotations

from tests.integration.plans.conftest import Plans
from tests.integration.plans.test_links import active, offer
from tests.integration.plans.test_other_offers import OFFER_FLOW, PAID_FLOW
from tests.stack.in_process import InProcess


async def test_an_offer_goes_on_once_its_plan_is_active(plans: Plans, tandem: InProcess) -> None:
    """Nobody offers it a second time."""
    plan = plans.plan(active=False)
    waiting = await offer(plans, plan)
    plans.tandem.call("togai", "POST", f"/price_plans/{plan}/activate", json={"currencies": ["USD"]})
    await tandem.go_on_unchanged()

    assert (waiting.state, waiting.problem and waiting.problem.code) == ("parked", "not_active")
    assert len(active(plans)) == 1


async def test_an_offer_goes_on_once_its_flow_link_asks_the_other_api(plans: Plans, tandem: InProcess) -> None:
    """What its reason says to do is enough."""
    waiting = await offer(plans, plans.plan(api="v2"))
    for flow in (OFFER_FLOW, PAID_FLOW):
        await tandem.link(flow, api="v2")
    await tandem.go_on_unchanged()

    assert (waiting.state, waiting.problem and waiting.problem.code) == ("parked", "second_api")
    assert len(active(plans)) == 1
