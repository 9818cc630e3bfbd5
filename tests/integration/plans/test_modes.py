"""What a payment link asks for is its flow link's choice: first payments, or what Stripe bills from then on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import typer
from console.cli import client
from console.cli import flow_links as commands
from invoice_sync.actions import IMPLEMENTATIONS as INVOICES
from plan_sync.actions import IMPLEMENTATIONS
from shared.domains.invoices import DOMAIN as INVOICE_DOMAIN
from shared.domains.plans import DOMAIN

from tests.contract.sandbox.tools import Control
from tests.integration.customers.test_calls import calls
from tests.integration.invoices.conftest import Invoices
from tests.integration.plans.conftest import ACCOUNT, Plans
from tests.integration.plans.test_catalog import whole
from tests.integration.plans.test_links import active, offer
from tests.stack.console import Console, succeeded
from tests.stack.in_process import CUSTOMERS, InProcess, in_process
from tests.stack.processes import until

OFFERS = "togai-plan-to-stripe-payment-link"


@pytest.fixture
async def tandem(control: Control) -> AsyncIterator[InProcess]:
    """Workers of customers, plans and invoices, with one account in Togai."""
    services = (*CUSTOMERS, (DOMAIN, IMPLEMENTATIONS), (INVOICE_DOMAIN, INVOICES))
    async with in_process(control, services=services, default_currency="USD") as made:
        made.account(ACCOUNT)
        await made.drain()
        yield made


@pytest.fixture
def console(tandem: InProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Console]:
    """It answers the commands of this test, too."""
    made = Console(tandem, tmp_path)

    def call(method: str, path: str, *, params: Any = None, body: Any = None) -> httpx.Response:
        return made.ask(method, path, **({"json": body} if body else {}))

    monkeypatch.setattr(client, "call", call)
    yield made
    made.close()


async def choose(*words: str) -> None:
    """As a person types it."""
    command = typer.main.get_command(commands.app)
    await asyncio.to_thread(command.main, ["set", OFFERS, *words], standalone_mode=False)


def line_items(plans: Plans, link: str) -> list[dict[str, Any]]:
    """What a link asks for."""
    return list(plans.tandem.call("stripe", "GET", f"/v1/payment_links/{link}/line_items")["data"])


async def test_a_choice_is_checked_shown_and_kept(
    plans: Plans, tandem: InProcess, console: Console, capsys: pytest.CaptureFixture[str]
) -> None:
    """By command and API, on the page, and after a restart."""
    before = {item["id"]: item["options"] for item in console.ask("GET", "/api/flow-links").json()["items"]}
    await choose("mode=subscription")
    said = capsys.readouterr().out
    path = f"/api/flow-links/{OFFERS}/options"
    wrong = [console.ask("POST", path, json={"options": given}) for given in ({"mode": "both"}, {"colour": "red"})]
    written = len(tandem.log.written)
    await tandem.restart()
    page = console.ask("GET", "/flow-links").text

    assert before[OFFERS] == {"mode": "first_payment", "replace": "off", "api": "v1"}
    assert "mode=subscription" in said
    assert [answer.status_code for answer in wrong] == [400, 400]
    assert "first_payment, subscription" in wrong[0].json()["error"]["message"]
    assert "mode: subscription" in page
    assert tandem.registry.links[OFFERS].options == {"mode": "subscription"}
    assert len(tandem.log.written) == written


async def test_a_subscription_asks_for_what_recurs(plans: Plans, tandem: InProcess, console: Console) -> None:
    """It shares its price with the catalog; what is metered or counted stays with Togai, and the run says so."""
    plan = whole(plans)
    await choose("mode=subscription")
    run = await offer(plans, plan)
    await plans.tell(plan, "created")
    [link] = active(plans)
    [item] = line_items(plans, link)
    notes = [note for step in run.steps for note in step.notes]

    assert (run.state, item["price"]["recurring"]["interval"], item["amount_total"]) == (
        "succeeded", "month", 4950)  # fmt: skip
    assert len([price for price in plans.prices() if price["metadata"]["togai_rate_card"] == "addon.fee"]) == 1
    assert "Togai bills Seats: how much of it is used is not known at the checkout" in notes
    assert "Togai bills Calls: how much of it is used is not known at the checkout" in notes


async def subscribed(plans: Plans, tandem: InProcess) -> tuple[str, dict[str, Any]]:
    """A plan that Stripe bills from now on, and the subscription that was paid for it."""
    plan = plans.plan(rate="49")
    await choose("mode=subscription")
    await offer(plans, plan)
    plans.pay(active(plans)[0])
    await tandem.drain()
    [found] = tandem.call("stripe", "GET", "/v1/subscriptions")["data"]
    return plan, found


async def test_a_paid_subscription_attaches_the_plan_and_holds_its_invoices(
    plans: Plans, tandem: InProcess, console: Console
) -> None:
    """Stripe bills it: nothing is counted in Togai, and no invoice of the account is sent until it has ended."""
    (plan, subscription), invoices = await subscribed(plans, tandem), Invoices(tandem)
    invoice = invoices.generate("49")
    invoices.tell(invoice)
    await tandem.drain()
    [held] = [
        run for run in tandem.runs() if run.flow == "togai-invoice-to-stripe-invoice" and invoice in run.aggregate
    ]

    assert [schedule["pricePlanId"] for schedule in plans.schedules()] == [plan]
    assert subscription["metadata"]["togai_account_id"] == ACCOUNT
    assert plans.payments() == []
    assert (held.state, held.problem and held.problem.code, subscription["id"] in held.reason) == (
        "parked", "subscribed", True)  # fmt: skip
    assert (active(plans), len(tandem.call("stripe", "GET", "/v1/invoices")["data"])) == ([], 1)


async def next_second(tandem: InProcess) -> None:
    """Stripe dates by seconds. The clock of the folder's sandbox is not moved: imports list what was made until now."""

    def second() -> int:
        return int(tandem.control.call("GET", "/clock")["now"])

    started = second()

    async def is_over() -> bool:
        return second() > started

    await until(is_over, "the next second")


@pytest.mark.parametrize("is_before", [True, False])
async def test_what_a_subscription_billed_until_it_ended_is_not_asked_for(
    plans: Plans, tandem: InProcess, console: Console, is_before: bool
) -> None:
    """An invoice that was made before the end is of a time that Stripe has billed; a later one is collected."""
    (plan, subscription), invoices = await subscribed(plans, tandem), Invoices(tandem)
    before = invoices.generate("49", price_plan=plan)
    await next_second(tandem)
    tandem.call("stripe", "DELETE", f"/v1/subscriptions/{subscription['id']}")
    await invoices.bring(before if is_before else invoices.generate("49", price_plan=plan))
    totals = [one["total"] for one in invoices.stripe() if one["metadata"].get("togai_invoice_id")]

    assert totals == ([] if is_before else [4900])


async def test_a_failed_subscription_is_offered_as_one_again(plans: Plans, tandem: InProcess, console: Console) -> None:
    """Whatever the flow link has chosen since."""
    plan = plans.plan(rate="49")
    await choose("mode=subscription")
    await offer(plans, plan)
    session = plans.pay(active(plans)[0], "unpaid")
    await choose("mode=first_payment")
    plans.resolve(session, "async_failed")
    await tandem.drain()
    [run] = [run for run in tandem.runs() if run.flow == "stripe-failed-checkout-to-payment-link"]

    assert run.steps[0].output["mode"] == "subscription"


async def test_a_subscription_whose_payment_failed_gets_a_link_once_it_has_ended(
    plans: Plans, tandem: InProcess
) -> None:
    """Stripe asks for the payment on: two subscriptions would bill the same."""
    await tandem.link(OFFERS, mode="subscription")
    plan = plans.plan()
    await offer(plans, plan)
    session = plans.pay(active(plans)[0], "unpaid")
    plans.resolve(session, "async_failed")
    await tandem.drain()
    [ended] = [run for run in tandem.runs() if run.flow == "stripe-checkout-ended-to-offer"]
    waiting, before = await offer(plans, plan), active(plans)
    [subscription] = tandem.call("stripe", "GET", "/v1/subscriptions")["data"]
    tandem.call("stripe", "DELETE", f"/v1/subscriptions/{subscription['id']}")
    again = await offer(plans, plan)

    assert (ended.steps[0].output["state"], waiting.state, before) == ("failed", "skipped", [])
    assert f"{subscription['id']} of {session} is" in waiting.reason
    assert (again.state, len(active(plans))) == ("succeeded", 1)


async def test_a_subscription_that_is_paid_twice_attaches_once(
    plans: Plans, tandem: InProcess, console: Console
) -> None:
    """Two that open the page before it closes: the second one is shown, for a person to cancel one of them."""
    await tandem.link(OFFERS, mode="subscription")
    plan = plans.plan()
    await offer(plans, plan)
    url = str(plans.links()[0]["url"])
    for session in [plans.visit(url), plans.visit(url)]:
        plans.resolve(session, "paid")
    await tandem.drain()
    [found] = (await succeeded(console, "GET", f"/api/plans/{plan}"))["offered"]
    notes = [note for run in tandem.runs() for step in run.steps for note in step.notes if "cancel one" in note]

    assert len(plans.schedules()) == 1
    assert calls(tandem)["togai accounts.associate_price_plan"] == 1
    assert [one["again"] for one in found["payments"]] == [False, True]
    assert len(notes) == 1
