"""An active plan has a product with a price for each rate card; nothing is made twice, and nothing of a person's is
touched.
"""

from __future__ import annotations

from typing import Any

from tests.integration.plans.conftest import ACCOUNT, Plans
from tests.stack.in_process import InProcess
from tests.unit.plan_sync.rate_cards import details, fixed_fee, license, usage

Json = dict[str, Any]


def active(plans: Plans) -> dict[str, Json]:
    """The active prices, by the rate card that they name."""
    return {price["metadata"].get("togai_rate_card", ""): price for price in plans.prices()}


def post(tandem: InProcess, path: str, **params: str) -> Json:
    """What a person does in Stripe."""
    return dict(tandem.call("stripe", "POST", f"/v1/{path}", data=params))


def numbers(value: Any) -> Any:
    """Rates as Togai's JSON has them."""
    if isinstance(value, list):
        return [numbers(item) for item in value]
    if isinstance(value, dict):
        return {name: float(item) if name == "rate" else numbers(item) for name, item in value.items()}
    return value


def whole(plans: Plans) -> str:
    """A plan with a fee, licences, usage, and one thing that Stripe cannot express."""
    cards = details(fixed_fee({"USD": "49.5", "EUR": "45"}), license("units", factors={"USD": 1, "EUR": 2}),
                    usage("mixed", factors={"USD": 1, "EUR": 2}), currencies="USD EUR")  # fmt: skip
    cards["minimumCommitment"] = {
        "displayName": "At least", "rateValues": [{"currency": code, "rate": 9} for code in ("USD", "EUR")]
    }  # fmt: skip
    body = {"account": plans.organization, "name": "Whole", "details": numbers(cards)}
    return str(plans.tandem.control.call("POST", "/togai/price_plans", body)["id"])


async def test_every_rate_card_becomes_a_price(plans: Plans, tandem: InProcess) -> None:
    """In both currencies; usage by a meter of its own; the run says what is not expressed, and who bills usage."""
    plan = whole(plans)
    run = await plans.tell(plan, "created")
    prices, [product] = active(plans), plans.products()
    [meter] = tandem.call("stripe", "GET", "/v1/billing/meters")["data"]
    notes = [note for step in run.steps for note in step.notes]

    assert (run.state, product["id"], set(prices)) == (
        "succeeded", plan, {"addon.fee", "license:addon.seat", "usage:um.calls"})  # fmt: skip
    assert prices["addon.fee"]["recurring"]["interval"] == "month"
    assert prices["addon.fee"]["lookup_key"] == f"togai:{plan}:addon.fee"
    assert (prices["usage:um.calls"]["recurring"]["meter"], meter["event_name"]) == (meter["id"], "togai_um.calls")
    assert prices["usage:um.calls"]["metadata"]["billed_by"] == "togai"
    assert "Calls is billed by Togai: no usage is sent to Stripe" in notes
    assert "At least (minimum commitment): Stripe prices have no minimum, so Togai alone asks for it" in notes


async def test_the_same_event_again_makes_nothing(plans: Plans, tandem: InProcess) -> None:
    """Whatever event it is, and also after the process died; two plans share a meter."""
    plan = whole(plans)
    await plans.tell(plan, "created")
    before = plans.prices()
    await plans.tell(plan)
    await tandem.restart()
    run = await plans.tell(plan, "created")
    after = plans.prices()
    await plans.tell(whole(plans))

    assert (run.state, after) == ("in_sync", before)
    assert len(tandem.call("stripe", "GET", "/v1/billing/meters")["data"]) == 1


async def test_a_new_version_replaces_the_prices(plans: Plans, tandem: InProcess) -> None:
    """New prices take the lookup keys, the default moves, the old ones are archived, in whatever order events come."""
    plan = plans.plan(rate="10")
    await plans.tell(plan, "created")
    [first] = plans.prices()
    post(tandem, f"products/{plan}", default_price=first["id"])
    plans.change(plan, rate="12")
    await plans.tell(plan)
    await plans.tell(plan, "created")
    [second] = plans.prices()
    [product] = plans.products()
    old = tandem.call("stripe", "GET", f"/v1/prices/{first['id']}")

    assert (second["unit_amount"], second["lookup_key"]) == (1200, f"togai:{plan}:addon.sandbox.fee")
    assert (old["active"], old["lookup_key"], product["default_price"]) == (False, None, second["id"])


async def test_a_price_that_a_person_archived_is_not_revived(plans: Plans, tandem: InProcess) -> None:
    """Nor is another one made in its place, until the plan has a new version. A person's own price stays."""
    plan = plans.plan(rate="10")
    await plans.tell(plan, "created")
    [price] = plans.prices()
    post(tandem, f"prices/{price['id']}", active="false")
    own = post(tandem, "prices", product=plan, currency="usd", unit_amount="5")
    await plans.tell(plan)
    kept = [found["id"] for found in plans.prices()]
    plans.change(plan, rate="12")
    await plans.tell(plan)

    assert kept == [own["id"]]
    assert sorted(found["unit_amount"] for found in plans.prices()) == [5, 1200]


async def test_a_product_that_a_person_archived_is_left_alone(plans: Plans, tandem: InProcess) -> None:
    """The run says what to do."""
    plan = plans.plan(rate="10")
    await plans.tell(plan, "created")
    post(tandem, f"products/{plan}", active="false")
    plans.change(plan, rate="12")
    run = await plans.tell(plan)

    assert (run.state, f"--entity {plan}`" in run.reason) == ("skipped", True)
    assert [price["unit_amount"] for price in plans.prices()] == [1000]


async def test_an_archived_plan_sells_no_more(plans: Plans, tandem: InProcess) -> None:
    """Its product is archived and its open link closed; the same event again does nothing."""
    plan, other = plans.plan("Old"), plans.plan("Other")
    await plans.tell(plan, "created")
    plans.offer(plan)
    plans.offer(other)
    await tandem.drain()
    tandem.call("togai", "DELETE", f"/price_plans/{plan}")
    run = await plans.tell(plan)
    again = await plans.tell(plan)
    links = {link["metadata"]["togai_price_plan_id"]: link["active"] for link in plans.links()}

    assert (run.state, again.state) == ("succeeded", "in_sync")
    assert {product["id"]: product["active"] for product in plans.products()} == {plan: False, other: True}
    assert links == {plan: False, other: True}


async def test_a_plan_of_which_nothing_can_be_sold_makes_nothing(plans: Plans) -> None:
    """Not even a product: the run says why. A draft waits for its activation."""
    refused = plans.plan("Refused", rate="0.000000000000001")
    draft = plans.plan("Draft", active=False)
    first, second = await plans.tell(refused), await plans.tell(draft)

    assert (first.state, "has more decimals than Stripe takes" in first.reason) == ("skipped", True)
    assert (second.state, "is a draft" in second.reason) == ("skipped", True)
    assert (plans.products(), plans.prices()) == ([], [])


async def test_an_offer_and_the_catalog_share_product_and_one_time_price(plans: Plans, tandem: InProcess) -> None:
    """Whichever comes first: one price for a one-time fee, and the offer's first payment beside a recurring one."""
    once, monthly = plans.plan("Once", fee="ONE_TIME"), plans.plan("Monthly")
    for plan in (once, monthly):
        plans.offer(plan, ACCOUNT)
        await tandem.drain()
        await plans.tell(plan, "created")
    found = sorted((price["product"] == once, price["type"]) for price in plans.prices())

    assert found == [(False, "one_time"), (False, "recurring"), (True, "one_time")]
    assert len(plans.products()) == 2
