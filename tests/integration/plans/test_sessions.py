"""Checkout sessions of an offer: for an account that has a Stripe customer, one open at a time, closed when paid."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from shared.connections import portal_keys
from shared.sealed_texts import CHECKOUT_SECRETS, TextSeal

from tests.integration.plans.conftest import ACCOUNT, Plans
from tests.integration.plans.test_links import active, offer
from tests.stack.in_process import InProcess


def customer(tandem: InProcess, account: str = ACCOUNT) -> str:
    """The account's Stripe customer."""
    pair = tandem.pair(tandem.ref(account, "togai"))
    assert pair is not None
    return next(ref.rpartition("/")[2] for ref in pair.refs if ref.startswith("stripe:"))


def shown(plans: Plans, session: str) -> dict[str, Any]:
    return dict(plans.tandem.call("stripe", "GET", f"/v1/checkout/sessions/{session}"))


async def test_a_session_asks_the_accounts_customer_for_the_same(plans: Plans, tandem: InProcess) -> None:
    """Same prices and metadata as the link; what its page needs is sealed in the run."""
    plan = plans.plan(rate="49")
    await offer(plans, plan)
    run = await plans.ask_session(plan)
    [session], [link] = plans.sessions(), plans.links()
    made = run.steps[0].output
    seal = TextSeal(portal_keys(tandem.settings), CHECKOUT_SECRETS)

    assert (run.state, session["customer"], session["ui_mode"]) == ("succeeded", customer(tandem), "embedded_page")
    assert (session["amount_total"], session["currency"], session["metadata"]) == (4900, "usd", link["metadata"])
    assert (made["session_id"], seal.open(made["sealed"])) == (session["id"], session["client_secret"])
    assert session["client_secret"].encode() not in b"".join(record.value or b"" for record in tandem.log.written)


async def test_the_open_session_is_reused(plans: Plans, tandem: InProcess) -> None:
    """Also by a process that has just begun; an expired one is replaced."""
    plan = plans.plan()
    await offer(plans, plan)
    first = await plans.ask_session(plan)
    await tandem.restart()
    again = await plans.ask_session(plan)
    [session] = plans.sessions()
    plans.resolve(session["id"], "expired")
    other = await plans.ask_session(plan)

    assert (first.state, again.state, other.state) == ("succeeded", "in_sync", "succeeded")
    assert [one["status"] for one in plans.sessions()] == ["open", "expired"]


async def test_a_paid_session_attaches_the_plan_and_closes_the_rest(plans: Plans, tandem: InProcess) -> None:
    """The link, and whoever had begun to pay there."""
    plan = plans.plan(rate="49")
    await offer(plans, plan)
    visit = plans.visit(plans.links()[0]["url"])
    run = await plans.ask_session(plan)
    plans.resolve(run.steps[0].output["session_id"], "paid")
    await tandem.drain()
    again = await plans.ask_session(plan)

    assert [schedule["pricePlanId"] for schedule in plans.schedules()] == [plan]
    assert [payment["totalAmount"] for payment in plans.payments()] == [49]
    assert (active(plans), shown(plans, visit)["status"], again.state) == ([], "expired", "skipped")


async def test_a_paid_link_expires_the_session(plans: Plans, tandem: InProcess) -> None:
    """Nobody can pay the same a second time."""
    plan = plans.plan()
    await offer(plans, plan)
    run = await plans.ask_session(plan)
    plans.pay(plans.links()[0]["id"])
    await tandem.drain()

    assert shown(plans, run.steps[0].output["session_id"])["status"] == "expired"
    assert [schedule["pricePlanId"] for schedule in plans.schedules()] == [plan]


async def test_a_payment_on_its_way_closes_every_other_way(plans: Plans, tandem: InProcess) -> None:
    """Until it has failed; then there is a new link and a new session, by which the plan is attached."""
    plan = plans.plan()
    await offer(plans, plan)
    session = (await plans.ask_session(plan)).steps[0].output["session_id"]
    plans.resolve(session, "unpaid")
    await tandem.drain()
    waiting, meanwhile = await plans.ask_session(plan), active(plans)
    await tandem.link("stripe-failed-checkout-to-payment-link")
    plans.resolve(session, "async_failed")
    await tandem.drain()
    second = await plans.ask_session(plan)
    plans.resolve(second.steps[0].output["session_id"], "paid")
    await tandem.drain()

    assert (waiting.state, meanwhile, second.state) == ("skipped", [], "succeeded")
    assert [schedule["pricePlanId"] for schedule in plans.schedules()] == [plan]
    assert active(plans) == []


async def test_a_failed_payment_of_somebody_elses_session_makes_nothing(plans: Plans, tandem: InProcess) -> None:
    """Its metadata name an offer as ours do."""
    plan = plans.plan()
    await offer(plans, plan)
    [link] = plans.links()
    [item] = tandem.call("stripe", "GET", f"/v1/payment_links/{link['id']}/line_items")["data"]
    body = {"mode": "payment", "success_url": "https://x.test", "line_items[0][price]": item["price"]["id"]}
    body |= {"line_items[0][quantity]": "1"} | {f"metadata[{name}]": text for name, text in link["metadata"].items()}
    theirs = tandem.call("stripe", "POST", "/v1/checkout/sessions", data=body)["id"]
    await tandem.link("stripe-failed-checkout-to-payment-link")
    plans.resolve(theirs, "unpaid")
    plans.resolve(theirs, "async_failed")
    await tandem.drain()

    assert len(plans.links()) == 1
    assert "none of Tandem's" in tandem.runs(event_type="checkout.session.async_payment_failed")[-1].reason


async def test_a_paid_link_is_closed_while_the_plan_cannot_be_attached(plans: Plans, tandem: InProcess) -> None:
    """A session is paid, and Togai has another plan for the account: a person decides, and nobody pays again."""
    plan, other = plans.plan(), plans.plan(rate="7")
    await offer(plans, plan)
    session = (await plans.ask_session(plan)).steps[0].output["session_id"]
    edit = {
        "mode": "ASSOCIATE",
        "pricePlanId": other,
        "effectiveFrom": datetime.now(UTC).date().isoformat(),
        "effectiveUntil": "9999-01-01",
    }
    tandem.call("togai", "POST", f"/accounts/{ACCOUNT}/price_plans", json=edit)
    plans.resolve(session, "paid")
    await tandem.drain()

    assert tandem.runs(event_type="checkout.session.completed")[-1].state == "parked"
    assert active(plans) == []


async def test_a_new_version_replaces_the_session(plans: Plans, tandem: InProcess) -> None:
    """What is paid is what the plan costs now."""
    plan = plans.plan(rate="10")
    await offer(plans, plan)
    first = await plans.ask_session(plan)
    plans.change(plan, rate="12")
    await offer(plans, plan)
    await plans.ask_session(plan)

    assert [(one["status"], one["amount_total"]) for one in plans.sessions()] == [("open", 1200), ("expired", 1000)]
    assert first.steps[0].output["session_id"] == plans.sessions()[1]["id"]


async def test_an_archived_plan_is_paid_by_nobody(plans: Plans, tandem: InProcess) -> None:
    """Its open session expires with its link."""
    plan = plans.plan()
    await plans.tell(plan, "created")
    await offer(plans, plan)
    await plans.ask_session(plan)
    tandem.call("togai", "DELETE", f"/price_plans/{plan}")
    await plans.tell(plan)

    assert ([one["status"] for one in plans.sessions()], active(plans)) == (["expired"], [])


async def test_nothing_is_made_for_what_was_not_offered(plans: Plans, tandem: InProcess) -> None:
    """The run says what to do."""
    run = await plans.ask_session(plans.plan())

    assert (run.state, "offer the plan" in run.reason, plans.sessions()) == ("skipped", True, [])
