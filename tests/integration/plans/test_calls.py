"""What an offer and its checkout cost in calls to both vendors, each further one with its reason."""

from __future__ import annotations

from collections import Counter

from tests.integration.customers.test_calls import calls, cost
from tests.integration.plans.conftest import Plans
from tests.integration.plans.test_other_offers import OFFER_FLOW, PAID_FLOW, link_of
from tests.stack.in_process import InProcess

READ = {
    # What is sold, and in which currency to whom.
    "togai price_plans.retrieve": 1,
    "togai accounts.retrieve": 1,
    # The e-mail address that the page shows: the account itself has none.
    "togai customers.retrieve": 1,
    # What could not be attached beside what the account has must not be paid for.
    "togai accounts.pricing_schedules": 1,
    # What stands in the account's Settings may be a person's.
    "togai settings.retrieve": 1,
}
"""What is read for every offer."""
MADE = {"stripe payment_links.create": 1, "togai settings.create": 1}
CLOSED = {
    # A link of ours closes by itself once it is paid; one of another kind, or of an earlier version, does not.
    "stripe payment_links.retrieve": 1,
}
COUNTED = {"togai payments.create": 1}
OF_THE_FIRST_API = ("togai price_plans.retrieve", "togai accounts.pricing_schedules")
READ_BY_SECOND = {name: count for name, count in READ.items() if name not in OF_THE_FIRST_API} | {
    # The second API shows a version without its rate cards.
    "togai v2.price_plans.retrieve": 1,
    "togai v2.price_plans.rate_cards": 1,
    "togai v2.accounts.schedules": 1,
}


async def test_the_first_offer_of_a_plan(plans: Plans, tandem: InProcess) -> None:
    """One of each: product, price, link and setting; the same again makes nothing, and looks at the link."""
    plan = plans.plan()
    plans.offer(plan)
    first = await cost(tandem)
    plans.offer(plan)

    assert first == {**READ, **MADE, "stripe products.create": 1, "stripe prices.create": 1}
    assert await cost(tandem) == {**READ, "stripe payment_links.retrieve": 1}


async def test_an_offer_to_a_second_account(plans: Plans, tandem: InProcess) -> None:
    """Product and price are known: a link and a setting."""
    plan = plans.plan()
    plans.offer(plan)
    tandem.account("beside")
    await tandem.drain()
    plans.offer(plan, "beside")

    assert await cost(tandem) == {**READ, **MADE}


async def test_the_offer_of_a_second_plan(plans: Plans, tandem: InProcess) -> None:
    """The Settings name the link of the first: one call tells that it is Tandem's own, however many links there are."""
    for name in ("First", "Second"):
        tandem.account(name)
        plans.offer(plans.plan(name), name)
    plans.offer(plans.plan("Before"))
    await tandem.drain()
    plans.offer(plans.plan("After"))
    made = Counter(READ) + Counter({"stripe payment_links.create": 1, "togai settings.update": 1})

    assert await cost(tandem) == made + Counter(
        {"stripe products.create": 1, "stripe prices.create": 1, "stripe payment_links.retrieve": 1}
    )


async def test_a_plan_of_the_catalog(plans: Plans, tandem: InProcess) -> None:
    """A product and a price; both may be there before Tandem's claim."""
    before = calls(tandem)
    await plans.tell(plans.plan(), "created")

    assert calls(tandem) - before == {
        "togai price_plans.retrieve": 1,
        "stripe products.create": 1,
        "stripe prices.create": 1,
        # A new version archives what it replaces, and moves the default price.
        "stripe products.retrieve": 1,
        "stripe prices.list": 1,
    }


async def test_a_session(plans: Plans, tandem: InProcess) -> None:
    """It asks for what the link asks for, which must be open."""
    plan = plans.plan()
    plans.offer(plan)
    await tandem.drain()
    before = calls(tandem)
    await plans.ask_session(plan)

    assert calls(tandem) - before == {
        "stripe payment_links.retrieve": 1,
        "stripe payment_links.list_line_items": 1,
        "stripe checkout_sessions.create": 1,
    }


async def test_a_checkout_by_the_first_api(plans: Plans, tandem: InProcess) -> None:
    """One read and one write at Togai, beside the payment."""
    plan = plans.plan()
    plans.offer(plan)
    await tandem.drain()
    plans.pay(link_of(plans, plan))

    assert await cost(tandem) == {
        **CLOSED,
        **COUNTED,
        "togai accounts.pricing_schedules": 1,
        "togai accounts.associate_price_plan": 1,
    }


async def test_a_checkout_by_the_second_api(plans: Plans, tandem: InProcess) -> None:
    """One edit and one finalize. Schedules and draft are read before each of both, and once afterwards: there is one
    draft for people and Tandem, and a finalize replaces what stands there (decision 0030).
    """
    for flow in (OFFER_FLOW, PAID_FLOW):
        await tandem.link(flow, api="v2")
    plan = plans.plan(api="v2")
    plans.offer(plan)
    offered = await cost(tandem)
    plans.pay(link_of(plans, plan))

    assert offered - Counter(MADE) == {
        **READ_BY_SECOND,
        "stripe products.create": 1,
        "stripe prices.create": 1,
    }
    assert await cost(tandem) == {
        **CLOSED,
        **COUNTED,
        "togai v2.accounts.schedules": 5,
        "togai v2.accounts.edit_schedules": 1,
        "togai v2.accounts.finalize_schedules": 1,
    }
