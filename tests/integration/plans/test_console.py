"""Plans in the console: the list, one of them with prices and offers, and the same by command and on the page."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from console.domains.plans import cli as commands

from tests.integration.plans.conftest import ACCOUNT, Plans
from tests.integration.plans.test_catalog import whole
from tests.stack.console import Console, answering, succeeded
from tests.stack.in_process import InProcess

Json = dict[str, Any]


@pytest.fixture
def console(tandem: InProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Console]:
    """It answers the commands of this test, too."""
    with answering(tandem, tmp_path, monkeypatch) as made:
        yield made


async def ask(console: Console, path: str, **params: Any) -> Json:
    """A request that is expected to succeed."""
    return await succeeded(console, "GET", path, params=params)


async def command(*words: str) -> None:
    """As a person types it."""
    await asyncio.to_thread(typer.main.get_command(commands.app).main, list(words), standalone_mode=False)


async def offered(plans: Plans, plan: str, account: str = ACCOUNT) -> str:
    """Offer it; the link's id."""
    plans.offer(plan, account)
    await plans.tandem.drain()
    return next(str(link["id"]) for link in plans.links() if link["metadata"]["togai_price_plan_id"] == plan)


async def test_a_plan_with_its_prices_by_any_id(plans: Plans, tandem: InProcess, console: Console) -> None:
    """Both ids, the version's prices with amounts, what could not be expressed; by plan, product or price."""
    plan = whole(plans)
    await plans.tell(plan, "created")
    found = await ask(console, f"/api/plans/{plan}")
    by_price = await ask(console, f"/api/plans/{plans.prices()[0]['id']}")
    [version] = found["versions"]
    prices = {price["card"]: price for price in version["prices"]}

    assert by_price == found
    assert (found["id"], found["stripe_id"], found["state"], found["name"]) == (plan, plan, "active", "Whole")
    assert prices["addon.fee"]["amounts"] == {"USD": "49.50", "EUR": "45.00"}
    assert prices["addon.fee"]["interval"] == "month"
    assert {price["stripe_id"] for price in prices.values()} == {price["id"] for price in plans.prices()}
    assert (prices["usage:um.calls"]["meter"], prices["usage:um.calls"]["amounts"]) == ("um.calls", {})
    assert any("no minimum" in sentence for sentence in version["not_expressed"])
    assert len(found["sides"]) == 2


async def test_offers_links_and_associations(plans: Plans, tandem: InProcess, console: Console) -> None:
    """Each offer with its link and state; a paid one with the schedule and the payment in Togai."""
    plan = plans.plan(rate="49")
    tandem.account("other")
    await tandem.drain()
    paid, opened = await offered(plans, plan), await offered(plans, plan, "other")
    session = plans.pay(paid)
    await tandem.drain()
    found = await ask(console, f"/api/plans/{session}")
    offers = {offer["account"]: offer for offer in found["offered"]}
    [schedule], [payment], [one] = plans.schedules(), plans.payments(), found["associations"]

    assert {account: offer["state"] for account, offer in offers.items()} == {ACCOUNT: "paid", "other": "open"}
    assert [(link["id"], link["state"]) for link in offers[ACCOUNT]["links"]] == [(paid, "paid")]
    assert [(link["id"], link["state"]) for link in offers["other"]["links"]] == [(opened, "open")]
    assert (one["account"], one["schedule_id"], one["session_id"]) == (ACCOUNT, schedule["id"], session)
    assert (one["payment_id"], found["accounts"], found["open_offers"]) == (payment["id"], 1, 1)


async def test_a_link_is_closed_by_what_a_session_paid(plans: Plans, tandem: InProcess, console: Console) -> None:
    """Also while that payment is on its way: nobody is shown an address that sells no more."""
    plan = plans.plan()
    link = await offered(plans, plan)
    session = (await plans.ask_session(plan)).steps[0].output["session_id"]
    shown = []
    for outcome in ("unpaid", "async_succeeded"):
        plans.resolve(session, outcome)
        await tandem.drain()
        [offer] = (await ask(console, f"/api/plans/{plan}"))["offered"]
        shown.append((offer["state"], [(one["id"], one["state"]) for one in offer["links"]]))

    assert shown == [("confirming", [(link, "closed")]), ("paid", [(link, "closed")])]


async def test_paid_and_not_attached(plans: Plans, tandem: InProcess, console: Console) -> None:
    """The offer says so, and why."""
    first, second = plans.plan("First"), plans.plan("Second")
    links = [await offered(plans, first), await offered(plans, second)]
    for link in links:
        plans.pay(link)
    await tandem.drain()
    [offer] = (await ask(console, f"/api/plans/{second}"))["offered"]
    status = await ask(console, "/api/status")
    [problem] = status["not_attached"]

    assert (offer["state"], first in offer["reason"]) == ("not attached", True)
    assert (problem in status["problems"], status["healthy"]) == (True, False)
    assert all(text in problem for text in (ACCOUNT, "49.00 USD", second, "refund the payment in Stripe"))


async def test_paid_and_attached_after_all(plans: Plans, tandem: InProcess, console: Console) -> None:
    """The status says nothing of it any more."""
    first, second = plans.plan("First"), plans.plan("Second")
    for link in [await offered(plans, first), await offered(plans, second)]:
        plans.pay(link)
    await tandem.drain()
    before = await ask(console, "/api/status")
    since = plans.schedules()[0]["startDate"][:10]
    edit = {"mode": "DISASSOCIATE", "effectiveFrom": since, "effectiveUntil": "9999-01-01"}
    tandem.call("togai", "POST", f"/accounts/{ACCOUNT}/price_plans", json=edit)
    await tandem.recheck()
    after = await ask(console, "/api/status")

    assert (len(before["not_attached"]), after["not_attached"]) == (1, [])


async def test_states_of_the_list(plans: Plans, tandem: InProcess, console: Console) -> None:
    """Active, archived, not sold; narrowed to each, and page by page."""
    active, gone = plans.plan("Active"), plans.plan("Gone")
    draft = plans.plan("Draft", active=False)
    for plan in (active, gone, draft):
        await plans.tell(plan, "created")
    await offered(plans, gone)
    tandem.call("togai", "DELETE", f"/price_plans/{gone}")
    await plans.tell(gone)
    found = {item["id"]: item for item in (await ask(console, "/api/plans"))["items"]}
    first = await ask(console, "/api/plans", limit=2)
    rest = await ask(console, "/api/plans", limit=2, cursor=first["next_cursor"])
    [offer] = (await ask(console, f"/api/plans/{gone}"))["offered"]
    wrong = await asyncio.to_thread(console.ask, "GET", "/api/plans?state=lost")
    unknown = await asyncio.to_thread(console.ask, "GET", "/api/plans/pp.nowhere")

    assert {name: item["state"] for name, item in found.items()} == {
        active: "active", gone: "archived", draft: "not sold"}  # fmt: skip
    assert "is a draft" in found[draft]["reason"]
    assert [item["id"] for item in (await ask(console, "/api/plans", state="archived"))["items"]] == [gone]
    assert [item["id"] for item in [*first["items"], *rest["items"]]] == [gone, draft, active]
    assert (offer["state"], [link["state"] for link in offer["links"]]) == ("closed", ["closed"])
    assert (wrong.status_code, unknown.status_code) == (400, 404)


async def test_versions_stand_beside_each_other(plans: Plans, tandem: InProcess, console: Console) -> None:
    """The newest first; the former prices are shown as archived."""
    plan = plans.plan(rate="10")
    await plans.tell(plan, "created")
    plans.change(plan, rate="12")
    await plans.tell(plan)
    found = await ask(console, f"/api/plans/{plan}")
    shown = [(v["version"], [(p["amounts"]["USD"], p["retired"]) for p in v["prices"]]) for v in found["versions"]]

    assert shown == [(2, [("12.00", False)]), (1, [("10.00", True)])]
    assert found["version"] == 2


async def test_the_command_and_the_page(
    plans: Plans,
    tandem: InProcess,
    console: Console,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As a person reads them."""
    monkeypatch.setenv("COLUMNS", "250")
    plan = plans.plan(rate="49.5")
    link = await offered(plans, plan)
    await command("list")
    listed = capsys.readouterr().out
    await command("show", link)
    shown = capsys.readouterr().out
    page = await asyncio.to_thread(console.ask, "GET", "/plans")
    one = await asyncio.to_thread(console.ask, "GET", f"/plans?id={plan}")

    assert all(text in listed for text in (plan, "Starter", "active", "1 open"))
    assert all(text in shown for text in (plan, link, "49.5 USD", ACCOUNT, plans.prices()[0]["id"]))
    assert (page.status_code, plan in page.text) == (200, True)
    assert all(text in one.text for text in (link, "49.5 USD", plans.links()[0]["url"].split("?")[0]))
