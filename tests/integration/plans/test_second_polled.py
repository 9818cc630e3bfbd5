"""Plans of Togai's second API without a webhook: the pollers alone find what changed and what was attached."""

from __future__ import annotations

import pytest

from tests.integration.plans.conftest import ACCOUNT, Plans
from tests.integration.plans.test_polled import attach, attached_runs
from tests.integration.plans.test_polled import tandem as tandem
from tests.integration.plans.test_second_catalog import archive, finalize
from tests.stack.in_process import InProcess
from tests.stack.polled import Polled

FOREVER = "9999-01-01"
OPTIONED = (
    "togai-plan-to-stripe-prices", "togai-plan-to-stripe-payment-link", "stripe-checkout-to-togai-plan",
    "togai-attached-plan-to-stripe-payment-link",
)  # fmt: skip


@pytest.fixture
async def polled(tandem: InProcess) -> Polled:
    """Pollers that know what was there before; every flow link asks the second API."""
    for flow in OPTIONED:
        await tandem.link(flow, api="v2")
    made = Polled(tandem)
    await made.poll()
    return made


async def test_a_plan_that_changes_is_found_without_a_webhook(plans: Plans, polled: Polled) -> None:
    """Activated, given a new version, archived; a draft makes no event."""
    plan = plans.plan(api="v2", rate="49", active=False)
    await polled.poll()
    drafted = len(plans.tandem.runs())
    finalize(plans, plan)
    await polled.poll()
    first = [price["unit_amount"] for price in plans.prices() if price["active"]]
    plans.change(plan, rate="59", active=False)
    await polled.poll()
    finalize(plans, plan)
    await polled.poll()
    second = [price["unit_amount"] for price in plans.prices() if price["active"]]
    archive(plans, plan)
    await polled.poll()

    assert drafted == len([run for run in plans.tandem.runs() if "price_plan" not in run.event_type])
    assert (first, second) == ([4900], [5900])
    assert [product["active"] for product in plans.products()] == [False]


async def test_what_tandem_attached_starts_no_offer(tandem: InProcess, plans: Plans, polled: Polled) -> None:
    """An offer is paid and attached by the second API, whose poller finds the schedule."""
    plan = plans.plan(api="v2")
    plans.offer(plan)
    await tandem.work_off()
    [link] = plans.links()
    plans.pay(str(link["id"]))
    await polled.poll(3)
    [run] = attached_runs(tandem)

    assert [schedule["pricePlanId"] for schedule in plans.schedules()] == [plan]
    assert (run.state, "Tandem attached" in run.reason) == ("skipped", True)
    assert len(plans.links()) == 1


async def test_what_a_person_attached_is_sold(tandem: InProcess, plans: Plans, polled: Polled) -> None:
    """By either API; what is only drafted is not. The poller reads the second API alone."""
    first, second, drafted = plans.plan(), plans.plan(api="v2"), plans.plan(api="v2")
    tandem.account("beside")
    tandem.account("third")
    await polled.poll()
    attach(tandem, first)
    for account, plan in (("beside", second), ("third", drafted)):
        config = {"pricePlanId": plan}
        edit = {"mode": "ASSOCIATE", "effectiveFrom": "2999-01-01", "effectiveUntil": FOREVER,
                "associationConfig": config}  # fmt: skip
        tandem.call("togai", "POST", f"/v2/accounts/{account}/edit_schedules", json={"edits": [edit]})
    tandem.call("togai", "POST", "/v2/accounts/beside/finalize_schedules", json={})
    await polled.poll(2)
    counts = tandem.control.call("GET", "/calls", account=plans.organization)["counts"]

    assert {run.aggregate.rpartition("/")[2] for run in attached_runs(tandem)} == {
        f"{first}~{ACCOUNT}", f"{second}~beside"}  # fmt: skip
    assert len(plans.links()) == 2
    assert "accounts.pricing_schedules" not in counts
