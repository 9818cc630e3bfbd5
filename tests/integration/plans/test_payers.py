"""Customers that payment links make: further ones of their accounts, whichever event comes first."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import msgspec
from plan_sync.actions import IMPLEMENTATIONS
from shared.domains.plans import DOMAIN

from tests.contract.sandbox.tools import Control
from tests.integration.plans.conftest import ACCOUNT, Plans
from tests.integration.plans.test_console import console as console
from tests.integration.plans.test_links import active, offer
from tests.stack.console import Console
from tests.stack.in_process import CUSTOMERS, InProcess, in_process

FLOW_TWO = "stripe-customer-to-togai-customer"


def link(plans: Plans, **metadata: str) -> str:
    """A link of a person's, which makes a customer at each payment."""
    price = plans.prices()[0]["id"]
    body = {"line_items[0][price]": price, "line_items[0][quantity]": "1", "customer_creation": "always"}
    body |= {f"metadata[{name}]": text for name, text in metadata.items()}
    return str(plans.tandem.call("stripe", "POST", "/v1/payment_links", data=body)["id"])


def payer(plans: Plans, session: str) -> str:
    """The customer of a checkout."""
    return str(plans.tandem.call("stripe", "GET", f"/v1/checkout/sessions/{session}")["customer"])


def further(tandem: InProcess, customer: str) -> list[str]:
    """The accounts of which a customer is a further one."""
    pair = tandem.registry.mappings.of("further_customer").pair(tandem.ref(customer))
    return [ref.rpartition("/")[2] for ref in pair.also] if pair else []


async def offered(plans: Plans) -> str:
    """A plan that is offered: from then on customers may be born of links."""
    plan = plans.plan()
    await offer(plans, plan)
    return plan


async def bought_for_new(plans: Plans, tandem: InProcess) -> tuple[str, str]:
    """A plan that is paid by a link of account `new`, which had no customer, and who paid."""
    plan = await offered(plans)
    await tandem.link("togai-account-to-stripe-customer", enabled=False)
    tandem.account("new")
    await tandem.drain()
    customer = payer(plans, plans.pay(link(plans, togai_price_plan_id=plan, togai_account_id="new")))
    await tandem.drain()
    return plan, customer


async def imported(tandem: InProcess, customer: str) -> str:
    """The account that is made for a customer, as soon as nothing tells any more that it is a payer."""
    async with asyncio.timeout(10):
        while not (pair := tandem.pair(tandem.ref(customer))):
            await asyncio.sleep(0.1)
            await tandem.go_on_unchanged()
            await tandem.work_off()
    return next(ref.rpartition("/")[2] for ref in pair.refs if ref.startswith("togai:"))


async def test_a_links_customer_is_a_further_one(plans: Plans, tandem: InProcess, console: Console) -> None:
    """The account keeps its own; no account is made. The event of the customer comes first. A page shows it."""
    plan = await offered(plans)
    primary, before = tandem.pair(tandem.ref(ACCOUNT, "togai")), tandem.organization()
    own = link(plans, togai_price_plan_id=plan, togai_account_id=ACCOUNT)
    customer = payer(plans, plans.pay(own))
    await tandem.drain()
    [run] = [one for one in tandem.runs(tandem.ref(customer)) if one.flow == FLOW_TWO]
    page = console.ask("GET", "/further-customers").text

    assert (customer in page, ACCOUNT in page) == (True, True)
    assert (run.state, f"names account {ACCOUNT}" in run.reason) == ("skipped", True)
    assert (further(tandem, customer), tandem.organization()) == ([ACCOUNT], before)
    assert tandem.pair(tandem.ref(ACCOUNT, "togai")) == primary
    assert [found["pricePlanId"] for found in plans.schedules()] == [plan]


async def test_the_checkout_may_come_before_its_customer(plans: Plans, tandem: InProcess) -> None:
    """And the customer's event again, after a restart."""
    plan = await offered(plans)
    before = tandem.organization()
    customer = payer(plans, plans.pay(link(plans, togai_price_plan_id=plan, togai_account_id=ACCOUNT)))
    event = tandem.created_again(customer)
    tandem._known.setdefault("stripe", set()).add(event.id)
    await tandem.drain()
    recorded = further(tandem, customer)
    await tandem.restart()
    tandem.deliver(event)
    await tandem.drain()

    assert (recorded, further(tandem, customer), tandem.organization()) == ([ACCOUNT], [ACCOUNT], before)


async def test_it_is_the_accounts_own_where_there_is_none(plans: Plans, tandem: InProcess) -> None:
    """Both sides name each other, as any pair."""
    plan, customer = await bought_for_new(plans, tandem)

    assert [ref for ref in tandem.linked(customer).refs if ref.endswith("/new")] != []
    assert (tandem.setting("new"), tandem.stripe(customer)["metadata"]["togai_account_id"]) == (customer, "new")
    assert [found["pricePlanId"] for found in plans.schedules("new")] == [plan]
    assert further(tandem, customer) == []


async def test_what_a_person_unlinked_no_checkout_joins_again(plans: Plans, tandem: InProcess) -> None:
    """Its event is sent once more after a restart, and somebody else pays for the account: no rule links it."""
    plan, customer = await bought_for_new(plans, tandem)
    [event] = [one for one in tandem.delivered if one.type == "stripe.checkout.session.completed"]
    tandem.by_hand("unlink", "new", customer, reason="another firm")
    await tandem.drain()
    await tandem.restart()
    tandem.deliver(msgspec.structs.replace(event, id="evt_again"))
    another = payer(plans, plans.pay(link(plans, togai_price_plan_id=plan, togai_account_id="new")))
    await tandem.drain()

    assert [tandem.pair(tandem.ref(one)) for one in (customer, another)] == [None, None]
    assert further(tandem, customer) + further(tandem, another) == []
    assert [found["pricePlanId"] for found in plans.schedules("new")] == [plan]


async def test_a_guest_changes_no_link(plans: Plans, tandem: InProcess) -> None:
    """Stripe keeps no customer of it."""
    plan = await offered(plans)
    primary = tandem.pair(tandem.ref(ACCOUNT, "togai"))
    session = plans.pay(active(plans)[0])
    await tandem.drain()

    assert tandem.call("stripe", "GET", f"/v1/checkout/sessions/{session}")["customer"] is None
    assert tandem.pair(tandem.ref(ACCOUNT, "togai")) == primary
    assert [found["pricePlanId"] for found in plans.schedules()] == [plan]


async def test_a_checkout_that_names_no_account_makes_one(plans: Plans, tandem: InProcess) -> None:
    """By the rules for a new customer; the plan is attached to it, and what was paid is counted."""
    plan = await offered(plans)
    before = set(tandem.organization())
    own = link(plans, togai_price_plan_id=plan)
    session = plans.pay(own, email="new@globex.test", name="Globex")
    await tandem.drain()
    [made] = set(tandem.organization()) - before
    [payment] = plans.payments()

    assert made == f"acc_{payer(plans, session)}"
    assert [found["pricePlanId"] for found in plans.schedules(made)] == [plan]
    assert (payment["accountId"], payment["totalAmount"]) == (made, 49)


async def test_nobody_waits_once_no_link_is_open(plans: Plans, tandem: InProcess) -> None:
    """What was offered is paid, and its link closed: new customers are imported at once. A closed link's payer whose
    event comes late is still known by its checkout.
    """
    plan = await offered(plans)
    own = link(plans, togai_price_plan_id=plan, togai_account_id=ACCOUNT)
    late = payer(plans, plans.pay(own))
    event = tandem.created_again(late)
    tandem._known.setdefault("stripe", set()).add(event.id)
    tandem.call("stripe", "POST", f"/v1/payment_links/{own}", data={"active": "false"})
    await tandem.drain()
    new = tandem.customer()
    tandem.deliver(event)
    await tandem.drain()

    assert active(plans) == []
    assert (tandem.pair(tandem.ref(new)) is None, tandem.pair(tandem.ref(late))) == (False, None)
    assert further(tandem, late) == [ACCOUNT]


async def test_a_customer_that_was_there_before_waits_for_nothing(plans: Plans, tandem: InProcess) -> None:
    """As an import brings it: Stripe shows the checkout of one that is older than a minute."""
    await offered(plans)
    old = tandem.customer()
    event = tandem.created_again(old)
    tandem._known.setdefault("stripe", set()).add(event.id)
    body = json.loads(bytes(event.data))
    body["data"]["object"]["created"] -= 3600
    tandem.deliver(msgspec.structs.replace(event, data=msgspec.Raw(json.dumps(body).encode())))
    await tandem.work_off()

    assert tandem.pair(tandem.ref(old)) is not None


async def test_other_customers_wait_a_minute_while_a_link_is_open(plans: Plans, tandem: InProcess) -> None:
    """They are imported then; where nothing was offered nobody waits, and nothing is asked."""
    free = tandem.customer()
    await tandem.drain()
    at_once = tandem.pair(tandem.ref(free))
    await offered(plans)
    held = tandem.customer()
    await tandem.drain()
    meanwhile = tandem.pair(tandem.ref(held))
    account = await imported(tandem, held)
    calls: list[dict[str, Any]] = tandem.control.call("GET", "/calls", account=tandem.accounts["stripe"]["id"])["calls"]
    looks = [call for call in calls if call["path"] == "/v1/checkout/sessions"]

    assert (at_once is None, meanwhile, account) == (False, None, f"acc_{held}")
    assert all(call.get("query", {}).get("customer") != free for call in looks)


async def test_customers_of_another_stripe_account_wait_for_nothing(control: Control) -> None:
    """Nothing was offered there: no link can have made them, and nobody is asked."""
    services = (*CUSTOMERS, (DOMAIN, IMPLEMENTATIONS))
    async with in_process(control, "second", services=services, default_currency="USD") as tandem:
        tandem.account(ACCOUNT)
        await tandem.drain()
        await offered(Plans(tandem))
        await tandem.link(FLOW_TWO, stripe="second", suffix="-second")
        customer = tandem.customer(at="second")
        await tandem.drain()
        calls = tandem.control.call("GET", "/calls", account=tandem.accounts["second"]["id"])["counts"]

        assert tandem.pair(tandem.ref(customer, "second")) is not None
        assert "checkout_sessions.list" not in calls


async def test_the_visitor_cannot_choose_the_account(plans: Plans, tandem: InProcess) -> None:
    """`client_reference_id` stands in the address; what Tandem wrote to the link decides."""
    plan = await offered(plans)
    tandem.account("victim")
    await tandem.drain()
    plans.pay(active(plans)[0], client_reference_id="victim")
    await tandem.drain()

    assert [found["pricePlanId"] for found in plans.schedules()] == [plan]
    assert plans.schedules("victim") == []
