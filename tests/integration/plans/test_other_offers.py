"""What a payment means for the account's other offers, and for the plan that it has."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.plans.conftest import ACCOUNT, Plans
from tests.integration.plans.test_links import active, offer, session_of
from tests.integration.plans.test_sessions import shown
from tests.stack.console import Console, answering, succeeded
from tests.stack.in_process import InProcess

OFFER_FLOW, PAID_FLOW = "togai-plan-to-stripe-payment-link", "stripe-checkout-to-togai-plan"


@pytest.fixture
def console(tandem: InProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Console]:
    with answering(tandem, tmp_path, monkeypatch) as made:
        yield made


def link_of(plans: Plans, plan: str, account: str = ACCOUNT) -> str:
    """The newest link of an offer."""
    wanted = (plan, account)
    return next(
        str(link["id"])
        for link in plans.links()
        if (link["metadata"]["togai_price_plan_id"], link["metadata"]["togai_account_id"]) == wanted
    )


def end_plan(plans: Plans) -> None:
    """A person takes the account's plan off in Togai, from its first day on."""
    since = plans.schedules()[0]["startDate"][:10]
    edit = {"mode": "DISASSOCIATE", "effectiveFrom": since, "effectiveUntil": "9999-01-01"}
    plans.tandem.call("togai", "POST", f"/accounts/{ACCOUNT}/price_plans", json=edit)


async def test_a_payment_closes_the_accounts_other_offers(plans: Plans, tandem: InProcess, console: Console) -> None:
    """Their links, visits and sessions, not those of another account; the other offer says why."""
    bought, other = plans.plan("Bought"), plans.plan("Other")
    tandem.account("beside")
    await tandem.drain()
    await offer(plans, bought)
    await offer(plans, other)
    await offer(plans, other, "beside")
    visit = plans.visit(str(next(one["url"] for one in plans.links() if one["id"] == link_of(plans, other))))
    session = (await plans.ask_session(other)).steps[0].output["session_id"]
    plans.pay(link_of(plans, bought))
    await tandem.drain()
    offers = {one["account"]: one for one in (await succeeded(console, "GET", f"/api/plans/{other}"))["offered"]}

    assert active(plans) == [link_of(plans, other, "beside")]
    assert [shown(plans, one)["status"] for one in (visit, session)] == ["expired", "expired"]
    assert (offers[ACCOUNT]["state"], offers["beside"]["state"]) == ("closed", "open")
    assert offers[ACCOUNT]["reason"] == f"account {ACCOUNT} bought {bought}"
    assert [link["state"] for link in offers[ACCOUNT]["links"]] == ["closed"]


async def test_a_payment_on_its_way_leaves_other_offers_open(plans: Plans, tandem: InProcess) -> None:
    """It may still fail; they close when it has come."""
    bought, other = plans.plan("Bought"), plans.plan("Other")
    await offer(plans, bought)
    await offer(plans, other)
    session = plans.pay(link_of(plans, bought), "unpaid")
    await tandem.drain()
    meanwhile = active(plans)
    plans.resolve(session, "async_succeeded")
    await tandem.drain()

    assert (meanwhile, active(plans)) == ([link_of(plans, other)], [])


async def test_a_flow_link_that_replaces_lets_the_paid_plan_take_the_place(plans: Plans, tandem: InProcess) -> None:
    """Other offers stay open, one more is made, and the run names the plan that gave way."""
    first, second, third = plans.plan("First"), plans.plan("Second"), plans.plan("Third")
    await tandem.link(PAID_FLOW, replace="on")
    await tandem.link(OFFER_FLOW, replace="on")
    await offer(plans, first)
    await offer(plans, second)
    plans.pay(link_of(plans, first))
    await tandem.drain()
    meanwhile = active(plans)
    offered = await offer(plans, third)
    session = plans.pay(link_of(plans, second))
    await tandem.drain()
    [run] = tandem.runs(f"stripe:test:{tandem.accounts['stripe']['id']}/checkout.session/{session}")

    assert (meanwhile, offered.state) == ([link_of(plans, second)], "succeeded")
    assert [found["pricePlanId"] for found in plans.schedules()] == [second]
    assert (run.state, any(first in note for step in run.steps for note in step.notes)) == ("succeeded", True)


async def test_a_link_of_a_person_closes_the_offers_of_tandem(plans: Plans, tandem: InProcess) -> None:
    """Theirs stays open; nobody pays the same, or another plan, at ours."""
    plan, other = plans.plan("Bought"), plans.plan("Other")
    await offer(plans, plan)
    await offer(plans, other)
    body = {
        "line_items[0][price]": plans.prices()[0]["id"], "line_items[0][quantity]": "1",
        "metadata[togai_price_plan_id]": plan, "metadata[togai_account_id]": ACCOUNT,
    }  # fmt: skip
    own = tandem.call("stripe", "POST", "/v1/payment_links", data=body)["id"]
    plans.pay(own)
    await tandem.drain()

    assert active(plans) == [own]
    assert [found["pricePlanId"] for found in plans.schedules()] == [plan]


async def test_a_closed_offer_can_be_made_again_once_the_account_is_free(plans: Plans, tandem: InProcess) -> None:
    """No person closed its link."""
    bought, other = plans.plan("Bought"), plans.plan("Other")
    await offer(plans, bought)
    await offer(plans, other)
    plans.pay(link_of(plans, bought))
    await tandem.drain()
    beside = await offer(plans, other)
    end_plan(plans)
    again, same = await offer(plans, other), await offer(plans, other)
    plans.pay(link_of(plans, other))
    await tandem.drain()

    assert (beside.state, again.state, same.state) == ("skipped", "succeeded", "in_sync")
    assert [found["pricePlanId"] for found in plans.schedules()] == [other]


@pytest.mark.parametrize("mode", ["first_payment", "subscription"])
async def test_who_left_a_plan_can_buy_it_again(plans: Plans, tandem: InProcess, mode: str) -> None:
    """A payment buys it until it is taken off in Togai; a subscription that bills on is to be ended first. The page of
    the offer takes the account's own customer again, too.
    """
    await tandem.link(OFFER_FLOW, mode=mode)
    plan = plans.plan()
    await offer(plans, plan)
    await plans.ask_session(plan)
    session = str(plans.sessions()[0]["id"])
    plans.resolve(session, "paid")
    await tandem.drain()
    end_plan(plans)
    bills_on = await offer(plans, plan)
    if subscription := session_of(plans, session)["subscription"]:
        body = {"account": tandem.accounts["stripe"]["id"], "status": "incomplete_expired"}
        tandem.control.call("POST", f"/stripe/subscriptions/{subscription}", body)
    again = await offer(plans, plan)
    page = await plans.ask_session(plan)
    plans.resolve(plans.sessions()[0]["id"], "paid")
    await tandem.drain()

    assert (bills_on.state, again.state) == (("skipped", "succeeded") if subscription else ("succeeded", "in_sync"))
    assert page.state == "succeeded"
    assert [found["pricePlanId"] for found in plans.schedules()] == [plan]
    assert active(plans) == []
