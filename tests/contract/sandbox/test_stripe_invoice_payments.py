"""How Stripe's invoices are paid, and how money goes back: payments, refunds, credit notes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.contract.sandbox.inside import Inside, inside
from tests.contract.sandbox.shop import Json, Shop


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inside]:
    """One application for all tests."""
    with inside(tmp_path_factory.mktemp("payments")) as made:
        yield made


@pytest.fixture
def shop(app: Inside) -> Shop:
    """A fresh account."""
    return Shop(app)


def pay(shop: Shop, invoice: Json, outcome: str = "succeeded", **more: Any) -> Json:
    """What a customer does at the invoice's page, and the invoice afterwards."""
    shop.control("POST", f"/stripe/invoices/{invoice['id']}/pay", outcome=outcome, **more)
    return shop.get(f"invoices/{invoice['id']}")


def impossible(shop: Shop, invoice: Json, outcome: str, **more: Any) -> None:
    """What nobody could do there."""
    body = {"account": shop.account, "outcome": outcome, **more}
    answer = shop.app.call("POST", f"/control/stripe/invoices/{invoice['id']}/pay", json=body)
    assert answer.status_code == 409, answer.text


def test_paid_whole(shop: Shop) -> None:
    """Paid by a charge, with a payment that leads from the intent to the invoice; events in Stripe's usual order."""
    invoice = shop.open_invoice()
    before = len(shop.types())
    paid = pay(shop, invoice)
    assert (paid["status"], paid["amount_paid"], paid["amount_remaining"], paid["attempt_count"]) == (
        "paid",
        1000,
        0,
        1,
    )
    assert shop.types()[before:] == [
        "payment_intent.created", "charge.succeeded", "payment_intent.succeeded", "invoice_payment.paid",
        "invoice.updated", "invoice.paid", "invoice.payment_succeeded",
    ]  # fmt: skip
    shown = shop.get(
        f"invoices/{invoice['id']}", expand=["payments.data.payment.payment_intent", "amount_paid_off_stripe"]
    )
    (payment,) = shown["payments"]["data"]
    assert (payment["status"], payment["amount_paid"], payment["is_default"]) == ("paid", 1000, True)
    assert shown["amount_paid_off_stripe"] == 0
    intent = payment["payment"]["payment_intent"]["id"]
    found = shop.get("invoice_payments", payment={"type": "payment_intent", "payment_intent": intent})["data"]
    assert [p["invoice"] for p in found] == [invoice["id"]]
    assert shop.get(f"invoice_payments/{payment['id']}")["invoice"] == invoice["id"]
    impossible(shop, invoice, "succeeded")


def test_paid_in_parts(shop: Shop) -> None:
    """Each part has its payment; "invoice.paid" comes with the last one; text is in the currency, a number in cents."""
    invoice = shop.open_invoice()
    first = pay(shop, invoice, amount="4.00")
    assert (first["status"], first["amount_paid"], first["amount_remaining"]) == ("open", 400, 600)
    assert "invoice.paid" not in shop.types()
    assert shop.types()[-1] == "invoice.updated"
    second = pay(shop, invoice, amount=600)
    assert (second["status"], second["amount_paid"]) == ("paid", 1000)
    assert shop.types().count("invoice.paid") == 1
    assert [p["amount_paid"] for p in shop.get("invoice_payments", invoice=invoice["id"])["data"]] == [600, 400]


def test_a_card_that_is_declined(shop: Shop) -> None:
    """The invoice stays open; the same payment is tried again."""
    invoice = shop.open_invoice()
    failed = pay(shop, invoice, "failed")
    assert (failed["status"], failed["attempted"], failed["attempt_count"]) == ("open", True, 1)
    assert shop.types()[-4:] == [
        "charge.failed", "payment_intent.payment_failed", "invoice.updated", "invoice.payment_failed"
    ]  # fmt: skip
    assert pay(shop, invoice)["status"] == "paid"
    assert len(shop.get("invoice_payments", invoice=invoice["id"])["data"]) == 1
    assert [c["status"] for c in shop.get("charges")["data"]] == ["succeeded", "failed"]


@pytest.mark.parametrize(
    ("end", "status", "event"), [("succeeded", "paid", "invoice.paid"), ("failed", "open", "invoice.payment_failed")]
)
def test_a_bank_debit(shop: Shop, end: str, status: str, event: str) -> None:
    """While it is under way the invoice stays open; a second call ends that, and nothing else fits."""
    invoice = shop.open_invoice()
    assert pay(shop, invoice, "processing")["status"] == "open"
    assert shop.get("payment_intents")["data"][0]["status"] == "processing"
    impossible(shop, invoice, "processing")
    assert pay(shop, invoice, end)["status"] == status
    assert event in shop.types()


def test_paid_too_much(shop: Shop) -> None:
    """What is over is on the customer's balance already: "invoice.overpaid"."""
    customer = shop.customer()
    invoice = shop.open_invoice(customer=customer)
    paid = pay(shop, invoice, "overpaid", amount=1250)
    assert (paid["status"], paid["amount_paid"], paid["amount_overpaid"], paid["amount_remaining"]) == (
        "paid",
        1250,
        250,
        0,
    )
    assert shop.get(f"customers/{customer}")["balance"] == -250
    assert "invoice.overpaid" in shop.types()
    assert shop.get(f"customers/{customer}/balance_transactions")["data"][0]["type"] == "invoice_overpaid"
    other = shop.open_invoice(customer=shop.customer())
    impossible(shop, other, "succeeded", amount=1001)
    impossible(shop, other, "overpaid", amount=1000)


def test_paid_outside_of_stripe(shop: Shop) -> None:
    """No intent, no charge, "invoice.paid" but not "invoice.payment_succeeded"; the amount shows on request."""
    invoice = shop.open_invoice()
    assert "default_payment_method" in shop.error("POST", f"invoices/{invoice['id']}/pay")["message"]
    paid = shop.post(f"invoices/{invoice['id']}/pay", paid_out_of_band=True)
    assert (paid["status"], paid["amount_paid"]) == ("paid", 1000)
    assert shop.types()[-2:] == ["invoice.updated", "invoice.paid"]
    assert shop.get(f"invoices/{invoice['id']}", expand=["amount_paid_off_stripe"])["amount_paid_off_stripe"] == 1000
    assert "amount_paid_off_stripe" not in shop.events("invoice.paid")[0]["data"]["object"]
    assert shop.get("payment_intents")["data"] == []
    assert shop.error("POST", f"invoices/{invoice['id']}/pay", paid_out_of_band=True)["code"] == "invoice_already_paid"


def test_a_void_invoice_cancels_its_payment(shop: Shop) -> None:
    """The intent that waits for another try is canceled; nobody can pay any more."""
    invoice = shop.open_invoice()
    pay(shop, invoice, "failed")
    shop.post(f"invoices/{invoice['id']}/void")
    assert shop.get("payment_intents")["data"][0]["cancellation_reason"] == "void_invoice"
    impossible(shop, invoice, "succeeded")


def test_a_payment_from_elsewhere(shop: Shop) -> None:
    """A succeeded intent can be attached to an open invoice, once."""
    link = shop.post("payment_links", line_items=[{"price": shop.price(1000)["id"], "quantity": 1}])
    session = shop.control("POST", "/stripe/checkout", payment_link=link["id"], outcome="paid")["session"]
    intent = shop.get(f"checkout/sessions/{session}")["payment_intent"]
    invoice = shop.open_invoice()
    assert shop.post(f"invoices/{invoice['id']}/attach_payment", payment_intent=intent)["status"] == "paid"
    other = shop.open_invoice()
    assert (
        shop.error("POST", f"invoices/{other['id']}/attach_payment", payment_intent=intent)["param"] == "payment_intent"
    )


def test_refunds(shop: Shop) -> None:
    """In parts, up to the whole; the invoice stays paid; from refund to invoice leads the payment intent."""
    invoice = shop.open_invoice()
    pay(shop, invoice)
    charge = shop.get("charges")["data"][0]
    first = shop.post("refunds", payment_intent=charge["payment_intent"], amount=400, reason="requested_by_customer")
    assert (first["status"], first["charge"], first["payment_intent"]) == (
        "succeeded",
        charge["id"],
        charge["payment_intent"],
    )
    assert "greater than unrefunded" in shop.error("POST", "refunds", charge=charge["id"], amount=601)["message"]
    shop.post("refunds", charge=charge["id"])
    found = shop.get(f"charges/{charge['id']}")
    assert (found["amount_refunded"], found["refunded"]) == (1000, True)
    assert shop.error("POST", "refunds", charge=charge["id"])["code"] == "charge_already_refunded"
    assert shop.types()[-4:] == ["charge.refunded", "refund.created"] * 2
    assert shop.get(f"invoices/{invoice['id']}")["status"] == "paid"
    assert [r["amount"] for r in shop.get("refunds", charge=charge["id"])["data"]] == [600, 400]
    assert shop.post(f"refunds/{first['id']}", metadata={"a": "1"})["metadata"] == {"a": "1"}


@pytest.mark.parametrize(
    ("outcome", "last"),
    [("won", ["charge.dispute.closed", "charge.dispute.funds_reinstated"]), ("lost", ["charge.dispute.closed"])],
)
def test_a_dispute(shop: Shop, outcome: str, last: list[str]) -> None:
    """The first call takes back what was not refunded, the second closes it; the invoice stays paid."""
    invoice = shop.open_invoice()
    pay(shop, invoice)
    charge = shop.get("charges")["data"][0]["id"]
    shop.post("refunds", charge=charge, amount=100)
    first = shop.control("POST", "/stripe/disputes", charge=charge)
    opened = shop.types()[-3:]
    second = shop.control("POST", "/stripe/disputes", charge=charge, outcome=outcome)
    again = shop.app.call("POST", "/control/stripe/disputes", json={"account": shop.account, "charge": charge})
    found = shop.get("disputes", charge=charge)["data"]

    assert opened == ["charge.updated", "charge.dispute.created", "charge.dispute.funds_withdrawn"]
    assert (first["status"], first["amount"], second["status"]) == ("needs_response", 900, outcome)
    assert shop.types()[-len(last) :] == last
    assert sum(moved["amount"] for moved in found[0]["balance_transactions"]) == (0 if outcome == "won" else -900)
    assert (again.status_code, shop.get(f"charges/{charge}")["disputed"]) == (409, True)
    assert shop.get(f"invoices/{invoice['id']}")["status"] == "paid"


@pytest.mark.parametrize(("status", "refunded"), [("succeeded", 400), ("failed", 0), ("canceled", 0)])
def test_a_refund_that_takes_days(shop: Shop, status: str, refunded: int) -> None:
    """Of a bank debit it is pending first; what does not arrive is with the charge again, and can be refunded again."""
    invoice = shop.open_invoice()
    for outcome in ("processing", "succeeded"):
        pay(shop, invoice, outcome)
    charge = shop.get("charges")["data"][0]["id"]
    refund = shop.post("refunds", charge=charge, amount=400)
    shop.control("POST", f"/stripe/refunds/{refund['id']}", status=status)
    events = [type for type in shop.types() if "refund." in type]

    assert (refund["status"], shop.get(f"refunds/{refund['id']}")["status"]) == ("pending", status)
    assert shop.get(f"charges/{charge}")["amount_refunded"] == refunded
    assert events[:3] == ["refund.created", "refund.updated", "charge.refund.updated"]
    assert ("refund.failed" in events) == (status == "failed")


def test_a_credit_note_is_mailed_unless_it_says_none(shop: Shop) -> None:
    """`email_type` is `credit_note` where nothing is said."""
    invoice = shop.open_invoice()
    shop.post("credit_notes", invoice=invoice["id"], amount=100, email_type="none")
    shop.post("credit_notes", invoice=invoice["id"], amount=300)
    (mail,) = shop.app.control("GET", "/outbox", account=shop.account)["mails"]
    assert (mail["invoice"], mail["subject"].partition(":")[2]) == (invoice["id"], " 3.00 usd")


def test_a_credit_note_before_the_payment(shop: Shop) -> None:
    """It lowers what is open, and can be taken back; over the whole the invoice is paid by it."""
    invoice = shop.open_invoice()
    note = shop.post("credit_notes", invoice=invoice["id"], amount=300, memo="Sorry", reason="order_change")
    assert (note["type"], note["pre_payment_amount"], note["post_payment_amount"]) == ("pre_payment", 300, 0)
    assert note["number"].endswith("-0001-CN-01")
    lower = shop.get(f"invoices/{invoice['id']}")
    assert (lower["amount_remaining"], lower["pre_payment_credit_notes_amount"], lower["total"]) == (700, 300, 1000)
    assert lower["amount_due"] == 700
    assert shop.post(f"credit_notes/{note['id']}/void")["status"] == "void"
    assert shop.get(f"invoices/{invoice['id']}")["amount_remaining"] == 1000
    line = invoice["lines"]["data"][0]["id"]
    lines = [{"type": "invoice_line_item", "invoice_line_item": line, "quantity": 1}]
    shop.post("credit_notes", invoice=invoice["id"], lines=lines)
    assert shop.get(f"invoices/{invoice['id']}")["status"] == "paid"
    assert [e for e in shop.types() if e.startswith("credit_note")] == [
        "credit_note.created", "credit_note.voided", "credit_note.created"
    ]  # fmt: skip


def test_a_credit_note_after_the_payment(shop: Shop) -> None:
    """It says where the money goes: to the card, to the balance, or elsewhere; the invoice stays paid."""
    customer = shop.customer()
    invoice = shop.open_invoice(customer=customer)
    pay(shop, invoice)
    assert shop.error("POST", "credit_notes", invoice=invoice["id"], amount=500)["param"] == "refund_amount"
    note = shop.post(
        "credit_notes", invoice=invoice["id"], amount=500, refund_amount=200, credit_amount=250, out_of_band_amount=50
    )
    assert (note["type"], note["post_payment_amount"], note["refunds"][0]["amount_refunded"]) == (
        "post_payment",
        500,
        200,
    )
    assert shop.get(f"customers/{customer}")["balance"] == -250
    found = shop.get(f"invoices/{invoice['id']}")
    assert (found["status"], found["post_payment_credit_notes_amount"], found["amount_paid"]) == ("paid", 500, 1000)
    assert shop.error("POST", "credit_notes", invoice=invoice["id"], amount=501, credit_amount=501)["param"] == "amount"
    assert [n["id"] for n in shop.get("credit_notes", invoice=invoice["id"])["data"]] == [note["id"]]
    assert shop.call("GET", f"credit_notes/{note['id']}/lines", {}).json()["data"][0]["amount"] == 500
    draft = shop.draft(amount=1000)
    assert shop.error("POST", "credit_notes", invoice=draft["id"], amount=5)["param"] == "invoice"


def test_the_page_of_an_invoice(shop: Shop) -> None:
    """A person sees what is open, is declined, pays a part, then the rest; a draft has no page."""
    invoice = shop.open_invoice(amount=1234)
    place = invoice["hosted_invoice_url"].removeprefix("http://sandbox")
    assert "12.34 usd" in shop.app.call("GET", place).text
    declined = shop.app.call("POST", place, data={"outcome": "failed"})
    assert (declined.status_code, "declined" in declined.text) == (409, True)
    assert "10.00" in shop.app.call("POST", place, data={"outcome": "succeeded", "amount": "2.34"}).text
    assert shop.app.call("POST", place, data={"outcome": "succeeded", "amount": "much"}).status_code == 409
    assert "This invoice is paid." in shop.app.call("POST", place, data={"outcome": "succeeded"}).text
    assert invoice["id"] in shop.app.call("GET", "/").text
    draft = place.replace(invoice["id"], shop.draft()["id"])
    assert shop.app.call("GET", draft).status_code == 404


def test_the_same_payment_in_another_order(shop: Shop) -> None:
    """By control the events of one payment come shuffled, each as it was."""
    usual = None
    for seed in (False, 1, 2, 3):
        invoice = shop.open_invoice()
        before = len(shop.types())
        pay(shop, invoice, "succeeded", shuffled=seed)
        found = shop.types()[before:]
        usual = usual or found
        assert sorted(found) == sorted(usual)
    assert found != usual
