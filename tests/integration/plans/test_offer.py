"""A plan is offered, sold once and attached once; whatever comes twice changes nothing."""

from __future__ import annotations

import pytest

from tests.integration.plans.conftest import ACCOUNT, Plans
from tests.stack.in_process import InProcess


async def offered(plans: Plans, plan: str) -> str:
    """Offer it; the link's id."""
    plans.offer(plan)
    await plans.tandem.drain()
    return str(plans.links()[0]["id"])


async def test_an_offer_becomes_product_price_and_link(plans: Plans, tandem: InProcess) -> None:
    """The price is exact, the link is for one account and one payment, and stands in the account's Settings."""
    plan = plans.plan(rate="49.5")
    await offered(plans, plan)
    [product], [price], [link] = plans.products(), plans.prices(), plans.links()
    settings = tandem.control.call("GET", "/state", account=plans.organization)["settings"]
    [setting] = [found for found in settings if found["id"] == "StripePaymentLink"]

    assert (product["id"], product["name"]) == (plan, "Starter")
    assert (price["unit_amount"], price["currency"], price["product"]) == (4950, "usd", plan)
    assert link["restrictions"] == {"completed_sessions": {"count": 0, "limit": 1}}
    assert (link["metadata"]["togai_account_id"], link["metadata"]["togai_price_plan_id"]) == (ACCOUNT, plan)
    assert setting["value"] == link["url"]


async def test_a_second_offer_finds_what_is_there(plans: Plans) -> None:
    """Also after the process died."""
    plan = plans.plan()
    await offered(plans, plan)
    await plans.tandem.restart()
    await offered(plans, plan)

    assert (len(plans.products()), len(plans.prices()), len(plans.links())) == (1, 1, 1)


async def test_a_paid_link_attaches_the_plan_once_and_closes(plans: Plans, tandem: InProcess) -> None:
    """What was paid is counted in Togai, to the cent; the same event again does nothing."""
    plan = plans.plan(rate="49.5")
    link = await offered(plans, plan)
    plans.pay(link)
    await tandem.drain()
    [event] = [
        body for body in tandem.call("stripe", "GET", "/v1/events", params={"limit": 100})["data"]
        if body["type"] == "checkout.session.completed"
    ]  # fmt: skip
    await tandem.restart()
    tandem.deliver(tandem.event_of(event))
    await tandem.drain()
    [schedule], [payment] = plans.schedules(), plans.payments()

    assert schedule["pricePlanId"] == plan
    assert (payment["totalAmount"], payment["currency"]) == (49.5, "USD")
    assert [line["type"] for line in payment["lineItemRecords"]] == ["WALLET_CREDIT"]
    assert [found["active"] for found in plans.links()] == [False]


async def test_an_offer_that_is_paid_twice_attaches_once(plans: Plans, tandem: InProcess) -> None:
    """Whoever opened the page before the link was closed can still pay: both payments are counted."""
    plan = plans.plan()
    await offered(plans, plan)
    url = str(plans.links()[0]["url"])
    for session in [plans.visit(url), plans.visit(url)]:
        plans.resolve(session, "paid")
    await tandem.drain()

    assert [schedule["pricePlanId"] for schedule in plans.schedules()] == [plan]
    assert len(plans.payments()) == 2


async def test_what_is_paid_later_is_attached_later(plans: Plans, tandem: InProcess) -> None:
    """Until then nothing happens; a payment that fails attaches nothing."""
    late, failed = plans.plan("Late"), plans.plan("Failed")
    session = plans.pay(await offered(plans, late), "unpaid")
    await tandem.drain()
    before = plans.schedules()
    plans.resolve(session, "async_succeeded")
    await tandem.drain()
    tandem.account("other")
    plans.offer(failed, "other")
    await tandem.drain()
    plans.resolve(plans.pay(str(plans.links()[0]["id"]), "unpaid"), "async_failed")
    await tandem.drain()

    assert before == []
    assert [schedule["pricePlanId"] for schedule in plans.schedules()] == [late]
    assert plans.schedules("other") == []


async def test_another_plan_of_the_account_is_a_conflict(plans: Plans, tandem: InProcess) -> None:
    """Both are named; nothing is replaced by itself."""
    first, second = plans.plan("First"), plans.plan("Second")
    plans.pay(await offered(plans, first))
    await tandem.drain()
    plans.offer(second)
    await tandem.drain()
    [link] = [found for found in plans.links() if found["active"]]
    session = plans.pay(str(link["id"]))
    await tandem.drain()
    [run] = tandem.runs(f"stripe:test:{tandem.accounts['stripe']['id']}/checkout.session/{session}")

    assert [schedule["pricePlanId"] for schedule in plans.schedules()] == [first]
    assert run.problem
    assert (run.problem.error, first in run.reason, second in run.reason) == ("Conflict", True, True)


@pytest.mark.parametrize("rate", ["0.001", "19.999"])
async def test_an_amount_below_the_cent_is_exact(plans: Plans, rate: str) -> None:
    """Stripe takes twelve decimals."""
    await offered(plans, plans.plan(rate=rate))
    [price] = plans.prices()

    assert (price["unit_amount"], price["unit_amount_decimal"]) == (None, {"0.001": "0.1", "19.999": "1999.9"}[rate])
