"""Subscriptions that are there already: each becomes a plan in Togai from its period's end on; one of both bills it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from shared.domains.plans.subscriptions import SUBSCRIBED
from shared.flows.runs import Run

from tests.integration.plans.conftest import ACCOUNT, Plans
from tests.integration.plans.test_polled import attach
from tests.stack.imports import imported
from tests.stack.polled import Polled


class Shop:
    """Subscriptions at Stripe, of plans that have prices there."""

    def __init__(self, plans: Plans) -> None:
        self.plans, self.tandem = plans, plans.tandem

    async def price(self, name: str = "Starter") -> tuple[str, str]:
        """A plan, and its recurring price."""
        before = {price["id"] for price in self.plans.prices()}
        plan = self.plans.plan(name)
        await self.plans.tell(plan, "created")
        [price] = [p["id"] for p in self.plans.prices() if p["recurring"] and p["id"] not in before]
        return plan, price

    def customer(self) -> str:
        [customer] = self.tandem.customers()
        return str(customer["id"])

    def started(self, *prices: str, customer: str = "", **more: str) -> str:
        data = {"customer": customer or self.customer()} | more
        data |= {f"items[{n}][price]": price for n, price in enumerate(prices)}
        return str(self.tandem.call("stripe", "POST", "/v1/subscriptions", data=data)["id"])

    def put(self, subscription: str, **changes: Any) -> None:
        """What becomes of it at Stripe."""
        body = {"account": self.tandem.accounts["stripe"]["id"]} | changes
        self.tandem.control.call("POST", f"/stripe/subscriptions/{subscription}", body)

    def change(self, subscription: str, **params: str) -> None:
        self.tandem.call("stripe", "POST", f"/v1/subscriptions/{subscription}", data=params)

    def shown(self, subscription: str) -> dict[str, Any]:
        return dict(self.tandem.call("stripe", "GET", f"/v1/subscriptions/{subscription}"))

    def period_end(self, subscription: str) -> str:
        end = self.shown(subscription)["items"]["data"][0]["current_period_end"]
        return datetime.fromtimestamp(end, UTC).date().isoformat()

    def pair(self, subscription: str) -> Any:
        ref = self.tandem.ref(subscription).replace("/customer/", "/subscription/")
        return self.tandem.registry.mappings.of(SUBSCRIBED.name).pair(ref)


@pytest.fixture
def shop(plans: Plans) -> Shop:
    return Shop(plans)


def one(runs: dict[str, Run]) -> Run:
    [run] = runs.values()
    return run


async def test_a_subscription_becomes_a_plan_from_its_periods_end_on(plans: Plans, shop: Shop) -> None:
    """A preview writes nothing, the import attaches once, a second one writes nothing."""
    plan, price = await shop.price()
    subscription = shop.started(price)
    writes = plans.tandem.writes()
    judged = one(await imported(plans.tandem, "subscriptions", subscription, dry_run=True))
    after_preview = plans.tandem.writes()
    done = one(await imported(plans.tandem, "subscriptions", subscription))
    [schedule] = plans.schedules()
    writes_done = plans.tandem.writes()
    await plans.tandem.restart()
    again = one(await imported(plans.tandem, "subscriptions", subscription))

    assert (judged.state, judged.verdict, after_preview) == ("previewed", "new", writes)
    assert done.state == "succeeded"
    assert (schedule["pricePlanId"], schedule["startDate"][:10]) == (plan, shop.period_end(subscription))
    assert (again.state, plans.tandem.writes()) == ("in_sync", writes_done)
    assert "Stripe bills" in shop.pair(subscription).reason
    assert shop.shown(subscription)["cancel_at_period_end"] is False


async def test_a_plan_that_the_account_has_is_not_attached_again(plans: Plans, shop: Shop) -> None:
    """A person attached it in Togai: the subscription is that schedule's."""
    plan, price = await shop.price()
    attach(plans.tandem, plan)
    before = plans.schedules()
    subscription = shop.started(price)
    done = one(await imported(plans.tandem, "subscriptions", subscription))

    assert (done.state, plans.schedules()) == ("succeeded", before)
    assert shop.pair(subscription).target.endswith(before[0]["id"])


async def left_out(shop: Shop, case: str) -> str:
    """A subscription that no plan can follow."""
    plan, price = await shop.price()
    if case == "unlinked":
        stranger = shop.tandem.customer(email="")
        return shop.started(price, customer=stranger)
    if case == "unmapped":
        product = shop.tandem.call("stripe", "POST", "/v1/products", data={"name": "Own"})["id"]
        data = {"product": product, "currency": "usd", "unit_amount": "500", "recurring[interval]": "month"}
        return shop.started(str(shop.tandem.call("stripe", "POST", "/v1/prices", data=data)["id"]))
    if case == "two_plans":
        return shop.started(price, (await shop.price("Other"))[1])
    if case == "twin":
        await imported(shop.tandem, "subscriptions", shop.started(price))
    if case == "other_plan":
        other, today = shop.plans.plan("Other"), datetime.now(UTC).date().isoformat()
        body = {"mode": "ASSOCIATE", "pricePlanId": other, "effectiveFrom": today, "effectiveUntil": "9999-01-01"}
        shop.tandem.call("togai", "POST", f"/accounts/{ACCOUNT}/price_plans", json=body)
    more = {"trialing": {"trial_period_days": "14"}, "quantity": {"items[0][quantity]": "3"}}.get(case, {})
    found = shop.started(price, **more)
    if case == "paused":
        shop.change(found, **{"pause_collection[behavior]": "void"})
    if case == "ending":
        shop.change(found, cancel_at_period_end="true")
    if case == "canceled":
        shop.tandem.call("stripe", "DELETE", f"/v1/subscriptions/{found}")
    if case in ("past_due", "incomplete"):
        shop.put(found, status=case)
    if case == "discounted":
        shop.put(found, discounted=True)
    return found


LEFT_OUT = ("trialing", "paused", "discounted", "past_due", "ending", "unlinked", "unmapped", "two_plans", "quantity",
            "twin", "other_plan", "canceled", "incomplete")  # fmt: skip


@pytest.mark.parametrize("case", LEFT_OUT)
async def test_what_no_plan_can_follow_is_left_out(case: str, plans: Plans, shop: Shop) -> None:
    """With the same reason in the preview and in the import; nothing is attached."""
    subscription = await left_out(shop, case)
    before = plans.schedules()
    judged = one(await imported(plans.tandem, "subscriptions", subscription, dry_run=True))
    done = one(await imported(plans.tandem, "subscriptions", subscription))
    kind = {"canceled": "not_running", "incomplete": "not_running"}.get(case, case)

    assert (judged.state, judged.verdict) == ("previewed", kind)
    assert (done.state, done.verdict) == ("skipped", kind)
    assert subscription in done.reason or case in ("other_plan", "twin")
    assert plans.schedules() == before


async def test_togai_bills_from_then_on_if_it_is_so_chosen(plans: Plans, shop: Shop) -> None:
    """In a second step alone, once: each subscription then ends on the day on which the plan begins."""
    _, price = await shop.price()
    subscription = shop.started(price)
    early = one(await imported(plans.tandem, "subscription-ends", subscription))
    await imported(plans.tandem, "subscriptions", subscription, billing="togai")
    before = shop.shown(subscription)["cancel_at_period_end"]
    judged = one(await imported(plans.tandem, "subscription-ends", subscription, dry_run=True))
    unchanged = shop.shown(subscription)["cancel_at_period_end"]
    done = one(await imported(plans.tandem, "subscription-ends", subscription))
    writes = plans.tandem.writes()
    again = one(await imported(plans.tandem, "subscription-ends", subscription))

    assert (early.state, before, unchanged) == ("skipped", False, False)
    assert (judged.state, judged.verdict) == ("previewed", "new")
    assert (done.state, shop.shown(subscription)["cancel_at_period_end"]) == ("succeeded", True)
    assert (again.state, plans.tandem.writes()) == ("in_sync", writes)


async def test_what_stripe_bills_on_does_not_end(plans: Plans, shop: Shop) -> None:
    """Until a person chooses otherwise: importing it again with that choice attaches nothing more."""
    _, price = await shop.price()
    subscription = shop.started(price)
    await imported(plans.tandem, "subscriptions", subscription)
    kept = one(await imported(plans.tandem, "subscription-ends", subscription))
    await imported(plans.tandem, "subscriptions", subscription, billing="togai")
    await imported(plans.tandem, "subscription-ends", subscription)

    assert (kept.state, "Stripe bills it on" in kept.reason) == ("skipped", True)
    assert len(plans.schedules()) == 1
    assert shop.shown(subscription)["cancel_at_period_end"] is True


@pytest.mark.parametrize("case", ["renewed", "no_schedule"])
async def test_none_ends_while_nobody_or_both_would_bill(case: str, plans: Plans, shop: Shop) -> None:
    """One that was renewed since, and one whose plan a person took off again."""
    _, price = await shop.price()
    subscription = shop.started(price)
    await imported(plans.tandem, "subscriptions", subscription, billing="togai")
    if case == "renewed":
        shop.put(subscription, period_end=int((datetime.now(UTC) + timedelta(days=70)).timestamp()))
    else:
        [schedule] = plans.schedules()
        body = {"mode": "DISASSOCIATE", "effectiveFrom": schedule["startDate"][:10], "effectiveUntil": "9999-01-01"}
        plans.tandem.call("togai", "POST", f"/accounts/{ACCOUNT}/price_plans", json=body)
    done = one(await imported(plans.tandem, "subscription-ends", subscription))

    assert (done.state, done.verdict) == ("skipped", case)
    assert shop.shown(subscription)["cancel_at_period_end"] is False


async def test_the_poller_of_schedules_sells_nothing_imported(plans: Plans, shop: Shop) -> None:
    """It finds the schedule that Tandem made; no link is made for it."""
    _, price = await shop.price()
    polled = Polled(plans.tandem)
    await polled.poll()
    await imported(plans.tandem, "subscriptions", shop.started(price))
    await polled.poll(2)

    assert plans.links() == []
