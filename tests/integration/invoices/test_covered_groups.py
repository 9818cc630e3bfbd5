"""The invoice of a group asks for the plans of all its accounts: what Stripe bills any of them holds it."""

from __future__ import annotations

import pytest

from tests.integration.invoices.conftest import ACCOUNT, OUT, Invoices
from tests.integration.invoices.test_covered import catalogued
from tests.integration.invoices.test_covered import plans as plans
from tests.integration.invoices.test_covered import tandem as tandem
from tests.integration.plans.conftest import Plans
from tests.stack.in_process import InProcess

BESIDE = "beside"


@pytest.fixture
async def group(tandem: InProcess) -> str:
    """Two accounts that get one invoice; Togai takes payments by the first."""
    tandem.account(BESIDE)
    await tandem.drain()
    body = {"name": "All", "email": "all@group.test", "dailyInvoiceConsolidation": False, "address": {"country": "DE"}}
    made = tandem.call("togai", "POST", "/invoice_groups", json=body | {"accountIds": [ACCOUNT, BESIDE]})
    return str(made["id"])


def customer_of(tandem: InProcess, name: str, value: str) -> str:
    """The Stripe customer whose metadata say so."""
    return next(str(one["id"]) for one in tandem.customers() if one["metadata"].get(name) == value)


def subscribe(tandem: InProcess, customer: str, price: str) -> str:
    """What a person does in Stripe's dashboard."""
    data = {"customer": customer, "items[0][price]": price}
    return str(tandem.call("stripe", "POST", "/v1/subscriptions", data=data)["id"])


async def composite(invoices: Invoices, group: str, *amounts: str, **more: object) -> str:
    return await invoices.generated(*amounts, account=ACCOUNT, type="COMPOSITE", group=group, **more)


def held_by(invoices: Invoices, invoice: str) -> str:
    """What keeps its last run from going on."""
    run = invoices.last_run(invoice)
    return run.problem.code if run.problem and run.state == "parked" else run.state


@pytest.mark.parametrize("named", [True, False])
async def test_a_subscription_of_any_account_of_the_group_holds_it(
    invoices: Invoices, tandem: InProcess, plans: Plans, group: str, named: bool
) -> None:
    """Whether or not Togai names the plan; canceled, it lets the invoice go on, once."""
    plan, price = await catalogued(plans)
    subscription = subscribe(tandem, customer_of(tandem, "togai_account_id", BESIDE), price["id"])
    invoice = await composite(invoices, group, "49", **({"price_plan": plan} if named else {}))
    held, reason, before = held_by(invoices, invoice), invoices.last_run(invoice).reason, invoices.stripe()
    tandem.call("stripe", "DELETE", f"/v1/subscriptions/{subscription}")
    await tandem.recheck()

    assert (held, before) == ("subscribed", [])
    assert subscription in reason
    assert [made["total"] for made in invoices.stripe()] == [4900]


async def test_a_subscription_of_the_groups_own_customer_holds_it(
    invoices: Invoices, tandem: InProcess, plans: Plans, group: str
) -> None:
    """That customer is there from the first invoice on."""
    _, price = await catalogued(plans)
    await composite(invoices, group, "7")
    subscribe(tandem, customer_of(tandem, "togai_invoice_group_id", group), price["id"])
    invoice = await composite(invoices, group, "49")

    assert held_by(invoices, invoice) == "subscribed"
    assert [made["total"] for made in invoices.stripe()] == [700]


@pytest.mark.parametrize("whose", ["account", "group"])
async def test_the_groups_invoice_goes_on_when_the_subscription_ends(
    invoices: Invoices, tandem: InProcess, plans: Plans, group: str, whose: str
) -> None:
    """By Stripe's event, long before it would look again by itself: of an account's customer, or the group's own."""
    _, price = await catalogued(plans)
    await tandem.link("stripe-subscription-to-togai-invoices")
    await composite(invoices, group, "7")
    names = {"account": ("togai_account_id", BESIDE), "group": ("togai_invoice_group_id", group)}
    subscription = subscribe(tandem, customer_of(tandem, *names[whose]), price["id"])
    invoice = await composite(invoices, group, "49")
    held = held_by(invoices, invoice)
    tandem.call("stripe", "DELETE", f"/v1/subscriptions/{subscription}")
    await tandem.drain()

    assert held == "subscribed"
    assert [made["total"] for made in invoices.stripe()] == [4900, 700]


async def test_one_that_began_while_the_draft_was_filled_stops_it(
    invoices: Invoices, tandem: InProcess, plans: Plans, group: str
) -> None:
    """Stripe is asked right before the finalizing too."""
    _, price = await catalogued(plans)
    customer = customer_of(tandem, "togai_account_id", BESIDE)

    async def begin() -> None:
        subscribe(tandem, customer, price["id"])

    tandem.before_write("invoices.add_lines", begin)
    invoice = await composite(invoices, group, "49")

    assert held_by(invoices, invoice) == "subscribed"
    assert [made["status"] for made in invoices.stripe()] == ["draft"]


async def test_covered_parts_of_a_group_are_left_out_if_the_link_says_so(
    invoices: Invoices, tandem: InProcess, plans: Plans, group: str
) -> None:
    """The rest is billed."""
    _, price = await catalogued(plans)
    await tandem.link(OUT, covered="exclude")
    subscribe(tandem, customer_of(tandem, "togai_account_id", BESIDE), price["id"])
    lines = [{"name": price["nickname"], "amount": "49"}, {"name": "Calls", "amount": "3.21"}]
    await composite(invoices, group, lines=lines)
    [made] = invoices.stripe()

    assert (made["status"], made["total"], invoices.lines(made["id"])) == ("open", 321, [("Calls", 321)])


async def test_a_checkout_of_an_account_that_togai_did_not_count_holds_the_groups_invoice(
    invoices: Invoices, tandem: InProcess, plans: Plans, group: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was paid there would be asked for again."""
    monkeypatch.setattr("shared.runtime.creating.LEASE", 0)  # else a payment is sent again after 40 s
    plan = plans.plan(rate="49")
    plans.offer(plan, BESIDE)
    await tandem.drain()
    match = {"account": tandem.accounts["togai"]["id"], "operation": "payments.create"}
    with tandem.control.fault(app="togai", kind="error_before", match=match):
        plans.pay(plans.links()[0]["id"])
        await tandem.drain()
        invoice = await composite(invoices, group, "49")
        held, before = held_by(invoices, invoice), invoices.stripe()
    await tandem.recheck()
    await tandem.recheck()

    assert (held, before) == ("uncounted", [])
    assert (len(plans.payments()), len(invoices.stripe())) == (1, 1)


async def test_a_group_without_plans_costs_no_call_more(invoices: Invoices, tandem: InProcess, group: str) -> None:
    """Where nothing of Togai is sold at Stripe, nobody is asked whose the group is, and no subscription is listed."""
    await composite(invoices, group, "49")
    stripe = tandem.control.call("GET", "/calls", account=tandem.accounts["stripe"]["id"])["counts"]
    togai = tandem.control.call("GET", "/calls", account=tandem.accounts["togai"]["id"])["counts"]

    assert [made["status"] for made in invoices.stripe()] == ["open"]
    assert "subscriptions.list" not in stripe
    assert togai["invoice_groups.retrieve"] == 1
