"""Plain actions in a flow of one's own: each does the vendor's operation once, whoever dies, however late it is."""

from __future__ import annotations

import json
import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from shared.apps.stripe.app import Stripe
from shared.apps.togai.webhooks import togai_event
from shared.domains import subject_of
from shared.domains.flow import Flow, FlowStep
from shared.flows.runs import Run

from tests.integration.plans.conftest import ACCOUNT, Plans
from tests.stack.in_process import InProcess


async def own_flow(tandem: InProcess, *steps: FlowStep) -> None:
    """A person's flow at a new price plan, linked."""
    flow = Flow(id="own", title="Own", direction="outbound", trigger="togai.price_plan.created", steps=steps)
    await tandem.log.append(tandem.topics.flows, flow.id, flow.model_dump_json().encode())
    await tandem.link(flow.id)


async def ran(plans: Plans, plan: str) -> Run:
    """The run of the flow at an event of a plan."""
    tandem, body = plans.tandem, json.dumps({"payload": {"id": plan}}).encode()
    known: Any = {"event_id": f"tgi_{secrets.token_hex(8)}", "now": datetime.now(UTC), "subject_of": subject_of}
    tandem.deliver(togai_event("price_plan.created", body, tandem.registry.connections["togai"], **known))
    await tandem.drain()
    return [run for run in tandem.runs() if run.flow == "own"][-1]


PRODUCT = FlowStep(
    id="product", action="stripe.product.add", input={"name": "{{ trigger.plan_id }}", "metadata": {"mine": "1"}}
)
PRICE = FlowStep(
    id="price",
    action="stripe.price.add",
    input={
        "product_id": "{{ steps.product.product_id }}", "currency": "USD", "amount": "4.5", "interval": "month",
    },
)  # fmt: skip
LINK = FlowStep(
    id="link",
    action="stripe.payment_link.add",
    input={"price_id": "{{ steps.price.price_id }}", "single_use": True},
)
CLOSE = FlowStep(
    id="close", action="stripe.payment_link.close", input={"payment_link": "{{ steps.link.payment_link }}"}
)


def own(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [row for row in rows if "tandem_step" in row["metadata"]]


async def test_a_product_a_price_and_a_link_are_made_and_the_link_is_closed(plans: Plans, tandem: InProcess) -> None:
    """As the flow says, one after the other."""
    await own_flow(tandem, PRODUCT, PRICE, LINK, CLOSE)
    plan = plans.plan()
    run = await ran(plans, plan)
    [product], [price], [link] = own(plans.products()), own(plans.prices()), own(plans.links())

    assert run.state == "succeeded"
    assert (product["name"], product["metadata"]["mine"]) == (plan, "1")
    assert (price["unit_amount"], price["recurring"]["interval"], price["product"]) == (450, "month", product["id"])
    assert (link["active"], link["restrictions"]["completed_sessions"]["limit"]) == (False, 1)


@pytest.mark.parametrize("forgotten", [False, True])
@pytest.mark.parametrize("operation", ["products.create", "prices.create", "payment_links.create"])
async def test_a_step_that_is_sent_again_makes_nothing_twice(
    operation: str, forgotten: bool, plans: Plans, tandem: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No answer came, though it was made: sent again under the same key, or found if Stripe may have forgotten it."""
    if forgotten:
        monkeypatch.setattr(Stripe, "keys_kept_for", timedelta())
    await own_flow(tandem, PRODUCT, PRICE, LINK)
    plan = plans.plan()
    where = {"operation": operation, "account": tandem.accounts["stripe"]["id"]}
    await tandem.link("togai-plan-to-stripe-prices", enabled=False)
    with tandem.control.fault(app="stripe", kind="cut_after", match=where, times=1) as fired:
        await ran(plans, plan)
        struck = fired()
    await tandem.recheck()  # a slow machine has parked it
    [run] = [run for run in tandem.runs() if run.flow == "own"]

    assert (run.state, struck) == ("succeeded", 1)
    assert (len(own(plans.products())), len(own(plans.prices())), len(own(plans.links()))) == (1, 1, 1)


async def test_subscriptions_are_listed(plans: Plans, tandem: InProcess) -> None:
    """Those of a price, with when their periods end."""
    [customer] = tandem.customers()
    product = tandem.call("stripe", "POST", "/v1/products", data={"name": "Own"})["id"]
    data = {"product": product, "currency": "usd", "unit_amount": "500", "recurring[interval]": "month"}
    price = tandem.call("stripe", "POST", "/v1/prices", data=data)["id"]
    made = tandem.call(
        "stripe", "POST", "/v1/subscriptions", data={"customer": customer["id"], "items[0][price]": price}
    )
    await own_flow(tandem, FlowStep(id="all", action="stripe.subscription.list", input={"price_id": price}))
    run = await ran(plans, plans.plan())
    [shown] = run.steps[0].output["subscriptions"]

    assert (shown["subscription_id"], shown["price_ids"]) == (made["id"], [price])
    assert shown["period_end"] == made["items"]["data"][0]["current_period_end"]
    assert run.steps[0].output["more"] is False


async def test_a_plan_is_associated_once(plans: Plans, tandem: InProcess) -> None:
    """From the wanted day on; who has it then keeps the schedule."""
    day = (datetime.now(UTC).date() + timedelta(days=3)).isoformat()
    given = {"account_id": ACCOUNT, "plan_id": "{{ trigger.plan_id }}", "since": day}
    await own_flow(tandem, FlowStep(id="plan", action="togai.account.associate_price_plan", input=given))
    plan = plans.plan()
    first, second = await ran(plans, plan), await ran(plans, plan)
    [schedule] = plans.schedules()

    assert (first.state, second.state) == ("succeeded", "in_sync")
    assert (schedule["pricePlanId"], schedule["startDate"][:10]) == (plan, day)
    assert first.steps[0].output == second.steps[0].output
