"""Togai's invoices and payments: what an invoice is made of, what it becomes, and who tells."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from togai_client.models.create_payment_request import CreatePaymentRequest

from tests.contract.sandbox.inside import Inside, inside
from tests.contract.sandbox.togai_invoices import NEW_INVOICE, NEW_PAYMENT
from tests.contract.sandbox.togai_org import Org


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inside]:
    """One application for all tests."""
    with inside(tmp_path_factory.mktemp("invoices")) as made:
        yield made


@pytest.fixture
def org(app: Inside) -> Org:
    """A fresh organization."""
    return Org(app)


def exact(text: str) -> Any:
    """An answer with its amounts as they were written."""
    return json.loads(text, parse_float=Decimal)


def leaves(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The lines at the ends of a tree."""
    for item in node.get("lineItems", []):
        yield from leaves(item)
    if "lineItems" not in node:
        yield node


def adds_up(node: dict[str, Any]) -> bool:
    """Whether every number is the sum of those below it."""
    inner = node.get("lineItems", [])
    return not inner or (Decimal(node["value"]) == sum(Decimal(i["value"]) for i in inner) and all(map(adds_up, inner)))


LINES = [
    {"name": "Calls", "amount": "589.94", "quantity": "32109", "rate": "0.001", "type": "USAGE_RATE_CARD_AMOUNT"},
    {"name": "Fee", "amount": "392.10"}, {"name": "In advance", "amount": "10", "type": "ADVANCED_FIXED_FEE"},
    {"name": "Set-up", "amount": "7.5", "type": "MISCELLANEOUS_CHARGE"},
]  # fmt: skip


def test_the_tree_of_lines(org: Org) -> None:
    """Every number is the sum of those below; reductions have a minus; amounts are what was given, digit by digit."""
    made = org.invoice(lines=LINES, tax="20.05", discount="50", credits="100.01")
    answer = org.app.call("GET", f"/togai/invoices/{made['id']}", org.token)
    found = exact(answer.text)
    assert found["totalAmount"] == Decimal("869.58")
    assert found["revenueInfo"]["type"] == "GRAND_TOTAL_AMOUNT"
    assert adds_up(found["revenueInfo"])
    assert [(line["type"], Decimal(line["value"])) for line in leaves(found["revenueInfo"])] == [
        ("USAGE_RATE_CARD_SLAB_AMOUNT", Decimal("589.94")), ("FIXED_FEE_RATE_CARD_AMOUNT", Decimal("392.10")),
        ("ADVANCED_FIXED_FEE", 10), ("MISCELLANEOUS_CHARGE", Decimal("7.5")),
        ("PRICING_RULE_ADDITION_AMOUNT", -50), ("SUB_CREDITS", Decimal("-100.01")), ("TAX_AMOUNT", Decimal("20.05")),
    ]  # fmt: skip
    assert {line["units"] for line in leaves(found["revenueInfo"])} == {"USD"}
    assert not [name for name in found if name.startswith("_")]


def test_a_tree_that_does_not_add_up(org: Org) -> None:
    """A total that the lines do not give stands at the top, as in the vendor's own example."""
    made = org.invoice(total="99.99")
    assert (made["totalAmount"], adds_up(made["revenueInfo"])) == (99.99, False)


@pytest.mark.parametrize(
    ("given", "status", "paid"),
    [
        ({"status": "DRAFT"}, "DRAFT", 0), ({"status": "DUE"}, "DUE", 0), ({"status": "PAID"}, "PAID", 100),
        ({"status": "MERGED"}, "MERGED", 0), ({"status": "PARTIALLY_PAID", "paid": "40"}, "PARTIALLY_PAID", 40),
        ({"status": "DUE", "total": "0"}, "PAID", 0), ({"status": "DUE", "total": "-5"}, "REFUND_COMPLETED", 0),
    ],
)  # fmt: skip
def test_statuses(org: Org, given: dict[str, Any], status: str, paid: int) -> None:
    """Nothing to pay is paid, what is owed to the customer is refunded, and paid is paid in full."""
    made = org.invoice(**given)
    assert (made["status"], made["paidAmount"]) == (status, paid)
    listed = org.good("GET", f"/invoices?status={status}&owner_id=A1")["data"]
    assert [item["id"] for item in listed] == [made["id"]]
    assert "revenueInfo" not in listed[0]


def test_what_an_invoice_can_become(org: Org) -> None:
    """Every change of status that Togai's docs draw, and no other one."""
    every = ("DUE", "PAID", "VOID", "UN_COLLECTIBLE", "REFUND_INITIATED")
    allowed = {
        ("DRAFT", "DUE"), ("DRAFT", "VOID"), ("DUE", "PAID"), ("DUE", "UN_COLLECTIBLE"), ("DUE", "VOID"),
        ("PARTIALLY_PAID", "PAID"), ("PAID", "REFUND_INITIATED"), ("UN_COLLECTIBLE", "PAID"),
        ("UN_COLLECTIBLE", "VOID"),
    }  # fmt: skip
    for before in ("DRAFT", "DUE", "PARTIALLY_PAID", "PAID", "UN_COLLECTIBLE", "VOID", "MERGED", "REFUND_COMPLETED"):
        for after in every:
            made = org.invoice(status=before)
            answer = org.call("PATCH", f"/invoices/{made['id']}", {"status": after})
            expected = 200 if (before, after) in allowed or before == after else 400
            assert answer.status_code == expected, (before, after, answer.text)


def test_payments_in_parts(org: Org) -> None:
    """Part by part until nothing is open; more than is open is refused, and so is the same payment at the end."""
    invoice = org.invoice()["id"]
    assert org.pay(invoice, 40.5).status_code == 201
    assert org.good("GET", f"/invoices/{invoice}")["status"] == "PARTIALLY_PAID"
    assert "59.5" in org.pay(invoice, 59.51).json()["message"]
    assert org.pay(invoice, 59.5).status_code == 201
    found = org.good("GET", f"/invoices/{invoice}")
    assert (found["status"], found["paidAmount"]) == ("PAID", 100)
    assert org.pay(invoice, 59.5).status_code == 400
    assert [p["totalAmount"] for p in org.good("GET", "/payments?account_id=A1")["data"]] == [59.5, 40.5]


def test_nothing_keeps_a_payment_from_coming_twice(org: Org) -> None:
    """The same payment, with the same transaction number, counts again while something is open."""
    invoice = org.invoice()["id"]
    first, second = org.pay(invoice, 30).json(), org.pay(invoice, 30).json()
    assert first["id"] != second["id"]
    assert org.good("GET", f"/invoices/{invoice}")["paidAmount"] == 60
    assert org.good("GET", f"/payments/{first['id']}")["externalPaymentReferences"]["transactionNumber"] == "pi_1"


def test_refused_payments(org: Org) -> None:
    """Another currency, an unknown account or invoice, one that takes none, lines over the total: nothing is paid."""
    invoice, draft = org.invoice()["id"], org.invoice(status="DRAFT")["id"]
    answers = [
        org.pay(invoice, 10, currency="EUR"), org.pay(draft, 10), org.pay(invoice, 10, totalAmount=9),
        org.pay(invoice, 10, accountId="nobody"), org.pay("inv.none", 10),
    ]  # fmt: skip
    assert [answer.status_code for answer in answers] == [400, 400, 400, 404, 404]
    assert org.good("GET", f"/invoices/{invoice}")["paidAmount"] == 0
    assert org.good("GET", "/payments")["data"] == []


def test_an_overpayment_goes_to_the_wallet(org: Org) -> None:
    """What is beyond the invoice stands in a line of its own."""
    invoice = org.invoice()["id"]
    lines = [{"type": "INVOICE", "togaiId": invoice, "amount": 100, "order": 1},
             {"type": "WALLET_CREDIT", "amount": 5, "order": 2}]  # fmt: skip
    assert org.pay(invoice, 105, lineItemRecords=lines).json()["totalAmount"] == 105
    assert org.good("GET", f"/invoices/{invoice}")["status"] == "PAID"


def test_the_vendors_client_sends_such_a_payment() -> None:
    """The body of the tests is one that togai-client knows, field by field."""
    sent = CreatePaymentRequest.from_dict(NEW_PAYMENT)
    assert sent is not None
    assert sent.to_dict() == NEW_PAYMENT


def test_webhooks_of_invoices(org: Org) -> None:
    """One when it is generated and one for each change; an order has its own; a payment tells by its invoice."""
    for event in ("Invoice generation", "Invoice updation", "Order generation"):
        org.app.control(
            "POST", "/subscriptions", {"account": org.account, "event": event, "url": "http://127.0.0.1:9/x"}
        )
    invoice, order = org.invoice()["id"], org.invoice(**{"class": "ORDER"})["id"]
    org.pay(invoice, 100)
    org.app.control("PATCH", f"/togai/invoices/{invoice}", {"account": org.account, "status": "REFUND_COMPLETED"})
    found = org.app.control("GET", "/deliveries", account=org.account)["deliveries"]
    assert [(d["type"], d["object"]) for d in reversed(found)] == [
        ("Invoice generation", invoice), ("Order generation", order), ("Invoice updation", invoice),
        ("Invoice updation", invoice),
    ]  # fmt: skip


def test_a_custom_invoice(org: Org) -> None:
    """A draft is made once for its key, changed, charged with tax, made due; then it is fixed."""
    made = org.good("POST", "/invoices", NEW_INVOICE)
    assert org.good("POST", "/invoices", NEW_INVOICE)["id"] == made["id"]
    place = f"/invoices/{made['id']}"
    assert made["totalAmount"] == 37.109
    changed = org.good("PATCH", place, {"lineItems": [{"description": "x", "value": 7}]})
    assert changed["totalAmount"] == 7
    tax = {"items": [{"name": "Sales tax", "value": "1.40"}]}
    assert org.good("PUT", f"{place}/miscellaneous_charges", tax) == {"data": tax["items"]}
    due = org.good("PATCH", place, {"status": "DUE"})
    assert (due["totalAmount"], due["status"], "dueDate" in due) == (8.4, "DUE", True)
    for method, path, body in (("PATCH", place, {"autoAdvance": True}), ("DELETE", place, None),
                               ("PUT", f"{place}/miscellaneous_charges", tax)):  # fmt: skip
        assert org.call(method, path, body).status_code == 400
    future = {**NEW_INVOICE, "endDate": "2999-01-01T00:00:00Z", "idempotencyKey": "f"}
    assert org.call("POST", "/invoices", {**future, "status": "DUE"}).status_code == 400


def test_lists_by_time(org: Org) -> None:
    """By milliseconds of the invoice's own date; what is still finalizing says so."""
    made = org.invoice(finalizing=True)
    now = int(org.app.world.clock.now() * 1000)
    assert [i["finalizingStatus"] for i in org.good("GET", f"/invoices?start_time={now - 60_000}")["data"]] == [
        "FINALIZING"
    ]
    assert org.good("GET", f"/invoices?start_time={now + 60_000}")["data"] == []
    assert org.call("GET", "/invoices?start_time=yesterday").status_code == 422
    patched = org.app.control("PATCH", f"/togai/invoices/{made['id']}", {"account": org.account, "paid": "30"})
    assert (patched["finalizingStatus"], patched["status"]) == ("FINALIZED", "PARTIALLY_PAID")


def test_settings_of_an_invoice(org: Org) -> None:
    """An invoice takes settings, by the id that has dots in it."""
    id = org.invoice()["id"]
    setting = {"id": "StripePaymentLink", "value": "https://x", "entityType": "INVOICE", "entityId": id,
               "namespace": "USER", "name": "Link", "dataType": "STRING"}  # fmt: skip
    org.good("POST", "/settings", setting)
    assert org.good("GET", f"/settings/setting.USER.StripePaymentLink.INVOICE.{id}")["value"] == "https://x"


def test_which_plan_is_billed(org: Org) -> None:
    """A standard invoice names the plan that the account has, a custom one none, unless another one is given."""
    plan = org.plan()["id"]
    assert "pricePlanId" not in org.invoice()
    org.put_on(plan, datetime.now(UTC).date().isoformat())
    assert org.invoice()["pricePlanId"] == plan
    assert len(org.good("GET", f"/invoices?price_plan_id={plan}&status=DUE")["data"]) == 1
    assert "pricePlanId" not in org.invoice(type="CUSTOM")
    assert org.invoice(type="CUSTOM", price_plan="pp.other")["pricePlanId"] == "pp.other"


def test_an_invoice_of_a_group(org: Org) -> None:
    """The group owns it, and it is paid by an account of the group."""
    made = org.invoice(type="COMPOSITE", group="group.1", currency="EUR")
    assert (made["ownerId"], made["invoiceDetails"]["invoiceGroup"]["invoiceCurrency"]) == ("group.1", "EUR")
    assert [item["id"] for item in org.good("GET", "/invoices?owner_id=group.1")["data"]] == [made["id"]]
    [account] = org.good("GET", "/invoice_groups/group.1")["accounts"]
    shown = org.good("GET", f"/accounts/{account}?includeGroupDetails=true")["invoiceGroupDetails"]
    needed = {"id", "name", "email", "dailyInvoiceConsolidation", "invoiceCurrency", "billingAddress"}
    assert (shown["id"], needed <= shown.keys()) == ("group.1", True)
    assert "invoiceGroupDetails" not in org.good("GET", f"/accounts/{account}")
    assert org.pay(made["id"], 100, currency="EUR").status_code == 201


def card(model: str, *slabs: tuple[str, str, str]) -> dict[str, Any]:
    """A usage rate card in USD: where each slab starts, how it is priced, and its rate."""
    kinds = [
        {"order": place, "startAfter": int(start), "priceType": kind, "slabConfig": {"packageSize": "10"}}
        for place, (start, kind, _) in enumerate(slabs, 1)
    ]
    rates = [{"order": place, "rate": float(rate)} for place, (*_, rate) in enumerate(slabs, 1)]
    return {
        "usageMeterId": "um.calls", "displayName": "Calls", "ratePlan": {"pricingModel": model, "slabs": kinds},
        "rateValues": [{"currency": "USD", "slabRates": rates}],
    }  # fmt: skip


def billed(org: Org, used: str, rate_card: dict[str, Any], **more: Any) -> Any:
    """A cycle of an account whose plan has this card."""
    details = {"supportedCurrencies": ["USD"], "usageRateCards": [rate_card], **more}
    plan = org.plan(rates=None, details=details)["id"]
    today = datetime.now(UTC).date().isoformat()
    assert org.put_on(plan, today).is_success
    body = {"account": org.account, "togai_account": "A1", "usage": {"um.calls": used}}
    return org.app.control("POST", "/togai/billing_cycle", body)


TIERS = (("0", "PER_UNIT", "0.5"), ("100", "PER_UNIT", "0.25"))


@pytest.mark.parametrize(
    ("used", "rate_card", "total"),
    [
        ("150", card("TIERED", *TIERS), "62.5"),
        ("150", card("VOLUME", *TIERS), "37.5"),
        ("100", card("TIERED", *TIERS), "50"),
        ("0", card("TIERED", *TIERS), "0"),
        ("21", card("TIERED", ("0", "PACKAGE", "3")), "9"),
        ("1", card("TIERED", ("0", "FLAT", "7"), ("10", "PER_UNIT", "1")), "7"),
        ("12.5", card("TIERED", ("0", "FLAT", "7"), ("10", "PER_UNIT", "1")), "9.5"),
    ],
)
def test_a_billing_cycle(org: Org, used: str, rate_card: dict[str, Any], total: str) -> None:
    """Usage is rated by the plan: slab after slab, or all by the slab that it reaches."""
    made = billed(org, used, rate_card)

    assert Decimal(str(made["totalAmount"])) == Decimal(total)
    assert made["status"] == ("PAID" if total == "0" else "DUE")
    assert adds_up(made["revenueInfo"])


def test_a_billing_cycle_with_fees_and_a_minimum(org: Org) -> None:
    """Fees are lines of their own, and what lacks to the minimum is too; it was a draft first."""
    fee = {"id": "addon.x.fee", "displayName": "Fee", "enableProration": False, "invoiceTiming": "IN_ADVANCE",
           "type": "RECURRING", "rateValues": [{"currency": "USD", "rate": 10}]}  # fmt: skip
    least = {"displayName": "Minimum", "rateValues": [{"currency": "USD", "rate": 100}]}
    made = billed(org, "150", card("TIERED", *TIERS), fixedFeeRateCards=[fee], minimumCommitment=least)
    found = {line["type"]: Decimal(str(line["value"])) for line in leaves(made["revenueInfo"])}
    before = org.app.control("GET", "/history", account=org.account)["versions"]

    assert found["ADVANCED_FIXED_FEE"] == 10
    assert found["TRUE_UP_AMOUNT"] == Decimal("27.5")
    assert Decimal(str(made["totalAmount"])) == 100
    assert [row["body"]["status"] for row in before if row["kind"] == "invoice"] == ["DRAFT", "DUE"]


@pytest.mark.parametrize(
    ("topped_up", "paid", "status", "balance"), [("40", "40", "PARTIALLY_PAID", "0"), ("80", "62.5", "PAID", "17.5")]
)
def test_the_wallet_nets_off_what_becomes_due(org: Org, topped_up: str, paid: str, status: str, balance: str) -> None:
    """As far as it reaches; both movements are entries."""
    wallet = "/accounts/A1/wallet"
    assert org.call("POST", f"{wallet}_topup", {"topupAmount": int(topped_up)}).is_success
    made = billed(org, "150", card("TIERED", *TIERS))
    entries = org.call("GET", f"{wallet}/entries").json()["data"]

    assert (made["status"], Decimal(str(made["paidAmount"]))) == (status, Decimal(paid))
    assert Decimal(str(org.call("GET", wallet).json()["balance"])) == Decimal(balance)
    assert [(entry["transactionType"], Decimal(str(entry["amount"]))) for entry in entries] == [
        ("DEBITED", Decimal(paid)), ("CREDITED", Decimal(topped_up)),
    ]  # fmt: skip
    assert entries[0]["entityId"] == made["id"]


@pytest.mark.parametrize(("account", "usage", "status"), [("A1", {"um.x": "1"}, 409), ("A1", {}, 409), ("A9", {}, 404)])
def test_a_billing_cycle_that_cannot_be(org: Org, account: str, usage: dict[str, str], status: int) -> None:
    """Without a plan, and of an account that is not there."""
    body = {"account": org.account, "togai_account": account, "usage": usage}

    assert org.app.call("POST", "/control/togai/billing_cycle", json=body).status_code == status
