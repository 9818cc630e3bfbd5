"""The laws about plans and invoices, on facts made by hand: what is right breaks none, what is wrong breaks its own."""

from __future__ import annotations

from typing import Any

import pytest

from tests.reliability.billing import invoices, plans
from tests.reliability.billing.invoices import Invoice
from tests.reliability.billing.plans import Offered
from tests.reliability.checker.facts import Facts, RunFacts

RUN = RunFacts("acct", "org", "sk", "togai")
BILLED = Invoice("bill-i0", "in parts", [900, 1], made="inv.1")
CHARGED = Invoice("bill-i1", "charged", [4000], made="inv.2")
GROUPED = Invoice("bill-i2", "of a group", [500], made="inv.3", group="inv_group.1")
SOLD = Offered("bill-p0", 4950, paid=True, plan="pp.1", link="plink_1")


def payment(account: str, number: str, amount: float, pays: str = "") -> dict[str, Any]:
    """One of Togai's."""
    line = {"type": "INVOICE", "togaiId": pays} if pays else {"type": "WALLET_CREDIT"}
    named = {"transactionNumber": number}
    return {
        "accountId": account, "totalAmount": amount, "externalPaymentReferences": named, "lineItemRecords": [line],
    }  # fmt: skip


def taxed(name: str, tax: int, reverses: str = "") -> dict[str, Any]:
    """A tax transaction of an invoice, or the reversal of one."""
    return {
        "id": name, "metadata": {} if reverses else {"togai_invoice_id": "inv.1"},
        "reversal": {"original_transaction": reverses} if reverses else None,
        "line_items": {"data": [{"amount_tax": tax}]},
    }  # fmt: skip


def facts() -> Facts:
    """An invoice that was paid in two parts, one that was charged, one of a group, and a plan that was bought."""
    made = {"id": "in_1", "status": "paid", "total": 1072, "currency": "usd", "metadata": {"togai_invoice_id": "inv.1"}}
    made |= {"object": "invoice"}
    of_group = made | {"id": "in_2", "total": 500, "metadata": {"togai_invoice_id": "inv.3"}}
    charged = {"object": "payment_intent", "id": "pi_4", "status": "succeeded", "amount": 4000, "currency": "usd"}
    price = {"product": "pp.1", "type": "one_time", "unit_amount": 4950, "currency": "usd"}
    stripe = {
        "invoices": [made, of_group],
        "mails": [{"invoice": "in_1"}, {"invoice": "in_2"}],
        "payment_intents": [charged | {"metadata": {"togai_invoice_id": "inv.2"}}],
        "customers": [{"metadata": {"togai_invoice_group_id": "inv_group.1"}}],
        "products": [{"id": "pp.1"}],
        "prices": [price, price | {"type": "recurring"}],
        "tax_transactions": [taxed("tax_1", 100), taxed("tax_2", -100, reverses="tax_1"), taxed("tax_3", 171)],
        "payment_links": [{"active": False, "metadata": {"togai_account_id": "bill-p0"}}],
    }
    togai = {
        "invoices": [{"id": name, "status": "PAID"} for name in ("inv.1", "inv.2", "inv.3")],
        "pricing_schedules": [{"accountId": "bill-p0", "pricePlanId": "pp.1"}],
        "payments": [
            payment("bill-i0", "pi_1", 3.33, "inv.1"), payment("bill-i0", "pi_2", 7.39, "inv.1"),
            payment("bill-p0", "pi_3", 49.5), payment("bill-i1", "pi_4", 40, "inv.2"),
            payment("bill-i2", "pi_5", 5, "inv.3"),
        ],
    }  # fmt: skip
    return Facts(RUN, stripe_state=stripe, togai_state=togai)


def broken(found: Facts) -> set[tuple[str, str]]:
    """What is broken of whom."""
    made = [BILLED, CHARGED, GROUPED]
    every = [
        *invoices.lost(found, made), *invoices.doubled(found, made), *invoices.cents(found, made),
        *invoices.taxes(found, made),
        *plans.lost(found, [SOLD]), *plans.doubled(found, [SOLD]), *plans.cents(found, [SOLD]),
    ]  # fmt: skip
    return {(one.invariant, one.entity) for one in every}


def test_what_is_right_breaks_nothing() -> None:
    """To the cent."""
    assert broken(facts()) == set()


@pytest.mark.parametrize(
    ("app", "kind", "rows", "expected"),
    [
        ("stripe", "invoices", 0, ("lost", "bill-i0")),
        ("stripe", "invoices", 2, ("doubled", "inv.1")),
        ("stripe", "mails", 0, ("lost", "bill-i0")),
        ("stripe", "mails", 2, ("doubled", "inv.1")),
        ("stripe", "payment_intents", 0, ("lost", "bill-i1")),
        ("stripe", "payment_intents", 2, ("doubled", "inv.2")),
        ("stripe", "customers", 2, ("doubled", "inv_group.1")),
        ("togai", "payments", 0, ("fields", "bill-i0")),
        ("togai", "payments", 2, ("doubled", "pi_1")),
        ("stripe", "tax_transactions", 0, ("fields", "bill-i0")),
        ("stripe", "tax_transactions", 2, ("doubled", "bill-i0")),
        ("stripe", "payment_links", 0, ("lost", "bill-p0")),
        ("stripe", "payment_links", 2, ("doubled", "bill-p0")),
        ("stripe", "prices", 2, ("doubled", "pp.1")),
        ("togai", "pricing_schedules", 0, ("lost", "bill-p0")),
        ("togai", "pricing_schedules", 2, ("doubled", "bill-p0")),
    ],
)
def test_what_is_not_there_or_twice_is_seen(app: str, kind: str, rows: int, expected: tuple[str, str]) -> None:
    """Of each kind of object."""
    found = facts()
    state = found.stripe_state if app == "stripe" else found.togai_state
    state[kind] = state[kind] * rows

    assert expected in broken(found)


@pytest.mark.parametrize(
    ("app", "kind", "field", "value", "expected"),
    [
        ("stripe", "invoices", "total", 1071, ("fields", "bill-i0")),
        ("stripe", "invoices", "currency", "eur", ("fields", "bill-i0")),
        ("stripe", "invoices", "status", "open", ("lost", "bill-i0")),
        ("stripe", "payment_intents", "status", "processing", ("lost", "bill-i1")),
        ("stripe", "payment_intents", "amount", 4001, ("fields", "bill-i1")),
        ("togai", "invoices", "status", "DUE", ("lost", "bill-i0")),
        ("togai", "payments", "totalAmount", 3.34, ("fields", "bill-i0")),
        ("stripe", "prices", "unit_amount", 4951, ("fields", "bill-p0")),
        ("stripe", "payment_links", "active", True, ("lost", "bill-p0")),
        ("togai", "pricing_schedules", "pricePlanId", "pp.2", ("lost", "bill-p0")),
    ],
)
def test_a_wrong_value_is_seen(app: str, kind: str, field: str, value: object, expected: tuple[str, str]) -> None:
    """A cent, a currency, a state."""
    found = facts()
    (found.stripe_state if app == "stripe" else found.togai_state)[kind][0][field] = value

    assert expected in broken(found)


def test_the_same_seed_tells_the_same_story() -> None:
    """And every way that an invoice can end is in it."""
    first, second = invoices.Story(3, 40), invoices.Story(3, 40)

    assert (first.actions, first.invoices) == (second.actions, second.invoices)
    assert {one.way for one in first.invoices.values()} == set(invoices.WAYS)
    assert plans.Story(3, 40).offers == plans.Story(3, 40).offers
