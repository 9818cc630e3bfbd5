"""Stripe's invoices: lines, totals, and the way from a draft to what it ends as."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.contract.sandbox.inside import Inside, inside
from tests.contract.sandbox.shop import Json, Shop


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inside]:
    """One application for all tests."""
    with inside(tmp_path_factory.mktemp("invoices")) as made:
        yield made


@pytest.fixture
def shop(app: Inside) -> Shop:
    """A fresh account."""
    return Shop(app)


def test_from_draft_to_sent(shop: Shop) -> None:
    """Created, given lines, finalized and sent: events in Stripe's order, a number, a page, a mail in the outbox."""
    draft = shop.draft(metadata={"togai": "inv.1"})
    assert (draft["status"], draft["auto_advance"], draft["total"], draft["number"]) == ("draft", False, 0, None)
    lines = [{"amount": 1000, "description": "Fee", "metadata": {"n": "1"}}, {"amount": -250, "description": "Less"}]
    more = shop.post(f"invoices/{draft['id']}/add_lines", lines=lines, invoice_metadata={"more": "1"})
    assert (more["subtotal"], more["total"], more["amount_due"]) == (750, 750, 750)
    assert more["metadata"] == {"togai": "inv.1", "more": "1"}
    assert [(line["amount"], line["description"]) for line in more["lines"]["data"]] == [(1000, "Fee"), (-250, "Less")]
    done = shop.post(f"invoices/{draft['id']}/finalize")
    assert (done["status"], done["amount_remaining"], done["attempted"]) == ("open", 750, False)
    assert done["number"].endswith("-0001")
    assert done["hosted_invoice_url"].startswith("http://sandbox/pay/")
    assert shop.post(f"invoices/{draft['id']}/send")["status"] == "open"
    assert shop.types() == [
        "customer.created", "customer.updated", "invoice.created", "invoiceitem.created", "invoiceitem.created",
        "invoice.updated", "invoice.finalized", "invoice.sent",
    ]  # fmt: skip
    (mail,) = shop.app.control("GET", "/outbox", account=shop.account)["mails"]
    assert (mail["to"], mail["invoice"]) == ("a@example.com", draft["id"])
    assert "7.50 usd" in mail["subject"]
    assert "a@example.com" in shop.app.call("GET", "/outbox").text


def test_what_a_line_costs(shop: Shop) -> None:
    """By amount, by price, by a price that comes along; a fraction is rounded once, after the multiplication."""
    product = shop.post("products", name="Fee")["id"]
    price = shop.post("prices", product=product, currency="usd", unit_amount_decimal="816.5")["id"]
    lines = [
        {"pricing": {"price": price}, "quantity": 2},
        {"price_data": {"currency": "usd", "product": product, "unit_amount_decimal": "0.5"}, "quantity": 3},
        {"amount": 10, "quantity_decimal": "3"},
        {"price_data": {"currency": "usd", "product_data": {"name": "x"}, "unit_amount": 7}, "quantity_decimal": "1.5"},
    ]  # fmt: skip
    found = shop.post(f"invoices/{shop.draft()['id']}/add_lines", lines=lines)["lines"]["data"]
    assert [line["amount"] for line in found] == [1633, 2, 10, 11]
    assert found[0]["pricing"]["price_details"] == {"price": price, "product": product}
    assert [line["quantity_decimal"] for line in found] == ["2", "3", "3", "1.5"]


def test_taxes(shop: Shop) -> None:
    """An exclusive tax comes on top, an inclusive one is in the amount; there is no field `tax`."""

    def rate(inclusive: bool) -> Json:
        data = {"display_name": "VAT", "percentage": 20, "inclusive": inclusive}
        return {"amount": 200, "taxable_amount": 1000, "tax_rate_data": data}

    lines = [{"amount": 1000, "tax_amounts": [rate(False)]}, {"amount": 1200, "tax_amounts": [rate(True)]}]
    found = shop.post(f"invoices/{shop.draft()['id']}/add_lines", lines=lines)
    assert (found["subtotal"], found["total"], found["total_excluding_tax"]) == (2200, 2400, 2000)
    assert [(tax["amount"], tax["tax_behavior"]) for tax in found["total_taxes"]] == [
        (200, "exclusive"),
        (200, "inclusive"),
    ]
    assert "tax" not in found


def test_pages_of_lines(shop: Shop) -> None:
    """An invoice shows its first ten lines; the rest has to be asked for; 250 is the most."""
    place = f"invoices/{shop.draft()['id']}"
    shop.post(f"{place}/add_lines", lines=[{"amount": n} for n in range(1, 13)])
    embedded = shop.get(place)["lines"]
    assert ([line["amount"] for line in embedded["data"]], embedded["has_more"]) == (list(range(1, 11)), True)
    rest = shop.get(f"{place}/lines", starting_after=embedded["data"][-1]["id"])
    assert ([line["amount"] for line in rest["data"]], rest["has_more"]) == ([11, 12], False)
    back = shop.get(f"{place}/lines", ending_before=rest["data"][0]["id"], limit=2)
    assert ([line["amount"] for line in back["data"]], back["has_more"]) == ([9, 10], True)
    shop.post(f"{place}/add_lines", lines=[{"amount": 1}] * 238)
    assert "250" in shop.error("POST", f"{place}/add_lines", lines=[{"amount": 1}])["message"]
    assert shop.get(place)["total"] == sum(range(1, 13)) + 238


def test_lines_all_or_none(shop: Shop) -> None:
    """One wrong line among good ones leaves the draft, its items and the list of events as they were."""
    place = f"invoices/{shop.draft()['id']}"
    before = shop.types()
    shop.error("POST", f"{place}/add_lines", lines=[{"amount": 5}, {"pricing": {"price": "price_none"}}])
    assert (shop.get(place)["total"], shop.get("invoiceitems")["data"], shop.types()) == (0, [], before)


def test_lines_change_and_go(shop: Shop) -> None:
    """By id: another amount, a line deleted, a line whose item waits for another invoice."""
    place = f"invoices/{shop.draft()['id']}"
    lines = shop.post(f"{place}/add_lines", lines=[{"amount": n} for n in (100, 200, 300)])["lines"]["data"]
    changed = shop.post(f"{place}/update_lines", lines=[{"id": lines[0]["id"], "amount": 150, "description": "More"}])
    assert (changed["total"], changed["lines"]["data"][0]["description"]) == (650, "More")
    gone = [{"id": lines[1]["id"], "behavior": "delete"}, {"id": lines[2]["id"], "behavior": "unassign"}]
    assert shop.post(f"{place}/remove_lines", lines=gone)["total"] == 150
    pending = shop.get("invoiceitems", pending=True)["data"]
    assert [item["amount"] for item in pending] == [300]
    again = shop.post(f"{place}/add_lines", lines=[{"invoice_item": pending[0]["id"]}])
    assert again["total"] == 450


def test_invoice_items(shop: Shop) -> None:
    """Pending items come along when an invoice asks for them; one can be put on a draft, changed and taken off."""
    customer = shop.customer()
    shop.post("invoiceitems", customer=customer, currency="usd", amount=500)
    assert shop.draft(customer=customer)["total"] == 0
    draft = shop.draft(customer=customer, pending_invoice_items_behavior="include")
    item = shop.post("invoiceitems", customer=customer, invoice=draft["id"], unit_amount_decimal="33.5", quantity=2)
    assert (item["amount"], shop.get(f"invoices/{draft['id']}")["total"]) == (67, 567)
    shop.post(f"invoiceitems/{item['id']}", amount=70)
    assert shop.get(f"invoices/{draft['id']}")["total"] == 570
    shop.delete(f"invoiceitems/{item['id']}")
    assert shop.get(f"invoices/{draft['id']}")["total"] == 500
    assert [i["amount"] for i in shop.get("invoiceitems", invoice=draft["id"])["data"]] == [500]


def test_what_a_status_allows(shop: Shop) -> None:
    """Every change of status that Stripe draws, and no other one."""
    steps = {
        "draft": {"finalize", "send", "delete", "pay"}, "open": {"send", "void", "mark_uncollectible", "pay"},
        "paid": {"send"}, "void": set(), "uncollectible": {"void", "pay"},
    }  # fmt: skip
    ways: dict[str, tuple[str, ...]] = {
        "draft": (), "open": ("finalize",), "paid": ("finalize", "pay"), "void": ("finalize", "void"),
        "uncollectible": ("finalize", "mark_uncollectible"),
    }  # fmt: skip
    customer = shop.customer()
    for status, allowed in steps.items():
        for step in ("finalize", "send", "void", "mark_uncollectible", "pay", "delete"):
            id = shop.draft(customer=customer, amount=1000)["id"]
            for way in ways[status]:
                shop.step(id, way)
            assert shop.get(f"invoices/{id}")["status"] == status
            assert (shop.try_step(id, step) == 200) == (step in allowed or (status, step) == ("draft", "pay")), (
                status,
                step,
            )


def test_finalized_is_fixed(shop: Shop) -> None:
    """No more lines, no other dates; metadata can still be written."""
    place = f"invoices/{shop.open_invoice()['id']}"
    assert shop.error("POST", f"{place}/add_lines", lines=[{"amount": 5}])["code"] == "invoice_not_editable"
    assert shop.error("POST", place, description="x")["code"] == "invoice_not_editable"
    assert shop.post(place, metadata={"a": "1"})["metadata"] == {"a": "1"}


def test_an_address_is_needed_to_send(shop: Shop) -> None:
    """Without an e-mail no invoice that is to be sent is made; a due date belongs to it, and lies ahead."""
    nameless = shop.post("customers", name="No mail")["id"]
    for params, words in (
        ({"customer": nameless, "collection_method": "send_invoice", "days_until_due": 5}, "Missing email."),
        ({"customer": shop.customer(), "collection_method": "send_invoice"}, "days_until_due"),
        ({"customer": shop.customer(), "days_until_due": 5}, "send_invoice"),
        ({"customer": shop.customer(), "collection_method": "send_invoice", "due_date": 1}, "future"),
        ({"customer": shop.customer(), "automatic_tax": {"enabled": True}}, "does not serve"),
        ({"customer": "cus_none"}, "No such customer"), ({"customer": shop.customer(), "currency": "xxx"}, "currency"),
    ):  # fmt: skip
        assert words in shop.error("POST", "invoices", **params)["message"]
    assert shop.get("invoices")["data"] == []


def test_one_currency_for_each_customer(shop: Shop) -> None:
    """The first invoice fixes it; another one is refused, and no draft is left."""
    customer = shop.customer()
    shop.draft(customer=customer, currency="usd")
    assert shop.get(f"customers/{customer}")["currency"] == "usd"
    error = shop.error("POST", "invoices", customer=customer, currency="eur")
    assert "cannot combine currencies" in error["message"]
    assert len(shop.get("invoices", customer=customer)["data"]) == 1


def test_nothing_to_pay_is_paid(shop: Shop) -> None:
    """An empty or zero invoice is paid when it is finalized; no payment is made."""
    done = shop.post(f"invoices/{shop.draft()['id']}/finalize")
    assert (done["status"], done["amount_paid"]) == ("paid", 0)
    assert shop.types()[-2:] == ["invoice.finalized", "invoice.paid"]
    assert shop.get("invoice_payments")["data"] == []


def test_below_the_smallest_charge(shop: Shop) -> None:
    """It is paid without a payment and carried to the balance; the next invoice asks for it too."""
    customer = shop.customer()
    small = shop.open_invoice(customer=customer, amount=18)
    assert (small["status"], small["amount_paid"], small["amount_due"], small["ending_balance"]) == ("paid", 0, 0, 18)
    (moved,) = shop.get(f"customers/{customer}/balance_transactions")["data"]
    assert (moved["type"], moved["amount"], moved["invoice"]) == ("invoice_too_small", 18, small["id"])
    following = shop.open_invoice(customer=customer, amount=1000)
    assert (following["total"], following["amount_due"], following["starting_balance"]) == (1000, 1018, 18)
    assert shop.get(f"customers/{customer}")["balance"] == 0


def test_credit_pays_first(shop: Shop) -> None:
    """Credit lowers what is due and is used up; voiding gives it back; what is owed to the customer stays."""
    customer = shop.customer()
    shop.post(f"customers/{customer}/balance_transactions", amount=-300, currency="usd")
    found = shop.open_invoice(customer=customer, amount=1000)
    assert (found["total"], found["amount_due"], found["ending_balance"]) == (1000, 700, 0)
    shop.post(f"invoices/{found['id']}/void")
    assert shop.get(f"customers/{customer}")["balance"] == -300
    negative = shop.open_invoice(customer=customer, amount=-50)
    assert (negative["status"], negative["amount_due"], negative["ending_balance"]) == ("paid", 0, -350)
    assert shop.get(f"customers/{customer}")["balance"] == -350


def test_a_balance_that_is_set(shop: Shop) -> None:
    """With the customer or by an update: each is a transaction."""
    customer = shop.post("customers", name="ACME", balance=-500)["id"]
    shop.post(f"customers/{customer}", balance=-200)
    found = shop.get(f"customers/{customer}/balance_transactions")["data"]
    assert [(t["type"], t["amount"], t["ending_balance"]) for t in found] == [
        ("adjustment", 300, -200), ("initial", -500, -500)
    ]  # fmt: skip


def test_drafts_that_advance(shop: Shop) -> None:
    """An hour after it was made such a draft is finalized; one that cannot be says why, and stays."""
    customer = shop.customer()
    good, still = shop.draft(1000, customer=customer, auto_advance=True), shop.draft(1000, customer=customer)
    bad = shop.draft(1000, auto_advance=True)
    shop.post(f"customers/{bad['customer']}", email="")
    shop.app.control("POST", "/clock", {"advance": 3601})
    found = {
        name: shop.get(f"invoices/{draft['id']}") for name, draft in (("good", good), ("still", still), ("bad", bad))
    }
    assert {name: invoice["status"] for name, invoice in found.items()} == {
        "good": "open",
        "still": "draft",
        "bad": "draft",
    }
    assert "Missing email" in found["bad"]["last_finalization_error"]["message"]
    assert shop.types()[-1] == "invoice.finalization_failed"


@pytest.mark.parametrize(
    ("currency", "amount", "due"), [("kwd", 18600, 18600), ("kwd", 18605, None), ("isk", 150, 200), ("jpy", 500, 500)]
)
def test_currencies_with_other_steps(shop: Shop, currency: str, amount: int, due: int | None) -> None:
    """Three decimals end with 0; a fraction of a króna is rounded, and the rest goes to the balance."""
    draft = shop.draft(currency=currency)["id"]
    if due is None:
        assert "last digit" in shop.error("POST", f"invoices/{draft}/add_lines", lines=[{"amount": amount}])["message"]
        return
    shop.post(f"invoices/{draft}/add_lines", lines=[{"amount": amount}])
    done = shop.post(f"invoices/{draft}/finalize")
    assert (done["total"], done["amount_due"], done["ending_balance"]) == (amount, due, amount - due)


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({}, "lines[0][amount]"),
    ({"amount": 5, "pricing": {"price": "x"}}, "lines[0][amount]"),
    ({"pricing": {"price": "price_none"}}, "lines[0][pricing][price]"),
    ({"amount": 5, "tax_rates": ["txr_1"]}, "lines[0][tax_rates]"),
    ({"amount": 5, "discounts": [{"coupon": "c"}]}, "lines[0][discounts]"),
    ({"amount": 5, "quantity": 2, "quantity_decimal": "2"}, "lines[0][quantity]"),
    ({"amount": 5, "period": {"start": 2, "end": 1}}, "lines[0][period]"),
    ({"amount": 100_000_000}, "lines[0][amount]"),
    (
        {"price_data": {"currency": "eur", "unit_amount": 5, "product_data": {"name": "x"}}},
        "lines[0][price_data][currency]",
    ),
]


@pytest.mark.parametrize(("line", "param"), REFUSED)
def test_refused_lines(shop: Shop, line: dict[str, Any], param: str) -> None:
    """What is no line is refused with the parameter's name."""
    place = f"invoices/{shop.draft()['id']}/add_lines"
    assert shop.error("POST", place, lines=[line or {"description": "x"}])["param"] == param


def test_lists_of_invoices(shop: Shop) -> None:
    """By customer, status and how they are collected."""
    customer = shop.customer()
    sent, draft = shop.open_invoice(customer=customer), shop.draft(customer=customer)
    automatic = shop.post("invoices", customer=customer)
    other = shop.draft()
    ids = [found["id"] for found in shop.get("invoices")["data"]]
    assert ids == [other["id"], automatic["id"], draft["id"], sent["id"]]
    assert [i["id"] for i in shop.get("invoices", customer=customer, status="open")["data"]] == [sent["id"]]
    found = shop.get("invoices", collection_method="charge_automatically")["data"]
    assert [i["id"] for i in found] == [automatic["id"]]
    assert [i["id"] for i in shop.get("invoices", due_date={"lt": sent["due_date"]})["data"]] == []


def test_rights_on_invoices(shop: Shop) -> None:
    """One right covers invoices, their items and payments; credit notes and refunds have their own."""
    key = shop.control("POST", "/keys", rights={"invoices": "read"})["key"]
    for path in ("invoices", "invoiceitems", "invoice_payments"):
        assert shop.call("GET", path, {}, key).status_code == 200
    for path, right in (("credit_notes", "rak_credit_note_read"), ("refunds", "rak_charge_read")):
        assert right in shop.call("GET", path, {}, key).json()["error"]["message"]
    assert shop.call("POST", "invoices", {"customer": shop.customer()}, key).status_code == 403


@pytest.mark.parametrize(("said", "total"), [({}, 900), ({"discounts": ""}, 1000)])
def test_a_customers_discount_is_on_each_invoice_that_says_nothing(shop: Shop, said: Json, total: int) -> None:
    """An empty value keeps it away. Both are valid by Stripe's schema, and so is the customer."""
    draft = shop.draft()
    body = {"account": shop.account, "percent": 10}
    shop.app.control("POST", f"/stripe/customers/{draft['customer']}", body)
    given = shop.post("invoices", customer=draft["customer"], **said)
    made = shop.post(f"invoices/{given['id']}/add_lines", lines=[{"amount": 1000, "description": "Fee"}])

    assert (made["subtotal"], made["total"], made["amount_due"]) == (1000, total, total)
    assert [row["amount"] for row in made["total_discount_amounts"]] == ([] if said else [100])
    assert shop.get(f"customers/{draft['customer']}")["discount"]["source"]["type"] == "coupon"
