"""What an account had before it gets a plan by Togai's second API: it stays, or a dead letter names it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from plan_sync.actions import IMPLEMENTATIONS
from shared.domains.plans import DOMAIN

from tests.contract.sandbox.tools import Control
from tests.integration.plans.conftest import ACCOUNT, Plans
from tests.integration.plans.test_links import offer
from tests.integration.plans.test_other_offers import link_of
from tests.integration.plans.test_second_api import (
    DRAFTS,
    EDIT,
    FINALIZE,
    FOREVER,
    OPTIONED,
    counts,
    die_at,
    paid_run,
    revived,
    rows,
)
from tests.integration.plans.test_second_api import no_lease as no_lease
from tests.stack.console import answering, succeeded
from tests.stack.in_process import CUSTOMERS, InProcess, in_process
from tests.stack.points import Died

EAST, WEST = "Etc/GMT-14", "Etc/GMT+12"
"""Zones in which it is never the same day: what is attached in the west is over in the east."""


@pytest.fixture
async def tandem(control: Control) -> AsyncIterator[InProcess]:
    """Tandem of an organization in the far east, where Togai shows what a draft changes alone."""
    services = (*CUSTOMERS, (DOMAIN, IMPLEMENTATIONS))
    async with in_process(control, services=services, default_currency="USD", togai_time_zone=EAST) as made:
        made.account(ACCOUNT)
        for flow in OPTIONED:
            await made.link(flow, api="v2")
        await made.drain()
        with control.settings(togai_draft_list="changed", togai_time_zone=EAST):
            yield made


def today(zone: str) -> date:
    return datetime.now(ZoneInfo(zone)).date()


def past(plans: Plans) -> tuple[str, str, str]:
    """A person attaches a plan that ends before the paid one begins. From then on Togai takes any day."""
    plan, start, end = plans.plan("Past"), f"{today(WEST)}", f"{today(EAST)}"
    plans.tandem.control.call("PATCH", "/settings", {"togai_time_zone": WEST})
    body = {"mode": "ASSOCIATE", "pricePlanId": plan, "effectiveFrom": start, "effectiveUntil": end}
    plans.tandem.call("togai", "POST", f"/accounts/{ACCOUNT}/price_plans", json=body)
    return plan, start, end


async def offered(plans: Plans) -> str:
    plan = plans.plan(api="v2")
    await offer(plans, plan)
    return plan


@pytest.mark.parametrize("shown", DRAFTS)
@pytest.mark.parametrize("dies", [False, True])
async def test_what_is_attached_meanwhile_is_not_taken_back(
    dies: bool, shown: str, plans: Plans, tandem: InProcess
) -> None:
    """Our draft was begun before it: it is made again, whoever finalizes it."""
    plan, there = await offered(plans), list[tuple[str, str, str]]()
    tandem.control.call("PATCH", "/settings", {"togai_draft_list": shown})

    async def after_the_edit() -> None:
        tandem.before_write("v2.accounts.get", attaches)

    async def attaches() -> None:
        there.append(past(plans))

    session = plans.pay(link_of(plans, plan))
    if dies:
        die_at(tandem, "call togai v2.accounts.post", 1, "after")
        with pytest.raises(Died):
            await tandem.drain()
        await attaches()
        await revived(tandem)
    else:
        tandem.before_write("v2.accounts.post", after_the_edit)
        await tandem.drain()
        await tandem.recheck()  # a slow machine has parked it

    assert paid_run(tandem, session).state == "succeeded"
    assert rows(tandem) == [*there, (plan, f"{today(EAST)}", FOREVER)]
    assert (counts(tandem)[EDIT], counts(tandem)[FINALIZE]) == (2, 1)


async def test_what_is_lost_is_named(
    plans: Plans, tandem: InProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Changed between our last read and the finalize: the plan stays attached, a dead letter names what is gone, and
    its retry counts the payment.
    """
    plan, there = await offered(plans), list[tuple[str, str, str]]()

    async def before_the_edit() -> None:
        tandem.control.call("PATCH", "/settings", {"togai_time_zone": EAST})
        tandem.before_write("v2.accounts.post", before_the_finalize)

    async def before_the_finalize() -> None:
        tandem.control.call("PATCH", "/settings", {"togai_time_zone": WEST})
        edit = {"mode": "DISASSOCIATE", "effectiveFrom": there[0][1], "effectiveUntil": there[0][2]}
        tandem.call("togai", "POST", f"/v2/accounts/{ACCOUNT}/edit_schedules", json={"edits": [edit]})

    there.append(past(plans))
    tandem.before_write("v2.accounts.post", before_the_edit)
    plans.pay(link_of(plans, plan))
    await tandem.drain()
    [letter], before = tandem.letters(), plans.payments()
    with answering(tandem, tmp_path, monkeypatch) as console:
        await succeeded(console, "POST", f"/api/dead-letters/{letter.id}/retry")
    await tandem.drain()
    lost, start, end = there[0]

    assert (letter.problem.error, before) == ("ChangedMore", [])
    assert f"version 1 of price plan {lost} from {start} until {end}" in letter.problem.reason
    assert [found["totalAmount"] for found in plans.payments()] == [49]
    assert rows(tandem) == [(plan, f"{today(EAST)}", FOREVER)]
