"""An invoice group is billed as one, by a Stripe customer of its own; payments name an account that Togai accepts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.integration.invoices.conftest import Invoices
from tests.stack.console import answering, succeeded
from tests.stack.in_process import InProcess
from tests.stack.points import Died, Point

Json = dict[str, Any]
ADDRESS = {"line1": "Hof 1", "postalCode": "10115", "city": "Berlin", "country": "DE"}


@pytest.fixture
async def group(tandem: InProcess) -> str:
    """Two accounts that get one invoice; each has a Stripe customer too."""
    for name in ("east", "west"):
        tandem.account(name)
    await tandem.drain()
    body = {"name": "All of it", "email": "all@group.test", "dailyInvoiceConsolidation": False, "address": ADDRESS}
    made = tandem.call("togai", "POST", "/invoice_groups", json=body | {"accountIds": ["east", "west"]})
    return str(made["id"])


def of_group(tandem: InProcess) -> list[Json]:
    """Stripe's customers that pay for a group."""
    return [one for one in tandem.customers() if "togai_invoice_group_id" in one["metadata"]]


def composite(invoices: Invoices, group: str, account: str = "west") -> str:
    """An invoice of the group; Togai takes payments of it by this account."""
    return invoices.generate("100", account=account, type="COMPOSITE", group=group)


async def test_a_group_has_its_own_customer(invoices: Invoices, tandem: InProcess, group: str) -> None:
    """Made once, for all its invoices; no account in Togai is made for it."""
    accounts = tandem.organization()
    for _ in range(2):
        await invoices.bring(composite(invoices, group))
    [customer] = of_group(tandem)
    setting = tandem.call("togai", "GET", f"/settings/setting.USER.StripeCustomerId.INVOICE_GROUP.{group}")

    assert (customer["name"], customer["email"], customer["address"]["postal_code"]) == (
        "All of it", "all@group.test", "10115",
    )  # fmt: skip
    assert customer["metadata"]["togai_invoice_group_id"] == group
    assert [(made["customer"], made["status"], made["total"]) for made in invoices.stripe()] == [
        (customer["id"], "open", 10_000)
    ] * 2
    assert all(made["metadata"]["togai_invoice_group_id"] == group for made in invoices.stripe())
    assert (tandem.organization(), setting["value"], tandem.letters()) == (accounts, customer["id"], [])


@pytest.mark.parametrize("account", ["east", "west"])
async def test_a_payment_names_the_account_that_togai_accepts(
    invoices: Invoices, tandem: InProcess, group: str, account: str
) -> None:
    """The accounts are tried as Togai lists them, and the run says which it refused."""
    invoice = composite(invoices, group, account)
    await invoices.bring(invoice)
    [made] = invoices.stripe()
    for amount in (4000, 6000):
        invoices.pay(made["id"], amount=amount)
        await tandem.drain()
    rows = tandem.call("togai", "GET", "/payments")["data"]
    refused = [
        note for run in tandem.runs(event_type=".paid") for step in run.steps for note in step.notes if "east" in note
    ]

    assert [row["accountId"] for row in rows] == [account, account]
    assert [amount for _, amount in invoices.payments()] == ["40", "60"]
    assert invoices.togai(invoice)["status"] == "PAID"
    assert bool(refused) == (account == "west")


async def test_where_no_account_is_accepted_it_is_a_dead_letter(
    invoices: Invoices, tandem: InProcess, group: str
) -> None:
    """A retry counts it, once somebody has put the group right."""
    invoice = composite(invoices, group)
    await invoices.bring(invoice)
    [made] = invoices.stripe()
    tandem.call("togai", "POST", f"/invoice_groups/{group}/remove_accounts", json={"accountIds": ["west"]})
    invoices.pay(made["id"])
    await tandem.drain()
    before, letters = invoices.payments(), len(tandem.letters())
    tandem.call("togai", "POST", f"/invoice_groups/{group}/add_accounts", json={"accountIds": ["west"]})
    await invoices.decide("resync", invoice)

    assert (before, letters > 0) == ([], True)
    assert ([amount for _, amount in invoices.payments()], invoices.togai(invoice)["status"]) == (["100"], "PAID")


async def test_an_answer_that_is_lost_counts_once(invoices: Invoices, tandem: InProcess, group: str) -> None:
    """It is looked up before any account is tried again."""
    invoice = composite(invoices, group, "east")
    await invoices.bring(invoice)
    [made] = invoices.stripe()
    match = {"account": invoices.organization, "method": "POST", "path": "/payments"}
    with tandem.control.fault(app="togai", kind="cut_after", match=match, times=1) as fired:
        invoices.pay(made["id"])
        await tandem.drain()
        await tandem.recheck()
        struck = fired()

    assert struck == 1
    assert ([amount for _, amount in invoices.payments()], invoices.togai(invoice)["status"]) == (["100"], "PAID")


@pytest.mark.parametrize("kind", ["cut_before", "cut_after", "error_after"])
async def test_faults_make_one_customer(invoices: Invoices, tandem: InProcess, group: str, kind: str) -> None:
    """And one invoice."""
    more = {"stored": True} if kind == "error_after" else {}
    match = {"operation": "customers.create", "account": tandem.accounts["stripe"]["id"]}
    with tandem.control.fault(app="stripe", kind=kind, match=match, times=1, **more):
        await invoices.bring(composite(invoices, group))
    for _ in range(2):
        await tandem.recheck()

    assert (len(of_group(tandem)), len(invoices.stripe())) == (1, 1)


@pytest.mark.parametrize("phase", ["before", "after"])
async def test_deaths_make_one_customer(invoices: Invoices, tandem: InProcess, group: str, phase: str) -> None:
    """Whoever goes on finds what was made."""
    died: list[str] = []

    def die(point: Point) -> None:
        if not died and (point.label, point.phase) == ("call stripe customers.create", phase):
            died.append(point.label)
            raise Died

    tandem.points.at = die
    with pytest.raises(Died):
        await invoices.bring(composite(invoices, group))
    await invoices.go_on_elsewhere()

    assert (len(died), len(of_group(tandem)), len(invoices.stripe())) == (1, 1, 1)


async def test_settings_of_a_group_may_name_its_customer(invoices: Invoices, tandem: InProcess, group: str) -> None:
    """One that is there is not made again."""
    known = tandem.customer(name="Known before")
    await tandem.drain()
    setting = {"id": "StripeCustomerId", "name": "Stripe", "value": known, "dataType": "STRING"}
    where = {"entityType": "INVOICE_GROUP", "entityId": group, "namespace": "USER"}
    tandem.call("togai", "POST", "/settings", json=setting | where)
    await invoices.bring(composite(invoices, group))

    assert ([made["customer"] for made in invoices.stripe()], of_group(tandem)) == ([known], [])


async def test_an_account_with_its_address_is_not_joined_to_it(
    invoices: Invoices, tandem: InProcess, group: str
) -> None:
    """It gets a customer of its own."""
    await invoices.bring(composite(invoices, group))
    [customer] = of_group(tandem)
    tandem.account("new", {"primaryEmail": "all@group.test"})
    await tandem.drain()
    [own] = [one for one in tandem.customers() if one["metadata"].get("togai_account_id") == "new"]

    assert own["id"] != customer["id"]
    assert tandem.letters() == []


async def test_the_console_names_the_group(
    invoices: Invoices, tandem: InProcess, group: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is what owes the invoice."""
    invoice = composite(invoices, group)
    await invoices.bring(invoice)
    with answering(tandem, tmp_path, monkeypatch) as console:
        found = await succeeded(console, "GET", f"/api/invoices/{invoice}")

    assert (found["account"], found["state"]) == (group, "open")
