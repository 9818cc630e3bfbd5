"""What a person archived is sold no more. In Stripe: it is not revived, not made again, and says what it waits for. In
Togai: nothing of the plan can be paid any more.
"""

from __future__ import annotations

import pytest
from console.projection.run_progress import progress_of
from plan_sync.actions.open_offers import OFFERING
from shared.domains.plans.archived import FLOW
from shared.domains.plans.flows import PLAN_TO_PRICES
from shared.domains.plans.progress import known_of, plan_of
from shared.domains.plans.stripe import PLAN, VERSION

from tests.integration.plans.conftest import ACCOUNT, Plans
from tests.integration.plans.test_links import active, offer
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


@pytest.mark.parametrize("catalog", [False, True])
async def test_an_archived_plan_leaves_nothing_to_pay(plans: Plans, tandem: InProcess, catalog: bool) -> None:
    """Its link, a visit of the link that was begun, and its page's session close, whether the catalog's flow is on or
    not; those of another plan stay.
    """
    await tandem.link(PLAN_TO_PRICES.id, enabled=catalog)
    plan, other = plans.plan("Old"), plans.plan("Other")
    await offer(plans, other)
    await offer(plans, plan)
    await plans.ask_session(plan)
    visits = {one: plans.visit(link["url"]) for link in plans.links() for one in [link["metadata"][PLAN]]}
    tandem.call("togai", "DELETE", f"/price_plans/{plan}")
    await plans.tell(plan)
    ref = f"togai:test:{plans.organization}/price_plan/{plan}"
    known = known_of(ref, [one for one in map(progress_of, tandem.runs()) if plan_of(one) == ref])

    assert {one["id"] for one in plans.sessions(status="open")} == {visits[other]}
    assert [link["metadata"][PLAN] for link in plans.links() if link["active"]] == [other]
    assert (known.state, known.offers[ACCOUNT].state) == ("archived", "closed")


async def test_offers_of_an_archived_plan_stay_where_their_flows_are_off(plans: Plans, tandem: InProcess) -> None:
    """Off means off."""
    plan = plans.plan()
    await offer(plans, plan)
    for flow in OFFERING:
        await tandem.link(flow, enabled=False)
    await tandem.link(PLAN_TO_PRICES.id, enabled=False)
    tandem.call("togai", "DELETE", f"/price_plans/{plan}")
    await plans.tell(plan)
    [run] = [run for run in tandem.runs() if run.flow == FLOW.id and run.ended_at and "off" in run.reason]

    assert (run.state, len(active(plans))) == ("skipped", 1)


@pytest.mark.parametrize(("catalog", "key"), [(False, "togai:{plan}:1:{card}"), (True, "togai:{plan}:{card}")])
async def test_a_price_of_the_same_shape_in_the_archive_is_not_used(
    plans: Plans, tandem: InProcess, catalog: bool, key: str
) -> None:
    """A home whose log was lost finds an archived price under its own key, and an active one of an archived product:
    a new active price is made on the plan's active product, and the others stay as they are.
    """
    plan = plans.plan()
    [version] = tandem.call("togai", "GET", f"/price_plans/{plan}")["pricingSchedule"]
    [card] = version["pricePlanDetails"]["fixedFeeRateCards"]
    shape = {"currency": "usd", "unit_amount": "4900", "nickname": card["displayName"]}
    for product in (plan, "prod_other"):
        tandem.call("stripe", "POST", "/v1/products", data={"id": product, "name": "Starter"})
    lookup = {
        "lookup_key": key.format(plan=plan, card=card["id"]),
        f"metadata[{PLAN}]": plan,
        f"metadata[{VERSION}]": "1",
    }
    stood = [
        tandem.call("stripe", "POST", "/v1/prices", data=shape | more)["id"]
        for more in ({"product": plan} | lookup, {"product": "prod_other"})
    ]
    tandem.call("stripe", "POST", f"/v1/prices/{stood[0]}", data={"active": "false"})
    tandem.call("stripe", "POST", "/v1/products/prod_other", data={"active": "false"})
    run = await (plans.tell(plan, "created") if catalog else offer(plans, plan))
    left = [tandem.call("stripe", "GET", f"/v1/prices/{price}")["active"] for price in stood]
    made = [price for price in plans.prices() if price["id"] not in stood]

    assert (run.state, left) == ("succeeded", [False, True]), run.reason
    assert [(price["active"], price["product"]) for price in made] == [(True, plan)]
