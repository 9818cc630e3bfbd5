"""Invoices in the console: the list, one of them, what a person decides, and the same by command and on the page."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from console.domains.invoices import cli as commands

from tests.integration.invoices.conftest import Invoices
from tests.stack.console import Console, answering, succeeded
from tests.stack.in_process import InProcess

Json = dict[str, Any]


@pytest.fixture
def console(tandem: InProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Console]:
    """It answers the commands of this test, too."""
    with answering(tandem, tmp_path, monkeypatch) as made:
        yield made


async def states(console: Console, **params: Any) -> dict[str, str]:
    """The state of each invoice of a list, by Togai's id."""
    found = await succeeded(console, "GET", "/api/invoices", params=params)
    return {item["id"]: item["state"] for item in found["items"]}


async def command(*words: str) -> None:
    """As a person types it."""
    await asyncio.to_thread(typer.main.get_command(commands.app).main, list(words), standalone_mode=False)


async def test_every_state_of_an_invoice(invoices: Invoices, tandem: InProcess, console: Console) -> None:
    """The list tells each, and is narrowed to it."""
    expected: dict[str, str] = {}

    async def made(state: str, *steps: Any) -> None:
        invoice = await invoices.generated("50")
        newest = invoices.stripe()[0]["id"]
        for step in steps:
            step(newest)
            await tandem.drain()
        expected[invoice] = state

    def call(verb: str) -> Any:
        return lambda stripe: tandem.call("stripe", "POST", f"/v1/invoices/{stripe}/{verb}")

    await made("open")
    await made("paid", invoices.pay)
    await made("partly paid", lambda stripe: invoices.pay(stripe, amount=2000))
    await made("failed", lambda stripe: invoices.pay(stripe, "failed"))
    await made("void", call("void"))
    await made("uncollectible", call("mark_uncollectible"))
    await made("refunded", invoices.pay, invoices.refund)
    held = invoices.generate("50")
    await invoices.decide("hold", held)
    await invoices.bring(held)
    waiting = invoices.generate("50", account=tandem.account("other", primaryEmail="other@x.test") or "other")
    await invoices.bring(waiting)
    match = {"account": tandem.accounts["stripe"]["id"], "operation": "invoices.finalize"}
    with tandem.control.fault(app="stripe", kind="error_before", match=match, stored=False):
        expected[await invoices.generated("50")] = "draft"
    expected |= {held: "held"}
    found = await states(console)
    narrowed = {state: await states(console, state=state) for state in set(expected.values())}

    assert {name: found[name] for name in expected} == expected
    assert all(
        expected.items() >= {n: s for n, s in rows.items() if n in expected}.items() for rows in narrowed.values()
    )
    assert all(set(rows.values()) == {state} for state, rows in narrowed.items())


async def test_one_invoice_by_any_id(invoices: Invoices, tandem: InProcess, console: Console) -> None:
    """Both sides, amounts, payments, refunds, disputes and what ran, by the id of either side."""
    invoice = await invoices.generated("100")
    [made] = invoices.stripe()
    invoices.pay(made["id"])
    invoices.refund(made["id"], 1500)
    await tandem.drain()
    invoices.dispute(made["id"])
    await tandem.drain()
    found = await succeeded(console, "GET", f"/api/invoices/{invoice}")
    other = await succeeded(console, "GET", f"/api/invoices/{made['id']}")

    assert other == found
    assert (found["id"], found["stripe_id"], found["account"]) == (invoice, made["id"], "acme")
    assert (found["togai_status"], found["stripe_status"], found["state"]) == ("PAID", "paid", "paid")
    assert (found["total"], found["paid"], found["refunded"], found["currency"]) == ("100.00", "100.00", "15.00", "USD")
    assert [(one["id"], one["amount"]) for one in found["payments"]] == [(invoices.intent(made["id"]), "100.00")]
    assert [(one["status"], one["amount"]) for one in found["refunds"]] == [("succeeded", "15.00")]
    assert [(one["status"], one["amount"]) for one in found["disputes"]] == [("needs_response", "85.00")]
    assert (len(found["sides"]), found["held"]) == (2, None)
    assert {run["flow"] for run in found["runs"]} >= {"togai-invoice-to-stripe-invoice"}


@pytest.mark.parametrize(("outcome", "amount", "shown"), [("succeeded", None, "20.00"), ("overpaid", 5100, "21.00")])
async def test_what_was_paid_twice_is_shown_as_overpaid(
    invoices: Invoices, tandem: InProcess, console: Console, outcome: str, amount: int | None, shown: str
) -> None:
    """A part was paid elsewhere while Stripe's payment came: nobody owed it, whatever is looked at later."""
    invoice = await invoices.generated("50")
    [made] = invoices.stripe()
    invoices.change(invoice, status="PARTIALLY_PAID", paid="20")
    invoices.pay(made["id"], outcome, amount)
    await tandem.drain()
    invoices.report("invoice.paid", made["id"])
    await tandem.drain()
    found = await succeeded(console, "GET", f"/api/invoices/{invoice}")

    assert (found["state"], found["togai_status"], found["overpaid"]) == ("paid", "PAID", shown)


async def test_lists_page_and_are_narrowed(invoices: Invoices, tandem: InProcess, console: Console) -> None:
    """By account, by any id, page by page; the last changed stands first."""
    made = [await invoices.generated("50") for _ in range(3)]
    first = await succeeded(console, "GET", "/api/invoices", params={"limit": 2})
    rest = await succeeded(console, "GET", "/api/invoices", params={"limit": 2, "cursor": first["next_cursor"]})
    stripe = invoices.stripe()[0]["id"]

    assert [item["id"] for item in [*first["items"], *rest["items"]]] == made[::-1]
    assert rest["next_cursor"] is None
    assert set(await states(console, account="acme")) == set(made)
    assert await states(console, account="nobody") == {}
    assert set(await states(console, id=stripe)) == {made[-1]}


async def test_held_and_released_by_the_api(invoices: Invoices, tandem: InProcess, console: Console) -> None:
    """Before anything ran for it, by Togai's own id; the reason is kept, and shown."""
    invoice = invoices.generate("50")
    await succeeded(console, "POST", f"/api/invoices/{invoice}/hold", json={"reason": "a wrong meter"})
    await tandem.drain()
    await invoices.bring(invoice)
    found, before = await succeeded(console, "GET", f"/api/invoices/{invoice}"), invoices.stripe()
    await succeeded(console, "POST", f"/api/invoices/{invoice}/release", json={"reason": "corrected"})
    await tandem.drain()
    after = await succeeded(console, "GET", f"/api/invoices/{invoices.stripe()[0]['id']}")

    [decided] = [run.id for run in tandem.runs(event_type="decision_requested") if run.state == "succeeded"][:1]
    assert (found["state"], found["held"]["reason"], found["held"]["run"]) == ("held", "a wrong meter", decided)
    assert (before, after["state"], after["held"]) == ([], "open", None)


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/hold", {}, 422),
        ("/hold", {"reason": "  "}, 422),
        ("/hold", {"reason": "x", "more": 1}, 422),
        ("/hold", {"reason": "x", "flow_link": "nowhere"}, 409),
    ],
)
async def test_a_decision_that_cannot_be(
    invoices: Invoices, tandem: InProcess, console: Console, path: str, body: Json, status: int
) -> None:
    """A reason is required; nothing is written to the log."""
    invoice = await invoices.generated("50")
    written = len(tandem.log.written)
    answer = await asyncio.to_thread(console.ask, "POST", f"/api/invoices/{invoice}{path}", json=body)

    assert (answer.status_code, len(tandem.log.written)) == (status, written)
    assert answer.json()["error"]["what_to_do"]


async def test_togais_status_is_the_one_that_it_has(invoices: Invoices, tandem: InProcess, console: Console) -> None:
    """One that was paid in part, by whomever, is not shown as DUE."""
    invoice = await invoices.generated("100", status="PARTIALLY_PAID", paid="30")
    found = await succeeded(console, "GET", f"/api/invoices/{invoice}")

    assert (found["togai_status"], found["stripe_status"], found["total"]) == ("PARTIALLY_PAID", "open", "70.00")


async def test_tax_that_is_in_the_amounts_is_shown_as_tax(
    invoices: Invoices, tandem: InProcess, console: Console
) -> None:
    """And counted once: 120.00 with 20.00 of tax are not 140.00."""
    [customer] = tandem.customers()
    own = {"customer": customer["id"], "collection_method": "send_invoice", "days_until_due": "30"}
    made = tandem.call("stripe", "POST", "/v1/invoices", data=own)["id"]
    tax, rate = "lines[0][tax_amounts][0]", "lines[0][tax_amounts][0][tax_rate_data]"
    body = {
        "lines[0][amount]": "12000", "lines[0][description]": "Own", f"{tax}[amount]": "2000",
        f"{tax}[taxable_amount]": "10000", f"{rate}[display_name]": "VAT", f"{rate}[inclusive]": "true",
        f"{rate}[percentage]": "20",
    }  # fmt: skip
    tandem.call("stripe", "POST", f"/v1/invoices/{made}/add_lines", data=body)
    tandem.call("stripe", "POST", f"/v1/invoices/{made}/finalize")
    invoice = invoices.generate("120")
    setting = {"id": "StripeInvoiceId", "name": "Stripe", "value": made, "dataType": "STRING"}
    where = {"entityType": "INVOICE", "entityId": invoice, "namespace": "USER"}
    tandem.call("togai", "POST", "/settings", json=setting | where)
    await invoices.bring(invoice)
    invoices.pay(made, "failed")
    await tandem.drain()
    found = await succeeded(console, "GET", f"/api/invoices/{invoice}")

    assert (found["stripe_id"], found["total"], found["tax"]) == (made, "120.00", "20.00")


async def test_an_unknown_invoice(console: Console) -> None:
    """Says where to look; a state that there is not says which there are."""
    gone = await asyncio.to_thread(console.ask, "GET", "/api/invoices/in_nowhere")
    wrong = await asyncio.to_thread(console.ask, "GET", "/api/invoices?state=lost")

    assert (gone.status_code, wrong.status_code) == (404, 400)
    assert "partly paid" in wrong.json()["error"]["what_to_do"]


async def test_the_command(
    invoices: Invoices, tandem: InProcess, console: Console, capsys: pytest.CaptureFixture[str]
) -> None:
    """The list and one of them, as a person reads them."""
    invoice = await invoices.generated("100")
    [made] = invoices.stripe()
    invoices.pay(made["id"])
    await tandem.drain()
    await command("list")
    listed = capsys.readouterr().out
    await command("show", made["id"])
    shown = capsys.readouterr().out

    assert all(text in listed for text in (invoice, made["id"], "100.00 USD", "paid"))
    assert all(text in shown for text in (f"{invoice} PAID", f"{made['id']} paid", invoices.intent(made["id"])))


async def test_the_page_and_its_buttons(invoices: Invoices, tandem: InProcess, console: Console) -> None:
    """It shows both sides, and a person's choice with a reason goes to the log."""
    invoice = await invoices.generated("50")
    page = await asyncio.to_thread(console.ask, "GET", "/invoices")
    ref = f"{tandem.registry.connections['togai'].app_account}/invoice/{invoice}"
    form = {"invoice": ref, "change": "hold", "reason": "a wrong meter", "id": ""}
    headers = {"Origin": "http://127.0.0.1:8401"}
    done = await asyncio.to_thread(console.ask, "POST", "/invoices/decide", data=form, headers=headers)
    bad = await asyncio.to_thread(console.ask, "POST", "/invoices/decide", data=form | {"reason": " "}, headers=headers)
    await tandem.drain()
    held = await asyncio.to_thread(console.ask, "GET", "/invoices?state=held")

    assert (page.status_code, done.status_code, bad.status_code) == (200, 200, 400)
    assert all(text in page.text for text in (invoice, invoices.stripe()[0]["id"], "50.00 USD"))
    assert "a wrong meter" in held.text
    assert "Release" in held.text
