"""Price plans of Togai's second API in Stripe: whichever API the flow link asks first, by webhook and by poller."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.plans.conftest import Plans
from tests.integration.plans.test_catalog import active, numbers
from tests.integration.plans.test_console import command
from tests.integration.plans.test_links import offer
from tests.stack.console import Console, answering, succeeded
from tests.stack.in_process import InProcess
from tests.unit.plan_sync.rate_cards import details, fixed_fee, license, usage

PRICES_FLOW = "togai-plan-to-stripe-prices"


@pytest.fixture
def console(tandem: InProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Console]:
    """It answers the commands of this test, too."""
    with answering(tandem, tmp_path, monkeypatch) as made:
        yield made


def whole(plans: Plans, **more: Any) -> str:
    """A plan of the second API with a fee, licences, usage, and one thing that Stripe cannot express."""
    cards = details(fixed_fee({"USD": "49.5", "EUR": "45"}), license("units", factors={"USD": 1, "EUR": 2}),
                    usage("mixed", factors={"USD": 1, "EUR": 2}), currencies="USD EUR")  # fmt: skip
    cards["minimumCommitment"] = {
        "displayName": "At least", "rateValues": [{"currency": code, "rate": 9} for code in ("USD", "EUR")]
    }  # fmt: skip
    body = {"account": plans.organization, "name": "Whole", "api": "v2", "details": numbers(cards)} | more
    return str(plans.tandem.control.call("POST", "/togai/price_plans", body)["id"])


def archive(plans: Plans, plan: str) -> None:
    """A person archives it in Togai's pages."""
    plans.tandem.control.call("POST", "/togai/archive", {"account": plans.organization, "price_plan": plan})


def finalize(plans: Plans, plan: str) -> None:
    plans.tandem.call("togai", "POST", f"/v2/price_plans/{plan}/finalize", json={})


@pytest.mark.parametrize("api", ["v1", "v2"])
async def test_every_rate_card_becomes_a_price(api: str, plans: Plans, tandem: InProcess) -> None:
    """In both currencies, as those of the first API; the run says what is not expressed."""
    await tandem.link(PRICES_FLOW, api=api)
    plan = whole(plans)
    run = await plans.tell(plan, "created")
    prices, [product] = active(plans), plans.products()
    notes = [note for step in run.steps for note in step.notes]

    assert (run.state, product["id"], product["name"], set(prices)) == (
        "succeeded", plan, "Whole", {"addon.fee", "license:addon.seat", "usage:um.calls"})  # fmt: skip
    assert (prices["addon.fee"]["unit_amount"], prices["addon.fee"]["recurring"]["interval"]) == (4500, "month")
    assert prices["usage:um.calls"]["metadata"]["billed_by"] == "togai"
    assert "At least (minimum commitment): Stripe prices have no minimum, so Togai alone asks for it" in notes


async def test_a_plan_is_sold_from_its_activation_until_it_is_archived(plans: Plans, tandem: InProcess) -> None:
    """A draft is skipped; a new version replaces the prices; the archive takes product and prices away."""
    plan = plans.plan(api="v2", rate="10", active=False)
    draft = await plans.tell(plan, "created")
    finalize(plans, plan)
    first = await plans.tell(plan)
    plans.change(plan, rate="12")
    second = await plans.tell(plan)
    sold = [price["unit_amount"] for price in plans.prices()]
    archive(plans, plan)
    gone = await plans.tell(plan)
    [product] = plans.products()

    assert (draft.state, "draft" in draft.reason) == ("skipped", True)
    assert [run.state for run in (first, second, gone)] == ["succeeded"] * 3
    assert sold == [1200]
    assert product["active"] is False


async def test_a_draft_of_the_next_version_changes_no_price(plans: Plans, tandem: InProcess) -> None:
    """Togai lists its rate cards in place of the active ones: nothing of it is sold, also not by an offer."""
    plan = plans.plan(api="v2", rate="10")
    await plans.tell(plan)
    plans.change(plan, rate="12", active=False)
    await tandem.link("togai-plan-to-stripe-payment-link", api="v2")
    waiting, offered = await plans.tell(plan), await offer(plans, plan)
    before = [price["unit_amount"] for price in plans.prices() if price["active"]]
    finalize(plans, plan)
    await plans.tell(plan)
    await tandem.recheck()
    after = {price["unit_amount"] for price in plans.prices() if price["active"]}

    assert [(run.state, "draft of its next version" in run.reason) for run in (waiting, offered)] == [
        ("parked", True)
    ] * 2  # fmt: skip
    assert (before, after) == ([1000], {1200})
    assert [link["active"] for link in plans.links()] == [True]


async def test_it_is_listed_and_shown(plans: Plans, console: Console, capsys: pytest.CaptureFixture[str]) -> None:
    """By API, on the page and by command, as a plan of the first API."""
    plan = whole(plans)
    await plans.tell(plan, "created")
    found = await succeeded(console, "GET", f"/api/plans/{plan}")
    [item] = (await succeeded(console, "GET", "/api/plans"))["items"]
    page = console.ask("GET", "/plans").text
    await command("show", plan)
    await command("list")
    said = capsys.readouterr().out
    [version] = found["versions"]

    assert (found["id"], found["stripe_id"], found["state"], found["name"]) == (plan, plan, "active", "Whole")
    assert {price["card"] for price in version["prices"]} == {"addon.fee", "license:addon.seat", "usage:um.calls"}
    assert (item["id"], item["prices"], item["version"]) == (plan, 3, 1)
    assert ("Whole" in page, "Whole" in said) == (True, True)
