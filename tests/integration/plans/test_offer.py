"""A plan is offered, sold once and attached once; whatever comes twice changes nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from plan_sync.actions import IMPLEMENTATIONS
from shared.apps.togai.models import NewSetting
from shared.domains.plans import DOMAIN

from tests.contract.sandbox.tools import Control
from tests.integration.plans.conftest import ACCOUNT, Plans
from tests.stack.in_process import CUSTOMERS, InProcess, in_process

OFFER_FLOW = "togai-plan-to-stripe-payment-link"


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
    assert setting["value"].startswith(link["url"])


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
    link_of_first = await offered(plans, first)
    link_of_second = await offered(plans, second)
    plans.pay(link_of_first)
    session = plans.pay(link_of_second)
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


@pytest.mark.parametrize("rate", ["0.000000000000001", "-5"])
async def test_a_rate_that_stripe_cannot_hold_makes_nothing(plans: Plans, tandem: InProcess, rate: str) -> None:
    """No product either; the run says why."""
    event = plans.offer(plans.plan(rate=rate))
    await tandem.drain()
    [run] = [run for run in tandem.runs() if run.event == event.id]

    assert (run.state, plans.products()) == ("skipped", [])
    assert "not sold in USD" in run.reason


def completed(tandem: InProcess, session: str) -> dict[str, Any]:
    """Stripe's event of a session."""
    found = tandem.call("stripe", "GET", "/v1/events", params={"limit": 100})["data"]
    of_session = [body for body in found if body["type"] == "checkout.session.completed"]
    return next(body for body in of_session if body["data"]["object"]["id"] == session)


async def test_what_was_paid_for_another_organization_attaches_nothing_here(plans: Plans, tandem: InProcess) -> None:
    """Its account may have the id of another customer's here."""
    session = plans.pay(await offered(plans, plans.plan()))
    body = completed(tandem, session)
    body["data"]["object"]["metadata"]["togai_app_account"] = "togai:test:other"
    tandem._known.setdefault("stripe", set()).add(body["id"])
    tandem.deliver(tandem.event_of(body))
    await tandem.drain()
    [run] = tandem.runs(f"stripe:test:{tandem.accounts['stripe']['id']}/checkout.session/{session}")

    assert (run.state, "togai:test:other" in run.reason) == ("skipped", True)
    assert (plans.schedules(), plans.payments()) == ([], [])


async def test_a_plan_that_begins_later_is_not_taken_away(plans: Plans, tandem: InProcess) -> None:
    """To attach another one for ever would end it."""
    later, wanted = plans.plan("Later"), plans.plan("Wanted")
    day = (datetime.now(UTC) + timedelta(days=30)).date().isoformat()
    edit = {"mode": "ASSOCIATE", "pricePlanId": later, "effectiveFrom": day, "effectiveUntil": "9999-01-01"}
    link = await offered(plans, wanted)
    tandem.call("togai", "POST", f"/accounts/{ACCOUNT}/price_plans", json=edit)
    plans.pay(link)
    await tandem.drain()

    assert [(found["pricePlanId"], found["startDate"][:10]) for found in plans.schedules()] == [(later, day)]


async def test_what_a_person_wrote_as_the_payment_link_stays(plans: Plans, tandem: InProcess) -> None:
    """The link is made, and the run says that the Settings are left."""
    own = NewSetting(id="StripePaymentLink", value="https://pay.example/own", name="StripePaymentLink")
    setting = own.model_dump(by_alias=True) | {"entityType": "ACCOUNT", "entityId": ACCOUNT}
    tandem.call("togai", "POST", "/settings", json=setting)
    await offered(plans, plans.plan())
    settings = tandem.control.call("GET", "/state", account=plans.organization)["settings"]
    [run] = [found for found in tandem.runs() if found.flow == OFFER_FLOW]

    assert [found["value"] for found in settings if found["id"] == "StripePaymentLink"] == ["https://pay.example/own"]
    assert any("none of Tandem's" in note for note in run.steps[-1].notes)


async def test_the_link_of_another_offer_gives_way(plans: Plans, tandem: InProcess) -> None:
    """It is Tandem's own."""
    await offered(plans, plans.plan("First"))
    await offered(plans, plans.plan("Second"))
    settings = tandem.control.call("GET", "/state", account=plans.organization)["settings"]
    newest = next(
        link for link in plans.links() if link["metadata"]["togai_price_plan_id"] != plans.products()[-1]["id"]
    )

    assert [found["value"] for found in settings if found["id"] == "StripePaymentLink"] == [
        f"{newest['url']}?client_reference_id={ACCOUNT}&prefilled_email={ACCOUNT}%40example.test"
    ]


async def test_a_link_that_a_person_made_stays_open(plans: Plans, tandem: InProcess) -> None:
    """Its checkout attaches what its metadata name."""
    plan = plans.plan()
    await offered(plans, plan)
    body = {
        "line_items[0][price]": plans.prices()[0]["id"], "line_items[0][quantity]": "1",
        "metadata[togai_price_plan_id]": plan, "metadata[togai_account_id]": ACCOUNT,
    }  # fmt: skip
    own = tandem.call("stripe", "POST", "/v1/payment_links", data=body)["id"]
    plans.pay(own)
    await tandem.drain()

    assert [found["active"] for found in plans.links() if found["id"] == own] == [True]
    assert [found["pricePlanId"] for found in plans.schedules()] == [plan]


async def test_an_offer_whose_link_was_paid_is_not_made_again(plans: Plans, tandem: InProcess) -> None:
    """And no closed link is shown for an open one."""
    plan = plans.plan()
    plans.pay(await offered(plans, plan))
    await tandem.drain()
    event = plans.offer(plan)
    await tandem.drain()
    [run] = [found for found in tandem.runs() if found.event == event.id]

    assert (run.state, "was paid" in run.reason) == ("skipped", True)
    assert len(plans.links()) == 1


async def test_nothing_is_sold_to_an_account_that_cannot_have_it(plans: Plans, tandem: InProcess) -> None:
    """Nobody pays for a plan beside another one, for an account in the archive, or for a plan there."""
    first, second, old = plans.plan("First"), plans.plan("Second"), plans.plan("Old")
    plans.pay(await offered(plans, first))
    await tandem.drain()
    tandem.account("gone")
    await tandem.drain()
    tandem.control.call("POST", "/togai/archive", {"account": plans.organization, "togai_account": "gone"})
    tandem.call("togai", "DELETE", f"/price_plans/{old}")
    events = [plans.offer(second).id, plans.offer(second, "gone").id, plans.offer(old).id]
    await tandem.drain()
    beside, archived, former = (next(run for run in tandem.runs() if run.event == event) for event in events)

    assert (beside.state, first in beside.reason) == ("skipped", True)
    assert (archived.state, "archived" in archived.reason) == ("skipped", True)
    assert (former.state, "is archived" in former.reason) == ("skipped", True)
    assert len(plans.links()) == 1


async def test_a_plan_that_costs_nothing_is_attached(plans: Plans, tandem: InProcess) -> None:
    """Its checkout has no payment: none of nothing is counted in Togai."""
    plan = plans.plan(rate="0")
    plans.pay(await offered(plans, plan), "no_payment_required")
    await tandem.drain()

    assert ([one["pricePlanId"] for one in plans.schedules()], plans.payments()) == ([plan], [])


async def test_a_plan_begins_tomorrow_where_togai_refuses_today(plans: Plans, tandem: InProcess) -> None:
    """The account has it from then on, once."""
    plan = plans.plan()
    link = await offered(plans, plan)
    with tandem.control.settings(togai_association_from="tomorrow"):
        plans.pay(link)
        await tandem.drain()
    tomorrow = (datetime.now(UTC).date() + timedelta(days=1)).isoformat()

    assert [(one["pricePlanId"], one["startDate"][:10]) for one in plans.schedules()] == [(plan, tomorrow)]


async def test_what_stripe_charges_nobody_is_not_sold(plans: Plans, tandem: InProcess) -> None:
    """An amount below its minimum ends as any other plan of which nothing can be sold; the next version is offered."""
    plan = plans.plan(rate="0.20")
    events = [plans.offer(plan).id]
    await tandem.drain()
    before = len(plans.links())
    plans.change(plan, "0.50")
    events.append(plans.offer(plan).id)
    await tandem.drain()
    small, enough = (next(run for run in tandem.runs() if run.event == event) for event in events)

    assert (small.state, "can be sold" in small.reason, "at least 0.50 usd" in small.reason) == ("skipped", True, True)
    assert (enough.state, before, len(plans.links()), tandem.letters()) == ("succeeded", 0, 1, [])


async def test_what_is_sold_at_one_stripe_account_is_none_of_another(control: Control) -> None:
    """Its product and prices have no meaning there: the other flow link says so, and leaves it."""
    services = (*CUSTOMERS, (DOMAIN, IMPLEMENTATIONS))
    async with in_process(control, "second", services=services, default_currency="USD") as tandem:
        tandem.account(ACCOUNT)
        await tandem.drain()
        plans = Plans(tandem)
        plan = plans.plan()
        await offered(plans, plan)
        await tandem.link(OFFER_FLOW, stripe="second", suffix="-second")
        event = plans.offer(plan)
        await tandem.drain()
        runs = {run.flow_link: run for run in tandem.runs() if run.event == event.id}

        assert runs[OFFER_FLOW].state in ("in_sync", "succeeded")
        assert runs[f"{OFFER_FLOW}-second"].state == "skipped"
        assert f"which {OFFER_FLOW}-second works on" in runs[f"{OFFER_FLOW}-second"].reason


@pytest.mark.parametrize(("given_back", "state", "counted"), [(4900, "skipped", []), (900, "succeeded", [40])])
async def test_what_was_given_back_meanwhile_is_not_counted(
    plans: Plans, tandem: InProcess, given_back: int, state: str, counted: list[int]
) -> None:
    """A person follows the conflict's words: refunds the payment, or a part of it and ends the other plan."""
    first, second = plans.plan("First"), plans.plan("Second")
    link_of_first = await offered(plans, first)
    link_of_second = await offered(plans, second)
    plans.pay(link_of_first)
    session = plans.pay(link_of_second)
    await tandem.drain()
    intent = completed(tandem, session)["data"]["object"]["payment_intent"]
    tandem.call("stripe", "POST", "/v1/refunds", data={"payment_intent": intent, "amount": str(given_back)})
    since = plans.schedules()[0]["startDate"][:10]
    edit = {"mode": "DISASSOCIATE", "effectiveFrom": since, "effectiveUntil": "9999-01-01"}
    tandem.call("togai", "POST", f"/accounts/{ACCOUNT}/price_plans", json=edit)
    await tandem.recheck()
    [run] = tandem.runs(f"stripe:test:{tandem.accounts['stripe']['id']}/checkout.session/{session}")

    assert run.state == state
    assert [found["pricePlanId"] for found in plans.schedules()] == ([second] if counted else [])
    assert [found["totalAmount"] for found in plans.payments()] == [*counted, 49]
