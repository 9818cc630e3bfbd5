"""Subscriptions imported from the console: preview, report, and the second step that a person confirms."""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.plans.conftest import Plans
from tests.integration.plans.test_subscriptions import Shop
from tests.stack.console import Console
from tests.stack.imports import run_imports
from tests.stack.in_process import InProcess


@pytest.fixture
def console(tandem: InProcess, tmp_path: Path) -> Iterator[Console]:
    made = Console(tandem, tmp_path)
    yield made
    made.close()


async def post(console: Console, path: str, status: int = 202, **body: Any) -> dict[str, Any]:
    answer = await asyncio.to_thread(console.ask, "POST", path, json=body)
    assert answer.status_code == status, answer.text
    return dict(answer.json())


async def asked(tandem: InProcess, console: Console, path: str = "/api/imports", **body: Any) -> dict[str, Any]:
    """An import that a person asks for, when it has ended."""
    made = await post(console, path, **body)
    await run_imports(tandem)
    return dict((await asyncio.to_thread(console.ask, "GET", f"/api/imports/{made['id']}")).json())


async def rows(console: Console, import_id: str) -> dict[str, dict[str, str]]:
    answer = await asyncio.to_thread(console.ask, "GET", f"/api/imports/{import_id}/report")
    return {row["id"]: row for row in csv.DictReader(io.StringIO(answer.text, newline=""))}


async def test_an_import_of_subscriptions(tandem: InProcess, plans: Plans, console: Console) -> None:
    """Canceled ones are listed too; what is left out stands in the report, and a second import writes nothing."""
    shop = Shop(plans)
    _, price = await shop.price()
    good, trial, gone = shop.started(price), shop.started(price, trial_period_days="14"), shop.started(price)
    tandem.call("stripe", "DELETE", f"/v1/subscriptions/{gone}")
    payload = {"billing": "togai"}
    preview = await asked(tandem, console, kind="subscriptions", payload=payload | {"dry_run": True})
    unchanged = plans.schedules()
    found = await asked(tandem, console, kind="subscriptions", payload=payload)
    report, writes = await rows(console, found["id"]), tandem.writes()
    again = await asked(tandem, console, kind="subscriptions", payload=payload)

    assert (preview["new"], preview["conflicts"], unchanged) == (1, 2, [])
    assert (found["state"], found["listed"], found["linked"], found["left_out"]) == ("done", 3, 1, 2)
    assert found["options"] == {"billing": "togai"}
    assert {name: row["conflict"] for name, row in report.items()} == {trial: "trialing", gone: "not_running"}
    assert report[trial]["what_to_do"].startswith("wait until its trial has ended")
    assert (again["already"], tandem.writes()) == (1, writes)
    assert shop.shown(good)["cancel_at_period_end"] is False


async def test_the_second_step_is_confirmed(tandem: InProcess, plans: Plans, console: Console) -> None:
    """Without that it is a preview, or refused; it names none of what Stripe bills on."""
    shop = Shop(plans)
    _, price = await shop.price()
    subscription = shop.started(price)
    kept = await asked(tandem, console, kind="subscriptions")
    refused = await post(console, f"/api/imports/{kept['id']}/end", 409, confirmed=True)
    found = await asked(tandem, console, kind="subscriptions", payload={"billing": "togai"})
    unconfirmed = await post(console, f"/api/imports/{found['id']}/end", 400)
    page = await asyncio.to_thread(console.ask, "POST", f"/imports/{found['id']}/end", headers={"Accept": "text/html"})
    await run_imports(tandem)
    shown = await asyncio.to_thread(console.ask, "GET", "/imports", headers={"Accept": "text/html"})
    before = shop.shown(subscription)["cancel_at_period_end"]
    done = await asked(tandem, console, f"/api/imports/{found['id']}/end", confirmed=True)

    assert "tandem import subscriptions --billing togai" in refused["error"]["what_to_do"]
    assert "Stripe stops billing" in unconfirmed["error"]["message"]
    assert (page.status_code, before) == (200, False)
    assert 'name="confirmed"' in shown.text
    assert f'action="/imports/{found["id"]}/end"' in shown.text
    assert f'action="/imports/{kept["id"]}/end"' not in shown.text
    assert (done["kind"], done["linked"]) == ("subscription-ends", 1)
    assert shop.shown(subscription)["cancel_at_period_end"] is True


async def test_who_bills_is_chosen_of_subscriptions_alone(console: Console) -> None:
    """An import of customers has no such choice."""
    refused = await post(console, "/api/imports", 400, kind="customers", payload={"billing": "togai"})

    assert "billing" in refused["error"]["message"]


async def own_price(tandem: InProcess, **more: str) -> str:
    """A price that a person made in Stripe's dashboard."""
    product = tandem.call("stripe", "POST", "/v1/products", data={"name": "Own"})["id"]
    data = {"product": product, "currency": "usd", "unit_amount": "500"} | more
    return str(tandem.call("stripe", "POST", "/v1/prices", data=data)["id"])


async def test_a_price_that_was_there_is_called_that_of_a_plan(
    tandem: InProcess, plans: Plans, console: Console
) -> None:
    """By hand; its subscriptions can be imported then, and not any more once that is taken back."""
    shop, plan = Shop(plans), plans.plan()
    price = await own_price(tandem, **{"recurring[interval]": "month"})
    subscription = shop.started(price)
    card = f"{plan}:monthly"
    before = await asked(tandem, console, kind="subscriptions", payload={"dry_run": True})
    sides = {"togai": card, "stripe": price}
    await post(console, "/api/mappings/link", relation="price", sides=sides, reason="the same product")
    await tandem.work_off()
    after = await asked(tandem, console, kind="subscriptions", payload={"dry_run": True})
    found = await asyncio.to_thread(console.ask, "GET", "/api/mappings", params={"id": price})
    await post(console, "/api/mappings/unlink", id=price, reason="a mistake")
    await tandem.work_off()
    last = await asked(tandem, console, kind="subscriptions", payload={"dry_run": True})

    assert (before["new"], after["new"], last["new"]) == (0, 1, 0)
    assert [kind["name"] for kind in last["conflict_kinds"]] == ["unmapped"]
    assert {side["id"] for side in found.json()["items"][0]["sides"]} >= {card, price}
    assert shop.shown(subscription)["cancel_at_period_end"] is False


async def test_what_tandem_made_is_not_taken_from_its_plan(tandem: InProcess, plans: Plans, console: Console) -> None:
    """Nor is a price that is paid once, or one that nobody knows, called that of a plan."""
    shop = Shop(plans)
    plan, price = await shop.price()
    once = await own_price(tandem)
    await post(console, "/api/mappings/unlink", id=price, reason="x")
    for other in (once, "price_unknown"):
        await post(
            console, "/api/mappings/link", relation="price", sides={"togai": f"{plan}:own", "stripe": other}, reason="x"
        )
    await tandem.work_off()
    reasons = [run.reason for run in tandem.runs() if (run.flow, run.state) == ("prices-by-hand", "skipped")]

    assert ["stays" in reasons[0], "paid once" in reasons[1], "nothing was linked" in reasons[2]] == [True] * 3
    assert len(reasons) == 3
