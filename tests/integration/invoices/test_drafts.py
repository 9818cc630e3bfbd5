"""A draft at Stripe: filled with Togai's lines and compared to the cent, whoever touches it meanwhile."""

from __future__ import annotations

import pytest

from tests.integration.invoices.conftest import Invoices
from tests.stack.in_process import InProcess


@pytest.mark.parametrize(
    ("change", "total", "status"),
    [({"status": "VOID"}, 1000, "draft"), ({"status": "PARTIALLY_PAID", "paid": "4"}, 600, "open")],
)
async def test_a_draft_is_compared_again_when_its_finalizing_failed(
    invoices: Invoices, tandem: InProcess, change: dict[str, str], total: int, status: str
) -> None:
    """What was voided meanwhile is neither sent nor charged; what was paid in part asks for the rest from the first."""
    invoice = invoices.generate("10")
    await invoices.bring_while_it_fails(invoice, "invoices.finalize", **change)
    [made] = invoices.stripe()

    assert (made["status"], made["total"], len(invoices.mails())) == (status, total, int(status == "open"))
    assert tandem.letters() == []


async def test_a_draft_that_somebody_changed_is_not_finalized(invoices: Invoices, tandem: InProcess) -> None:
    """The penny gate: the draft stays and is marked, the dead letter names the difference line by line."""

    async def meddle() -> None:
        body = {"lines[0][amount]": "100", "lines[0][description]": "Extra"}
        tandem.call("stripe", "POST", f"/v1/invoices/{invoices.stripe()[0]['id']}/add_lines", data=body)

    tandem.before_write("invoices.retrieve", meddle)
    await invoices.generated("10")
    [made], [letter] = invoices.stripe(), tandem.letters()

    assert (made["status"], made["auto_advance"], invoices.mails()) == ("draft", False, [])
    assert made["metadata"]["togai_held"] == "Togai 1000, here 1100"
    assert "comes to 11.00 USD" in str(letter)
    assert "What differs: Extra: 1.00 in Stripe, not in Togai." in str(letter)


async def test_what_a_draft_says_of_a_difference_goes_with_it(invoices: Invoices, tandem: InProcess) -> None:
    """Whoever looks at the open invoice in Stripe finds no word of a difference that was put right."""

    async def meddle() -> None:
        body = {"lines[0][amount]": "100", "lines[0][description]": "Extra"}
        tandem.call("stripe", "POST", f"/v1/invoices/{invoices.stripe()[0]['id']}/add_lines", data=body)

    tandem.before_write("invoices.retrieve", meddle)
    invoice = await invoices.generated("10")
    [draft] = invoices.stripe()
    rows = tandem.call("stripe", "GET", f"/v1/invoices/{draft['id']}/lines")["data"]
    [extra] = [row["id"] for row in rows if row["description"] == "Extra"]
    gone = {"lines[0][id]": extra, "lines[0][behavior]": "delete"}
    tandem.call("stripe", "POST", f"/v1/invoices/{draft['id']}/remove_lines", data=gone)
    await invoices.bring(invoice, "invoice.updated")
    [made] = invoices.stripe()

    assert "togai_held" in draft["metadata"]
    assert (made["status"], "togai_held" in made["metadata"]) == ("open", False)


async def test_a_draft_is_filled_again_after_somebody_emptied_it(invoices: Invoices, tandem: InProcess) -> None:
    """Stripe's stored answer to the same call adds nothing: the next key does."""
    match = {"account": tandem.accounts["stripe"]["id"], "operation": "invoices.finalize"}
    with tandem.control.fault(app="stripe", kind="error_before", match=match, stored=False):
        invoice = await invoices.generated("10", "5")
        [draft] = invoices.stripe()
        ids = [line["id"] for line in tandem.call("stripe", "GET", f"/v1/invoices/{draft['id']}/lines")["data"]]
        gone = {f"lines[{n}][{k}]": v for n, i in enumerate(ids) for k, v in (("id", i), ("behavior", "delete"))}
        tandem.call("stripe", "POST", f"/v1/invoices/{draft['id']}/remove_lines", data=gone)
    await invoices.bring(invoice, "invoice.updated")
    await tandem.recheck()

    assert [(made["status"], made["total"]) for made in invoices.stripe()] == [("open", 1500)]
    assert (len(invoices.mails()), tandem.letters()) == (1, [])


async def test_what_a_person_added_stays(invoices: Invoices, tandem: InProcess) -> None:
    """Lines that are not Togai's are left alone where the draft is filled again: the gate says whether they may."""
    match = {"account": tandem.accounts["stripe"]["id"], "operation": "invoices.finalize"}
    with tandem.control.fault(app="stripe", kind="error_before", match=match, stored=False):
        invoice = await invoices.generated("10", "5")
        [draft] = invoices.stripe()
        path = f"/v1/invoices/{draft['id']}"
        [line, *_] = tandem.call("stripe", "GET", f"{path}/lines")["data"]
        gone = {"lines[0][id]": line["id"], "lines[0][behavior]": "delete"}
        tandem.call("stripe", "POST", f"{path}/remove_lines", data=gone)
        for amount in ("300", "-300"):
            own = {"lines[0][amount]": amount, "lines[0][description]": "A person's own"}
            tandem.call("stripe", "POST", f"{path}/add_lines", data=own)
    await invoices.bring(invoice, "invoice.updated")
    await tandem.recheck()
    [made] = invoices.stripe()

    assert (made["status"], made["total"]) == ("open", 1500)
    assert sorted(amount for _, amount in invoices.lines(made["id"])) == [-300, 300, 500, 1000]


async def test_what_was_paid_while_the_draft_waited_comes_into_it(invoices: Invoices, tandem: InProcess) -> None:
    """The same run goes on: the draft is brought to what is to be collected now."""
    match = {"account": tandem.accounts["stripe"]["id"], "operation": "invoices.finalize"}
    with tandem.control.fault(app="stripe", kind="error_before", match=match, stored=False):
        invoice = await invoices.generated("50")
        invoices.change(invoice, status="PARTIALLY_PAID", paid="20")
    await tandem.recheck()

    assert [(made["status"], made["total"]) for made in invoices.stripe()] == [("open", 3000)]
    assert tandem.letters() == []


async def test_a_line_that_is_put_back_is_named(invoices: Invoices, tandem: InProcess) -> None:
    """What a person wrote into it stands in the run that replaced it."""
    match = {"account": tandem.accounts["stripe"]["id"], "operation": "invoices.finalize"}
    with tandem.control.fault(app="stripe", kind="error_before", match=match, stored=False):
        invoice = await invoices.generated("50")
        [draft] = invoices.stripe()
        [line] = tandem.call("stripe", "GET", f"/v1/invoices/{draft['id']}/lines")["data"]
        body = {"lines[0][id]": line["id"], "lines[0][amount]": "4000"}
        tandem.call("stripe", "POST", f"/v1/invoices/{draft['id']}/update_lines", data=body)
    await tandem.recheck()
    notes = [note for step in invoices.last_run(invoice).steps for note in step.notes]

    assert [made["total"] for made in invoices.stripe()] == [5000]
    assert "taken out: Part 1 (4000 minor units)" in notes
