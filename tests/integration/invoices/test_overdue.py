"""What is not paid in time is shown, in Togai's Settings and in the console, until it is paid."""

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

STATE = "StripeInvoiceState"


@pytest.fixture
def console(tandem: InProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Console]:
    """It answers the commands of this test, too."""
    with answering(tandem, tmp_path, monkeypatch) as made:
        yield made


async def overdue(invoices: Invoices, tandem: InProcess) -> tuple[str, dict[str, Any]]:
    """An invoice of an account that is to pay at once, and did not."""
    tandem.account("late", netTermDays=0)
    await tandem.drain()
    invoice = await invoices.generated("100", account="late")
    [made] = invoices.stripe()
    invoices.report("invoice.overdue", made["id"])
    await tandem.drain()
    return invoice, made


async def test_togai_says_overdue_until_it_is_paid(invoices: Invoices, tandem: InProcess) -> None:
    """Togai has no status for it; a payment at the first attempt takes the words away."""
    invoice, made = await overdue(invoices, tandem)
    said = invoices.settings(invoice).get(STATE, "")
    invoices.pay(made["id"])
    await tandem.drain()

    assert said.startswith("overdue since 20")
    assert (invoices.togai(invoice)["status"], invoices.settings(invoice)[STATE]) == ("PAID", "")
    assert tandem.letters() == []


async def test_overdue_is_shown(
    invoices: Invoices, tandem: InProcess, console: Console, capsys: pytest.CaptureFixture[str]
) -> None:
    """By the API, on the page, by the commands; a paid one is not."""
    invoice, made = await overdue(invoices, tandem)
    found = await succeeded(console, "GET", f"/api/invoices/{invoice}")
    page = await asyncio.to_thread(console.ask, "GET", "/invoices")
    for words in (["list"], ["show", invoice]):
        await asyncio.to_thread(typer.main.get_command(commands.app).main, words, standalone_mode=False)
    printed = " ".join(capsys.readouterr().out.split())
    invoices.pay(made["id"])
    await tandem.drain()
    paid = await succeeded(console, "GET", f"/api/invoices/{invoice}")

    assert (found["state"], found["overdue"], found["recorded"][:13]) == ("open", True, "overdue since")
    assert f"overdue since {found['due_at'][:10]}" in page.text
    assert f"{found['due_at'][:10]}, overdue" in printed
    assert (paid["state"], paid["overdue"]) == ("paid", False)


async def test_one_that_is_still_to_be_paid_is_not_overdue(
    invoices: Invoices, tandem: InProcess, console: Console
) -> None:
    """The day until when is shown as soon as it is finalized."""
    invoice = await invoices.generated("100")
    found = await succeeded(console, "GET", f"/api/invoices/{invoice}")

    assert (found["state"], found["overdue"], found["due_at"] is None) == ("open", False, False)


async def test_words_of_a_failure_go_when_it_is_paid_outside_of_stripe(invoices: Invoices, tandem: InProcess) -> None:
    """Stripe counts one attempt then, as of an invoice that was paid at once."""
    invoice = await invoices.generated("100")
    [made] = invoices.stripe()
    invoices.pay(made["id"], "failed")
    await tandem.drain()
    failed = invoices.settings(invoice)[STATE]
    tandem.call("stripe", "POST", f"/v1/invoices/{made['id']}/pay", data={"paid_out_of_band": "true"})
    await tandem.drain()

    assert (failed, invoices.settings(invoice)[STATE]) == ("payment failed", "")
