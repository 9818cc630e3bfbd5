"""Payment links: whom their address names, how many prices they ask for, and what replaces one."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from shared.flows.runs import Run

from tests.integration.plans.conftest import ACCOUNT, Plans
from tests.stack.in_process import InProcess
from tests.unit.plan_sync.rate_cards import details, fixed_fee

SETTING = "StripePaymentLink"


async def offer(plans: Plans, plan: str, account: str = ACCOUNT) -> Run:
    """A person offers it; the run that came of it."""
    event = plans.offer(plan, account)
    await plans.tandem.drain()
    [run] = [run for run in plans.tandem.runs() if run.event == event.id]
    return run


def active(plans: Plans) -> list[str]:
    """The open links, newest first."""
    return [link["id"] for link in plans.links() if link["active"]]


def written(plans: Plans, account: str = ACCOUNT) -> str:
    """The address in the account's Settings."""
    found = plans.tandem.control.call("GET", "/state", account=plans.organization)["settings"]
    return next(str(one["value"]) for one in found if (one["id"], one["entityId"]) == (SETTING, account))


def session_of(plans: Plans, session: str) -> dict[str, Any]:
    """A checkout session as it is now."""
    return dict(plans.tandem.call("stripe", "GET", f"/v1/checkout/sessions/{session}"))


async def test_the_address_names_the_account_and_its_email(plans: Plans, tandem: InProcess) -> None:
    """Its customer's, where it has none of its own. Stripe's page takes both over."""
    await offer(plans, plans.plan())
    address = written(plans)
    session = session_of(plans, plans.visit(address))
    email = f"{ACCOUNT}@example.test"

    assert parse_qs(urlsplit(address).query) == {"client_reference_id": [ACCOUNT], "prefilled_email": [email]}
    assert (session["client_reference_id"], session["customer_email"]) == (ACCOUNT, email)


async def test_a_link_asks_in_the_accounts_currency(plans: Plans, tandem: InProcess) -> None:
    """Of a price that has several, whichever is its first: by the link, and by a session in its place."""
    tandem.account("dollar")
    tandem.account("euro", invoiceCurrency="EUR")
    await tandem.drain()
    plan, asked = plans.plan(rates={"EUR": "9", "USD": "10"}), []
    for account in ("dollar", "euro"):
        await offer(plans, plan, account)
        link = next(one for one in plans.links() if one["metadata"]["togai_account_id"] == account)
        by_link = session_of(plans, plans.visit(str(link["url"])))
        await plans.ask_session(plan, account)
        asked += [(one["currency"], one["amount_total"]) for one in (by_link, plans.sessions()[0])]

    assert asked == [("usd", 1000)] * 2 + [("eur", 900)] * 2


async def test_an_id_outside_stripes_alphabet_is_left_out(plans: Plans, tandem: InProcess) -> None:
    """Stripe would drop it without a word, and a changed one would name somebody else."""
    account = tandem.account("acme.eu", primaryEmail="a+b@x.test") or "acme.eu"
    await tandem.drain()
    await offer(plans, plans.plan(), account)

    assert parse_qs(urlsplit(written(plans, account)).query) == {"prefilled_email": ["a+b@x.test"]}


async def test_a_link_asks_for_twenty_prices_at_most(plans: Plans) -> None:
    """The run names the others: Togai bills them."""
    cards = details(currencies="USD")
    fee = fixed_fee({"USD": "2"})["fixedFeeRateCards"][0] | {"rateValues": [{"currency": "USD", "rate": 2}]}
    cards["fixedFeeRateCards"] = [fee | {"id": f"addon.{n}", "displayName": f"Fee {n}"} for n in range(22)]
    body = {"account": plans.organization, "name": "Many", "details": cards}
    plan = str(plans.tandem.control.call("POST", "/togai/price_plans", body)["id"])
    run = await offer(plans, plan)
    [link] = plans.links()
    sold = plans.tandem.call("stripe", "GET", f"/v1/payment_links/{link['id']}/line_items", params={"limit": 100})
    left = [note for note in run.steps[0].notes if "20 prices at most" in note]

    assert (run.state, len(sold["data"]), len(left)) == ("succeeded", 20, 2)


async def test_a_newer_version_replaces_the_link(plans: Plans) -> None:
    """The old one is closed, the Settings name the new one; the same offer again changes nothing."""
    plan = plans.plan(rate="10")
    await offer(plans, plan)
    [first] = active(plans)
    plans.change(plan, rate="12")
    run = await offer(plans, plan)
    [second] = active(plans)
    await plans.tandem.restart()
    again = await offer(plans, plan)

    assert (run.state, again.state, len(plans.links())) == ("succeeded", "in_sync", 2)
    assert second != first
    assert any(first in note for step in run.steps for note in step.notes)
    assert written(plans).startswith(next(link["url"] for link in plans.links() if link["id"] == second))


@pytest.mark.parametrize("mode", ["first_payment", "subscription"])
async def test_a_new_version_makes_open_offers_again(plans: Plans, tandem: InProcess, mode: str) -> None:
    """At what the plan costs now, before the former prices are archived; a paid offer stays as it is."""
    await tandem.link("togai-plan-to-stripe-payment-link", mode=mode)
    plan = plans.plan(rate="10")
    await plans.tell(plan, "created")
    tandem.account("paid")
    await offer(plans, plan, "paid")
    plans.pay(active(plans)[0])
    await offer(plans, plan)
    [first] = active(plans)
    plans.change(plan, rate="12")
    run = await plans.tell(plan)
    [second] = active(plans)
    [item] = tandem.call("stripe", "GET", f"/v1/payment_links/{second}/line_items")["data"]

    assert (first != second, item["amount_total"], len(plans.links())) == (True, 1200, 3)
    assert f"the offer to {ACCOUNT} is made again, for {first} sells version 1" in run.steps[-1].notes
    assert written(plans).startswith(next(link["url"] for link in plans.links() if link["id"] == second))


async def test_who_began_to_pay_at_the_old_link_gets_the_plan(plans: Plans, tandem: InProcess) -> None:
    """And nobody else can pay at the new one then."""
    plan = plans.plan(rate="10")
    await offer(plans, plan)
    session = plans.visit(written(plans))
    plans.change(plan, rate="12")
    await offer(plans, plan)
    plans.resolve(session, "paid")
    await tandem.drain()
    again = await offer(plans, plan)

    assert [schedule["pricePlanId"] for schedule in plans.schedules()] == [plan]
    assert [payment["totalAmount"] for payment in plans.payments()] == [10]
    assert (active(plans), again.state, "was paid" in again.reason) == ([], "skipped", True)


async def test_a_payment_that_fails_later_gets_a_new_link(plans: Plans, tandem: InProcess) -> None:
    """Once, whoever asks again; while it may still come, no other link is made."""
    plan = plans.plan()
    await offer(plans, plan)
    [first] = active(plans)
    session = plans.pay(first, "unpaid")
    await tandem.drain()
    waiting = await offer(plans, plan)
    plans.resolve(session, "async_failed")
    await tandem.drain()
    [second] = active(plans)
    again = await offer(plans, plan)
    plans.pay(second)
    await tandem.drain()

    assert (waiting.state, "is on its way" in waiting.reason, again.state) == ("skipped", True, "in_sync")
    assert (len(plans.links()), second != first) == (2, True)
    assert [schedule["pricePlanId"] for schedule in plans.schedules()] == [plan]
    assert len(plans.payments()) == 1


async def test_a_link_that_a_person_closed_is_not_made_again(plans: Plans, tandem: InProcess) -> None:
    """Until the plan has a newer version."""
    plan = plans.plan(rate="10")
    await offer(plans, plan)
    tandem.call("stripe", "POST", f"/v1/payment_links/{active(plans)[0]}", data={"active": "false"})
    closed = await offer(plans, plan)
    plans.change(plan, rate="12")
    newer = await offer(plans, plan)

    assert (closed.state, "closed by a person" in closed.reason) == ("skipped", True)
    assert (newer.state, len(active(plans))) == ("succeeded", 1)


async def test_a_failed_checkout_of_a_persons_own_link_makes_none(plans: Plans, tandem: InProcess) -> None:
    """Theirs is theirs."""
    plan = plans.plan()
    await offer(plans, plan)
    body = {
        "line_items[0][price]": plans.prices()[0]["id"], "line_items[0][quantity]": "1",
        "metadata[togai_price_plan_id]": plan, "metadata[togai_account_id]": ACCOUNT,
    }  # fmt: skip
    own = tandem.call("stripe", "POST", "/v1/payment_links", data=body)["id"]
    plans.resolve(plans.pay(own, "unpaid"), "async_failed")
    await tandem.drain()
    [run] = [run for run in tandem.runs() if run.flow == "stripe-failed-checkout-to-payment-link"]

    assert (run.state, "none of Tandem's" in run.reason, len(plans.links())) == ("skipped", True, 2)
