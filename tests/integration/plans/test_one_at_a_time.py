"""Two checkouts of one account: its plans are attached one after the other, and none is offered meanwhile."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest
from shared.domains.plans.togai import PlanAttached, offer_id
from shared.events.envelope import Envelope, timestamp
from shared.identity import Ref, source_of

from tests.integration.plans.conftest import ACCOUNT, Plans
from tests.integration.plans.test_links import active, offer
from tests.integration.plans.test_other_offers import link_of
from tests.integration.plans.test_polled import FOREVER, attach
from tests.integration.plans.test_second_api import die_at, paid_run, revived
from tests.stack.in_process import InProcess
from tests.stack.points import Died

ASSOCIATE = "accounts.associate_price_plan"
FOUND = "togai.price_plan.attached"


async def both(plans: Plans) -> tuple[str, str]:
    """Two plans that are offered to the account."""
    first, second = plans.plan("First"), plans.plan("Second")
    for plan in (first, second):
        await offer(plans, plan)
    return first, second


async def paid_at_once(plans: Plans, first: str, second: str) -> tuple[str, str]:
    """Both are paid before anything of it is known; Togai fails what would attach the first."""
    tandem = plans.tandem
    where = {"operation": ASSOCIATE, "account": tandem.accounts["togai"]["id"]}
    with tandem.control.fault(app="togai", kind="error_before", match=where):
        sessions = plans.pay(link_of(plans, first)), plans.pay(link_of(plans, second))
        await tandem.drain()
    return sessions


async def again(tandem: InProcess) -> None:
    """Whatever waits looks, and who waited for that looks after it."""
    for _ in range(2):
        await tandem.recheck()


async def test_a_second_checkout_waits_and_is_a_conflict_then(plans: Plans, tandem: InProcess) -> None:
    """While the first one is being attached nothing is written for it; then both plans are named."""
    first, second = await both(plans)
    _, other = await paid_at_once(plans, first, second)
    waiting, nothing = paid_run(tandem, other), plans.schedules()
    await again(tandem)
    late = paid_run(tandem, other)

    assert (waiting.state, "about to link" in waiting.reason, nothing) == ("parked", True, [])
    assert [found["pricePlanId"] for found in plans.schedules()] == [first]
    assert late.problem
    assert (late.problem.error, first in late.reason, second in late.reason) == ("Conflict", True, True)
    assert [found["totalAmount"] for found in plans.payments()] == [49]


async def test_a_conflict_lets_the_accounts_other_checkout_go_on(plans: Plans, tandem: InProcess) -> None:
    """A third plan is in the way of both; it ends, and the first payment was given back: the second one is attached."""
    first, second = await both(plans)
    one, other = await paid_at_once(plans, first, second)
    third = plans.plan("Third")
    attach(tandem, third)
    await again(tandem)
    refused = [paid_run(tandem, session) for session in (one, other)]
    refund(plans, one)
    end(plans)
    await again(tandem)

    assert [run.problem and run.problem.error for run in refused] == ["Conflict", "Conflict"]
    assert [third in run.reason for run in refused] == [True, True]
    assert [paid_run(tandem, session).state for session in (one, other)] == ["skipped", "succeeded"]
    assert [found["pricePlanId"] for found in plans.schedules()] == [second]
    assert [found["totalAmount"] for found in plans.payments()] == [49]


async def test_a_payment_given_back_lets_the_accounts_other_checkout_go_on(plans: Plans, tandem: InProcess) -> None:
    """What was begun for it is begun no more."""
    first, second = await both(plans)
    one, other = await paid_at_once(plans, first, second)
    refund(plans, one)
    await again(tandem)

    assert [paid_run(tandem, session).state for session in (one, other)] == ["skipped", "succeeded"]
    assert [found["pricePlanId"] for found in plans.schedules()] == [second]


async def test_a_plan_attached_before_its_payment_was_given_back_stays(plans: Plans, tandem: InProcess) -> None:
    """The worker died right after the call: it is linked, and nothing is counted."""
    plan = plans.plan()
    await offer(plans, plan)
    session = plans.pay(link_of(plans, plan))
    die_at(tandem, "call togai accounts.post", 1, "after")
    with pytest.raises(Died):
        await tandem.drain()
    where = {"operation": "accounts.pricing_schedules", "account": tandem.accounts["togai"]["id"]}
    with tandem.control.fault(app="togai", kind="error_before", match=where):
        await revived(tandem)
        refund(plans, session)
    await again(tandem)
    [schedule] = plans.schedules()

    assert paid_run(tandem, session).state == "succeeded"
    assert tandem.registry.mappings.of("attached").pair(schedule_ref(plans, schedule["id"])) is not None
    assert plans.payments() == []


@pytest.mark.parametrize(
    ("call", "phase"), [("stripe payment_links.retrieve", "before"), ("togai accounts.post", "before")]
)
async def test_a_payment_given_back_while_the_worker_was_dead_attaches_nothing(
    plans: Plans, tandem: InProcess, call: str, phase: str
) -> None:
    """The event comes again at once, and shows the payment as it was: also where another service has a step before."""
    plan = plans.plan()
    await offer(plans, plan)
    session = plans.pay(link_of(plans, plan))
    die_at(tandem, f"call {call}", 1, phase)
    with pytest.raises(Died):
        await tandem.drain()
    refund(plans, session)
    await revived(tandem)

    again = await offer(plans, plan)

    assert (paid_run(tandem, session).state, plans.schedules(), plans.payments()) == ("skipped", [], [])
    assert (again.state, len(active(plans))) == ("succeeded", 1)  # nothing is left of what was paid


async def test_a_payment_given_back_while_its_run_waits_attaches_nothing(plans: Plans, tandem: InProcess) -> None:
    """Stripe was away when the link was to be closed. A step of another service comes before the plan's."""
    plan = plans.plan()
    await offer(plans, plan)
    session = plans.pay(link_of(plans, plan))
    where = {"operation": "payment_links.retrieve", "account": tandem.accounts["stripe"]["id"]}
    with tandem.control.fault(app="stripe", kind="error_before", match=where):
        await tandem.drain()
    waiting = paid_run(tandem, session).state
    refund(plans, session)
    await tandem.recheck()

    assert (waiting, paid_run(tandem, session).state, plans.schedules()) == ("parked", "skipped", [])


def refund(plans: Plans, session: str) -> None:
    """A person gives the whole payment back in Stripe."""
    intent = plans.tandem.call("stripe", "GET", f"/v1/checkout/sessions/{session}")["payment_intent"]
    plans.tandem.call("stripe", "POST", "/v1/refunds", data={"payment_intent": intent})


def end(plans: Plans) -> None:
    """A person takes what the account has off it, in Togai's own pages."""
    since = plans.schedules()[0]["startDate"][:10]
    edit = {"mode": "DISASSOCIATE", "effectiveFrom": since, "effectiveUntil": FOREVER}
    plans.tandem.call("togai", "POST", f"/accounts/{ACCOUNT}/price_plans", json=edit)


def schedule_ref(plans: Plans, schedule: str) -> str:
    return str(Ref(plans.tandem.registry.connections["togai"].app_account, "schedule", schedule))


def found_by_poll(plans: Plans, plan: str) -> None:
    """What the poller of schedules tells of a plan that the account has."""
    [schedule] = plans.schedules()
    connection = plans.tandem.registry.connections["togai"]
    found = PlanAttached(plan_id=plan, account_id=ACCOUNT, schedule_id=schedule["id"])
    entity = Ref(connection.app_account, "offer", offer_id(plan, ACCOUNT))
    event = Envelope(
        id="tgp_found",
        source=source_of(connection.app_account),
        type=FOUND,
        subject=entity.id,
        time=timestamp(datetime.now(UTC)),
        appaccount=connection.app_account,
        connection=connection.id,
        aggregate=str(entity),
        origin="poll",
        data=msgspec.Raw(found.model_dump_json().encode()),
    )
    plans.tandem.deliver(event)


async def test_a_plan_that_is_being_attached_is_not_sold(plans: Plans, tandem: InProcess) -> None:
    """A poller finds it before Tandem has linked it, as where the worker died right after the call: it was paid."""
    await tandem.link("togai-attached-plan-to-stripe-payment-link")
    plan = plans.plan()
    await offer(plans, plan)
    plans.pay(link_of(plans, plan))
    die_at(tandem, "call togai accounts.post", 1, "after")
    with pytest.raises(Died):
        await tandem.drain()
    await tandem.restart()
    tandem.points.revive()
    later = [tandem._next.popleft() for _ in range(len(tandem._next))]
    found_by_poll(plans, plan)
    await tandem.work_off()
    [run], links = tandem.runs(event_type=FOUND), len(plans.links())
    tandem._next.extend(later)
    await revived(tandem)
    [after] = tandem.runs(event_type=FOUND)

    assert (run.state, "is attaching" in run.reason, links) == ("parked", True, 1)
    assert (after.state, "Tandem attached" in after.reason) == ("skipped", True)
    assert (len(plans.links()), len(plans.payments())) == (1, 1)


async def test_nothing_is_offered_while_a_plan_is_being_attached(plans: Plans, tandem: InProcess) -> None:
    """It could be paid, and not attached: the offer looks again, and finds the plan."""
    plan, other = plans.plan("Bought"), plans.plan("Other")
    await offer(plans, plan)
    where = {"operation": ASSOCIATE, "account": tandem.accounts["togai"]["id"]}
    with tandem.control.fault(app="togai", kind="error_before", match=where):
        plans.pay(link_of(plans, plan))
        await tandem.drain()
        waiting = await offer(plans, other)
    await tandem.recheck()
    await tandem.recheck()
    [late] = [run for run in tandem.runs() if run.id == waiting.id]

    assert (waiting.state, "is attaching" in waiting.reason) == ("parked", True)
    assert (late.state, plan in late.reason) == ("skipped", True)
    assert len(plans.links()) == 1
