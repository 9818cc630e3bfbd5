"""Imported subscriptions, and a plain action, by Togai's second API: the same draft, the same care."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from shared.domains.flow import FlowStep

from tests.integration.plans.conftest import ACCOUNT, Plans
from tests.integration.plans.test_plain import own_flow, ran
from tests.integration.plans.test_second_api import EDIT, FINALIZE, FOREVER, counts, day, edit, put, rows
from tests.integration.plans.test_second_api import no_lease as no_lease
from tests.integration.plans.test_second_api import tandem as tandem
from tests.integration.plans.test_subscriptions import Shop, one
from tests.stack.imports import imported
from tests.stack.in_process import InProcess

IMPORT_FLOW, END_FLOW = "stripe-subscription-to-togai-plan", "stripe-subscription-end-with-period"


@pytest.fixture
async def shop(plans: Plans, tandem: InProcess) -> Shop:
    """Subscriptions whose plans are attached by the second API."""
    for flow in (IMPORT_FLOW, END_FLOW):
        await tandem.link(flow, api="v2")
    return Shop(plans)


async def test_a_subscription_becomes_a_plan_by_one_draft(tandem: InProcess, shop: Shop) -> None:
    """From the end of its period on, once; the subscription ends then if Togai is to bill."""
    plan, price = await shop.price()
    subscription = shop.started(price)
    judged = one(await imported(tandem, "subscriptions", subscription, dry_run=True))
    done = one(await imported(tandem, "subscriptions", subscription, billing="togai"))
    again = one(await imported(tandem, "subscriptions", subscription))
    ended = one(await imported(tandem, "subscription-ends", subscription))

    assert [run.state for run in (judged, done, again, ended)] == ["previewed", "succeeded", "in_sync", "succeeded"]
    assert rows(tandem) == [(plan, shop.period_end(subscription), FOREVER)]
    assert (counts(tandem)[EDIT], counts(tandem)[FINALIZE]) == (1, 1)


@pytest.mark.parametrize("kind", ["error_after", "cut_after"])
@pytest.mark.parametrize("operation", [EDIT, FINALIZE])
async def test_a_call_without_an_answer_attaches_once(operation: str, kind: str, tandem: InProcess, shop: Shop) -> None:
    """What was done is found, and finished."""
    plan, price = await shop.price()
    subscription, where = shop.started(price), {"operation": operation, "account": tandem.accounts["togai"]["id"]}
    with tandem.control.fault(app="togai", kind=kind, match=where, times=1) as fired:
        await imported(tandem, "subscriptions", subscription)
        struck = fired()
    await tandem.recheck()

    assert struck == 1
    assert (rows(tandem), rows(tandem, "DRAFT")) == ([(plan, shop.period_end(subscription), FOREVER)], [])


@pytest.mark.parametrize("case", ["other_plan", "draft"])
async def test_what_is_in_the_way_is_left_out(case: str, plans: Plans, tandem: InProcess, shop: Shop) -> None:
    """Another plan, and a draft of a person: the import leaves the subscription out and says why."""
    _, price = await shop.price()
    edit(tandem, put(plans.plan("Other", api="v2"), day(3)))
    if case == "other_plan":
        tandem.call("togai", "POST", f"/v2/accounts/{ACCOUNT}/finalize_schedules", json={})
    before = rows(tandem), rows(tandem, "DRAFT"), counts(tandem)[EDIT]
    run = one(await imported(tandem, "subscriptions", shop.started(price)))

    assert (run.state, run.verdict) == ("skipped", case)
    assert (case == "draft") == ("none of Tandem's" in run.reason)
    assert (rows(tandem), rows(tandem, "DRAFT"), counts(tandem)[EDIT]) == before


async def test_a_plain_action_associates_by_the_api_that_it_names(plans: Plans, tandem: InProcess) -> None:
    """From the wanted day on; who has it then keeps the schedule."""
    later = (datetime.now(UTC).date() + timedelta(days=3)).isoformat()
    given = {"account_id": ACCOUNT, "plan_id": "{{ trigger.plan_id }}", "since": later, "api": "v2"}
    await own_flow(tandem, FlowStep(id="plan", action="togai.account.associate_price_plan", input=given))
    plan = plans.plan(api="v2")
    first, second = await ran(plans, plan), await ran(plans, plan)

    assert (first.state, second.state) == ("succeeded", "in_sync")
    assert rows(tandem) == [(plan, later, FOREVER)]
    assert (counts(tandem)[EDIT], first.steps[0].output) == (1, second.steps[0].output)
