"""Everything of plans without a webhook: the pollers alone find what was attached, paid, paid later, failed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from plan_sync.actions import IMPLEMENTATIONS
from shared.domains.plans import DOMAIN
from shared.domains.plans.flows import ATTACHED_TO_LINK
from shared.flows.runs import Run

from tests.contract.sandbox.tools import Control
from tests.integration.plans.conftest import ACCOUNT, Plans
from tests.stack.in_process import CUSTOMERS, InProcess, in_process
from tests.stack.polled import Polled

FOREVER = "9999-01-01"


@pytest.fixture
async def tandem(control: Control) -> AsyncIterator[InProcess]:
    """Both workers with keys of their own, so that nobody waits for a webhook, and one account in Togai."""
    services = (*CUSTOMERS, (DOMAIN, IMPLEMENTATIONS))
    keys = {"stripe_api_key": "sk_test_x", "togai_api_token": "x", "default_currency": "USD"}
    async with in_process(control, services=services, **keys) as made:
        made.account(ACCOUNT)
        yield made


@pytest.fixture
async def polled(tandem: InProcess) -> Polled:
    """Pollers that know what was there before."""
    made = Polled(tandem)
    await made.poll()
    return made


def attach(tandem: InProcess, plan: str, account: str = ACCOUNT) -> None:
    """A person attaches a plan in Togai's own pages."""
    today = datetime.now(UTC).date().isoformat()
    body = {"mode": "ASSOCIATE", "pricePlanId": plan, "effectiveFrom": today, "effectiveUntil": FOREVER}
    tandem.call("togai", "POST", f"/accounts/{account}/price_plans", json=body)


def attached_runs(tandem: InProcess) -> list[Run]:
    return [run for run in tandem.runs() if run.flow == ATTACHED_TO_LINK.id]


async def test_a_plan_attached_in_togai_is_sold_by_a_link(tandem: InProcess, plans: Plans, polled: Polled) -> None:
    """Found once; what is paid is counted, the account keeps the one schedule, and the link closes."""
    plan = plans.plan()
    attach(tandem, plan)
    await polled.poll(2)
    [run], [link] = attached_runs(tandem), plans.links()
    plans.pay(str(link["id"]))
    await polled.poll(2)

    assert run.state == "succeeded"
    assert [schedule["pricePlanId"] for schedule in plans.schedules()] == [plan]
    assert [payment["totalAmount"] for payment in plans.payments()] == [49]
    assert [found["active"] for found in plans.links()] == [False]
    assert len(attached_runs(tandem)) == 1


async def test_what_was_attached_before_is_not_sold(tandem: InProcess, plans: Plans) -> None:
    """Connecting an organization sells nothing to those who have a plan."""
    attach(tandem, plans.plan())
    await Polled(tandem).poll(3)

    assert (attached_runs(tandem), plans.links()) == ([], [])


async def test_an_offer_is_paid_and_attached(tandem: InProcess, plans: Plans, polled: Polled) -> None:
    """From offer to closed link; the schedule that Tandem made is found too, and sells nothing."""
    plan = plans.plan()
    plans.offer(plan)
    await tandem.work_off()
    [link] = plans.links()
    plans.pay(str(link["id"]))
    await polled.poll(3)
    [run] = attached_runs(tandem)

    assert [schedule["pricePlanId"] for schedule in plans.schedules()] == [plan]
    assert len(plans.payments()) == 1
    assert [found["active"] for found in plans.links()] == [False]
    assert (run.state, "Tandem attached" in run.reason) == ("skipped", True)


async def test_a_payment_that_comes_later_is_found(tandem: InProcess, plans: Plans, polled: Polled) -> None:
    """Nothing is attached until the money is there."""
    plan = plans.plan()
    plans.offer(plan)
    await tandem.work_off()
    session = plans.pay(str(plans.links()[0]["id"]), "unpaid")
    await polled.poll()
    before = plans.schedules()
    plans.resolve(session, "async_succeeded")
    await polled.poll()

    assert before == []
    assert [schedule["pricePlanId"] for schedule in plans.schedules()] == [plan]


async def test_a_payment_that_fails_later_is_found(tandem: InProcess, plans: Plans, polled: Polled) -> None:
    """Another link takes the place of the one that sells no more."""
    plans.offer(plans.plan())
    await tandem.work_off()
    session = plans.pay(str(plans.links()[0]["id"]), "unpaid")
    await polled.poll()
    plans.resolve(session, "async_failed")
    await polled.poll()

    assert plans.schedules() == []
    assert sorted(link["active"] for link in plans.links()) == [False, True]


async def test_a_plan_that_changes_is_found(tandem: InProcess, plans: Plans, polled: Polled) -> None:
    """Made, given a new version, archived: product and prices follow."""
    plan = plans.plan(rate="49")
    await polled.poll()
    first = [price["unit_amount"] for price in plans.prices() if price["active"]]
    plans.change(plan, rate="59")
    await polled.poll()
    second = [price["unit_amount"] for price in plans.prices() if price["active"]]
    tandem.call("togai", "DELETE", f"/price_plans/{plan}")
    await polled.poll()

    assert (first, second) == ([4900], [5900])
    assert [product["active"] for product in plans.products()] == [False]
