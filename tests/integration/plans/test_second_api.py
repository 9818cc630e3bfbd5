"""Plans of Togai's second API: offered, paid and attached by one edit and one finalize, whoever dies in between."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from plan_sync.actions import IMPLEMENTATIONS
from shared.domains.plans import DOMAIN
from shared.flows.runs import Run
from shared.runtime import creating

from tests.contract.sandbox.tools import Control
from tests.integration.plans.conftest import ACCOUNT, Plans
from tests.integration.plans.test_links import active, offer
from tests.integration.plans.test_other_offers import link_of
from tests.integration.plans.test_polled import attach
from tests.stack.in_process import CUSTOMERS, InProcess, in_process
from tests.stack.points import Died, Point

PAID_FLOW, FOREVER = "stripe-checkout-to-togai-plan", "9999-01-01"
OPTIONED = (PAID_FLOW, "togai-plan-to-stripe-payment-link", "togai-plan-to-stripe-prices")
EDIT, FINALIZE = "v2.accounts.edit_schedules", "v2.accounts.finalize_schedules"
Json = dict[str, Any]


@pytest.fixture(autouse=True)
def no_lease(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a call that may be under way holds up is looked at again at once: none is."""
    monkeypatch.setattr(creating, "LEASE", 0.0)


@pytest.fixture
async def tandem(control: Control) -> AsyncIterator[InProcess]:
    """Both workers, with one account in Togai; plans are attached by the second API."""
    services = (*CUSTOMERS, (DOMAIN, IMPLEMENTATIONS))
    async with in_process(control, services=services, default_currency="USD") as made:
        for flow in OPTIONED:
            await made.link(flow, api="v2")
        made.account(ACCOUNT)
        await made.drain()
        yield made


DRAFTS = ("whole", "changed")


@pytest.fixture(params=DRAFTS)
def draft_list(request: pytest.FixtureRequest, control: Control) -> Iterator[str]:
    """Both things that Togai may show as a draft."""
    with control.settings(togai_draft_list=request.param):
        yield request.param


def day(days: int = 0) -> str:
    return (datetime.now(UTC).date() + timedelta(days=days)).isoformat()


def rows(tandem: InProcess, mode: str = "ACTIVE") -> list[tuple[str, str, str]]:
    """Plan, first and last day of what the account has, or has in its draft."""
    found = tandem.call("togai", "GET", f"/v2/accounts/{ACCOUNT}/schedules", params={"mode": mode})["data"]
    return [(row["pricePlanId"], row["startDate"][:10], row["endDate"][:10]) for row in found]


def put(plan: str, start: str, until: str = FOREVER) -> Json:
    """What a person's edit of a draft says."""
    config = {"pricePlanId": plan}
    return {"mode": "ASSOCIATE", "effectiveFrom": start, "effectiveUntil": until, "associationConfig": config}


def edit(tandem: InProcess, *edits: Json) -> None:
    """A person begins a draft in Togai's pages, or goes on with it."""
    tandem.call("togai", "POST", f"/v2/accounts/{ACCOUNT}/edit_schedules", json={"edits": list(edits)})


def counts(tandem: InProcess) -> dict[str, int]:
    """Calls of the second API, by operation."""
    found = tandem.control.call("GET", "/calls", account=tandem.accounts["togai"]["id"])["counts"]
    return {name: count for name, count in found.items() if name.startswith("v2.accounts")}


async def offered(plans: Plans, **more: Any) -> str:
    """A plan of the second API whose link is open."""
    plan = plans.plan(api="v2", **more)
    run = await offer(plans, plan)
    assert run.state == "succeeded", run.reason
    return plan


def paid_run(tandem: InProcess, session: str) -> Run:
    [run] = tandem.runs(f"stripe:test:{tandem.accounts['stripe']['id']}/checkout.session/{session}")
    return run


@pytest.mark.usefixtures("draft_list")
async def test_a_paid_plan_is_attached_by_one_edit_and_one_finalize(plans: Plans, tandem: InProcess) -> None:
    """The account has it from today on, what was paid is counted, the link closes; nothing is left as a draft."""
    plan = await offered(plans, rate="49.5")
    before = counts(tandem)
    plans.pay(link_of(plans, plan))
    await tandem.drain()
    made = {name: count - before.get(name, 0) for name, count in counts(tandem).items()}

    assert rows(tandem) == [(plan, day(), FOREVER)]
    assert rows(tandem, "DRAFT") == []
    assert made == {EDIT: 1, FINALIZE: 1, "v2.accounts.schedules": 5}
    assert [found["totalAmount"] for found in plans.payments()] == [49.5]
    assert active(plans) == []


async def test_a_plan_of_the_first_api_is_attached_by_the_second(plans: Plans, tandem: InProcess) -> None:
    """It is found there, for the second API does not know it."""
    plan = plans.plan()
    await offer(plans, plan)
    plans.pay(link_of(plans, plan))
    await tandem.drain()

    assert rows(tandem) == [(plan, day(), FOREVER)]
    assert counts(tandem)[EDIT] == 1


async def test_the_event_again_attaches_nothing(plans: Plans, tandem: InProcess) -> None:
    """Neither after a restart, nor paid a second time: the account has it already."""
    plan = await offered(plans)
    url = str(plans.links()[0]["url"])
    for session in [plans.visit(url), plans.visit(url)]:
        plans.resolve(session, "paid")
    await tandem.drain()
    await tandem.restart()
    for body in tandem.call("stripe", "GET", "/v1/events", params={"limit": 100})["data"]:
        if body["type"] == "checkout.session.completed":
            tandem.deliver(tandem.event_of(body))
    await tandem.drain()

    assert rows(tandem) == [(plan, day(), FOREVER)]
    assert (counts(tandem)[EDIT], counts(tandem)[FINALIZE]) == (1, 1)
    assert len(plans.payments()) == 2


def die_at(tandem: InProcess, label: str, number: int, phase: str) -> None:
    """The process dies at the so-manieth call of a label from now, once."""
    left = [number]

    def at(point: Point) -> None:
        if (point.label, point.phase) == (label, phase):
            left[0] -= 1
            if left[0] == 0:
                raise Died

    tandem.points.at = at


async def revived(tandem: InProcess) -> None:
    """Another process takes the place of one that died."""
    await tandem.restart()
    tandem.points.revive()
    await tandem.drain()
    await tandem.recheck()


@pytest.mark.usefixtures("draft_list")
@pytest.mark.parametrize("number", [1, 2])
async def test_a_death_after_a_write_leaves_one_schedule_and_no_draft(
    number: int, plans: Plans, tandem: InProcess
) -> None:
    """After the edit, and after the finalize: our own draft is found again and finished. The sweep has every call."""
    plan = await offered(plans)
    plans.pay(link_of(plans, plan))
    die_at(tandem, "call togai v2.accounts.post", number, "after")
    with pytest.raises(Died):
        await tandem.drain()
    await revived(tandem)

    assert (rows(tandem), rows(tandem, "DRAFT")) == ([(plan, day(), FOREVER)], [])
    assert (counts(tandem)[EDIT], counts(tandem)[FINALIZE]) == (1, 1)
    assert len(plans.payments()) == 1
    assert tandem.letters() == []


@pytest.mark.parametrize("kind", ["error_after", "cut_after", "error_before"])
@pytest.mark.parametrize("operation", [EDIT, FINALIZE])
async def test_a_call_without_an_answer_attaches_once(
    operation: str, kind: str, plans: Plans, tandem: InProcess
) -> None:
    """500 after the commit or before it, no answer: what was done is found, what was not is done."""
    plan = await offered(plans)
    where = {"operation": operation, "account": tandem.accounts["togai"]["id"]}
    with tandem.control.fault(app="togai", kind=kind, match=where, times=1) as fired:
        plans.pay(link_of(plans, plan))
        await tandem.drain()
        struck = fired()
    await tandem.recheck()

    assert struck == 1
    assert (rows(tandem), rows(tandem, "DRAFT")) == ([(plan, day(), FOREVER)], [])
    assert len(plans.payments()) == 1


@pytest.mark.usefixtures("draft_list")
async def test_a_draft_of_a_person_waits_for_a_person(plans: Plans, tandem: InProcess) -> None:
    """Nothing is edited; discarded, or finalized, the payment is attached."""
    plan, other = await offered(plans), plans.plan("Other", api="v2")
    edit(tandem, put(other, day(40), day(50)))
    drafted = rows(tandem, "DRAFT")
    session = plans.pay(link_of(plans, plan))
    await tandem.drain()
    waiting, meanwhile, edits = paid_run(tandem, session), rows(tandem, "DRAFT"), counts(tandem)[EDIT]
    tandem.call("togai", "DELETE", f"/v2/accounts/{ACCOUNT}/discard_schedules")
    await tandem.go_on_unchanged()  # no event of the checkout tells of it

    assert waiting.problem
    assert (waiting.problem.code, "draft" in waiting.reason) == ("draft", True)
    assert (meanwhile, edits) == (drafted, 1)
    assert rows(tandem) == [(plan, day(), FOREVER)]
    assert paid_run(tandem, session).state == "succeeded"


@pytest.mark.usefixtures("draft_list")
async def test_a_draft_that_a_person_goes_on_with_is_not_finalized(plans: Plans, tandem: InProcess) -> None:
    """It holds both edits then; discarded, ours is made again alone."""
    plan, other = await offered(plans), plans.plan("Other", api="v2")

    async def after_ours() -> None:
        tandem.before_write("v2.accounts.get", goes_on)

    async def goes_on() -> None:
        edit(tandem, put(other, day(10), day(20)))

    tandem.before_write("v2.accounts.post", after_ours)
    session = plans.pay(link_of(plans, plan))
    await tandem.drain()
    await tandem.recheck()
    waiting, drafted = paid_run(tandem, session), rows(tandem, "DRAFT")
    nothing = (rows(tandem), counts(tandem).get(FINALIZE, 0))
    tandem.call("togai", "DELETE", f"/v2/accounts/{ACCOUNT}/discard_schedules")
    await tandem.recheck()

    assert (waiting.state, "draft" in waiting.reason, nothing) == ("parked", True, ([], 0))
    assert [row[0] for row in drafted] == [plan, other, plan]
    assert (rows(tandem), rows(tandem, "DRAFT")) == ([(plan, day(), FOREVER)], [])


async def test_another_plan_is_a_conflict_that_names_both(plans: Plans, tandem: InProcess) -> None:
    """Nothing is replaced by itself; no draft is begun."""
    plan, other = await offered(plans), plans.plan("Other", api="v2")
    edit(tandem, put(other, day()))
    tandem.call("togai", "POST", f"/v2/accounts/{ACCOUNT}/finalize_schedules", json={})
    session = plans.pay(link_of(plans, plan))
    await tandem.drain()
    run = paid_run(tandem, session)

    assert run.problem
    assert (run.problem.error, plan in run.reason, other in run.reason) == ("Conflict", True, True)
    assert (rows(tandem), rows(tandem, "DRAFT")) == ([(other, day(), FOREVER)], [])


@pytest.mark.usefixtures("draft_list")
async def test_a_flow_link_that_replaces_lets_the_paid_plan_take_the_place(plans: Plans, tandem: InProcess) -> None:
    """From its first day on; what was before it stays."""
    plan, other = await offered(plans), plans.plan("Other", api="v2")
    await tandem.link(PAID_FLOW, api="v2", replace="on")
    edit(tandem, put(other, day()))
    tandem.call("togai", "POST", f"/v2/accounts/{ACCOUNT}/finalize_schedules", json={})
    with tandem.control.settings(togai_association_from="tomorrow"):
        session = plans.pay(link_of(plans, plan))
        await tandem.drain()

    assert paid_run(tandem, session).state == "succeeded"
    assert rows(tandem) == [(other, day(), day(1)), (plan, day(1), FOREVER)]


@pytest.mark.usefixtures("draft_list")
async def test_today_can_be_refused_when_it_is_finalized(plans: Plans, tandem: InProcess) -> None:
    """Our own draft gives way to one from tomorrow on."""
    plan = await offered(plans)
    where = {"operation": FINALIZE, "account": tandem.accounts["togai"]["id"]}
    with tandem.control.fault(app="togai", kind="error_before", status=400, match=where, times=1) as fired:
        plans.pay(link_of(plans, plan))
        await tandem.drain()
        struck = fired()

    assert struck == 1
    assert (rows(tandem), rows(tandem, "DRAFT")) == ([(plan, day(1), FOREVER)], [])
    assert len(plans.payments()) == 1


async def test_the_first_api_says_which_setting_a_plan_of_the_second_needs(plans: Plans, tandem: InProcess) -> None:
    """It is not offered, and what was paid waits; with the setting both go on."""
    plan, sold = plans.plan(api="v2"), await offered(plans)
    for flow in OPTIONED:
        await tandem.link(flow)
    refused = await offer(plans, plan)
    session = plans.pay(link_of(plans, sold))
    await tandem.drain()
    waiting = paid_run(tandem, session)
    for flow in OPTIONED:
        await tandem.link(flow, api="v2")
    await tandem.recheck()

    assert (refused.state, "api=v2" in refused.reason) == ("parked", True)
    assert (waiting.state, "api=v2" in waiting.reason) == ("parked", True)
    assert rows(tandem) == [(sold, day(), FOREVER)]


async def test_an_account_is_attached_one_plan_at_a_time(plans: Plans, tandem: InProcess) -> None:
    """It has one draft: who pays for another plan meanwhile waits, and replaces the first one then, as was chosen."""
    await tandem.link(PAID_FLOW, api="v2", replace="on")
    first, second = await offered(plans), await offered(plans)
    where = {"operation": EDIT, "account": tandem.accounts["togai"]["id"]}
    with tandem.control.fault(app="togai", kind="error_before", match=where):
        plans.pay(link_of(plans, first))
        await tandem.drain()
        tried = counts(tandem)[EDIT]
        other = plans.pay(link_of(plans, second))
        await tandem.drain()
        waiting, more = paid_run(tandem, other), counts(tandem)[EDIT] - tried
    await tandem.recheck()
    await tandem.recheck()

    assert ("about to link" in waiting.reason, more) == (True, 0)
    assert rows(tandem) == [(second, day(), FOREVER)]
    assert (counts(tandem)[FINALIZE], len(plans.payments())) == (2, 2)


async def test_a_draft_that_somebody_else_finalized_is_attached(plans: Plans, tandem: InProcess) -> None:
    """Ours is refused then, and the plan is there: not a second time from tomorrow on."""
    plan = await offered(plans)

    async def finalizes() -> None:
        tandem.call("togai", "POST", f"/v2/accounts/{ACCOUNT}/finalize_schedules", json={})

    async def after_ours() -> None:
        tandem.before_write("v2.accounts.post", finalizes)

    tandem.before_write("v2.accounts.post", after_ours)
    session = plans.pay(link_of(plans, plan))
    await tandem.drain()

    assert rows(tandem) == [(plan, day(), FOREVER)]
    assert (paid_run(tandem, session).state, counts(tandem)[EDIT]) == ("succeeded", 1)


async def test_an_account_that_has_the_plan_is_offered_it_no_more(plans: Plans, tandem: InProcess) -> None:
    """Nor another one: the second API shows what it has."""
    plan, other = await offered(plans), plans.plan("Other", api="v2")
    plans.pay(link_of(plans, plan))
    await tandem.drain()
    again, beside = await offer(plans, plan), await offer(plans, other)

    assert [(run.state, plan in run.reason) for run in (again, beside)] == [("skipped", True)] * 2


@pytest.mark.usefixtures("draft_list")
async def test_our_draft_goes_when_another_plan_became_a_conflict(plans: Plans, tandem: InProcess) -> None:
    """The worker died before the finalize: whoever finalizes it later would publish what nobody may attach."""
    plan, other = await offered(plans), plans.plan("Other")
    session = plans.pay(link_of(plans, plan))
    die_at(tandem, "call togai v2.accounts.post", 1, "after")
    with pytest.raises(Died):
        await tandem.drain()
    drafted = rows(tandem, "DRAFT")
    attach(tandem, other)
    await revived(tandem)
    run = paid_run(tandem, session)

    assert [row[0] for row in drafted] == [plan]
    assert run.problem
    assert (run.problem.error, "own draft" in run.reason, "discarded" in run.reason) == ("Conflict", True, True)
    assert (rows(tandem), rows(tandem, "DRAFT")) == ([(other, day(), FOREVER)], [])
    assert counts(tandem).get(FINALIZE, 0) == 0


@pytest.mark.usefixtures("draft_list")
async def test_a_draft_that_a_person_went_on_with_stays_at_a_conflict(plans: Plans, tandem: InProcess) -> None:
    """It is theirs as well."""
    plan, other = await offered(plans), plans.plan("Other")
    session = plans.pay(link_of(plans, plan))
    die_at(tandem, "call togai v2.accounts.post", 1, "after")
    with pytest.raises(Died):
        await tandem.drain()
    edit(tandem, put(other, day(10), day(20)))
    drafted = rows(tandem, "DRAFT")
    attach(tandem, other)
    await revived(tandem)
    run = paid_run(tandem, session)

    assert run.problem
    assert (run.problem.error, "discarded" in run.reason) == ("Conflict", False)
    assert rows(tandem, "DRAFT") == drafted
