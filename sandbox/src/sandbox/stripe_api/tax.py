"""Stripe's tax calculations and transactions: what a customer's country asks for, at one rate each.

A calculation lasts 90 days and can be made a transaction once; a transaction is reversed as a whole (source: Stripe
docs, tax API).
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from sandbox.identifiers import stripe_id
from sandbox.store import Document
from sandbox.stripe_api import currencies, customers, documents
from sandbox.stripe_api.calls import Call, Operation
from sandbox.stripe_api.errors import StripeError
from sandbox.stripe_api.rules import check_metadata, merged_metadata

CALCULATION, TRANSACTION = "tax.calculation", "tax.transaction"
RATES = {"DE": Decimal(19), "FR": Decimal(20), "GB": Decimal(20), "JP": Decimal(10)}
"""Percent by country; no other one asks for tax."""
_LASTS = 90 * 86_400
_TAX_CODE = "txcd_10000000"
Body = dict[str, Any]


def check(call: Call) -> None:
    """Refuses values that break a rule, before anything is executed."""
    params = call.params
    check_metadata(params.get("metadata"))
    if bool(params.get("customer")) == bool(params.get("customer_details")):
        raise StripeError(400, "You must provide either `customer` or `customer_details`.", param="customer")
    for index, line in enumerate(params["line_items"]):
        if line["amount"] < 0:
            param = f"line_items[{index}][amount]"
            raise StripeError(400, "Invalid non-negative integer", code="parameter_invalid_integer", param=param)


def calculate(call: Call) -> Body:
    """POST /v1/tax/calculations: for the address of a customer, or the given one."""
    params, now = call.params, int(call.world.clock.now())
    code = currencies.currency(params["currency"])
    address = _address(call)
    rate = RATES.get(address["country"], Decimal(0))
    lines = [_line(call, given, rate) for given in params["line_items"]]
    on_top = sum(line["amount_tax"] for line in lines if line["tax_behavior"] == "exclusive")
    inside = sum(line["amount_tax"] for line in lines if line["tax_behavior"] == "inclusive")
    id = stripe_id("taxcalc")
    body: Body = {
        "id": id, "object": CALCULATION, "amount_total": sum(line["amount"] for line in lines) + on_top,
        "currency": code, "customer": params.get("customer") or None,
        "customer_details": {
            "address": address, "address_source": "billing", "ip_address": None, "tax_ids": [],
            "taxability_override": "none",
        },
        "expires_at": now + _LASTS, "livemode": call.tenant.live, "ship_from_details": None, "shipping_cost": None,
        "line_items": {"object": "list", "data": lines, "has_more": False,
                       "url": f"/v1/tax/calculations/{id}/line_items"},
        "tax_amount_exclusive": on_top, "tax_amount_inclusive": inside,
        "tax_breakdown": [_breakdown(lines, address, rate)], "tax_date": params.get("tax_date") or now,
    }  # fmt: skip
    return documents.add(call, body, lookup=body["customer"])


def _address(call: Call) -> Body:
    """Where the customer is; raises 400 where nobody knows."""
    params = call.params
    if params.get("customer"):
        found = documents.named(call, customers.KIND, customers.KIND, params["customer"], "customer").body["address"]
    else:
        found = params["customer_details"].get("address")
    if not (found or {}).get("country"):
        message = "The customer's location isn't recognized. Set a valid customer address in order to calculate tax."
        raise StripeError(400, message, code="customer_tax_location_invalid", param="customer")
    names = ("city", "country", "line1", "line2", "postal_code", "state")
    return {name: found.get(name) or None for name in names}


def _line(call: Call, given: Body, rate: Decimal) -> Body:
    amount, behavior = given["amount"], given.get("tax_behavior") or "exclusive"
    share = rate / 100 if behavior == "exclusive" else rate / (100 + rate)
    return {
        "id": stripe_id("tax_li"), "object": "tax.calculation_line_item", "amount": amount,
        "amount_tax": currencies.rounded(amount * share), "livemode": call.tenant.live,
        "metadata": merged_metadata({}, given.get("metadata")), "product": None, "quantity": given.get("quantity", 1),
        "reference": given.get("reference") or "L1", "tax_behavior": behavior,
        "tax_code": given.get("tax_code") or _TAX_CODE,
    }  # fmt: skip


def _breakdown(lines: list[Body], address: Body, rate: Decimal) -> Body:
    taxed = bool(rate)
    return {
        "amount": sum(line["amount_tax"] for line in lines), "inclusive": False,
        "tax_rate_details": {
            "country": address["country"], "flat_amount": None, "percentage_decimal": currencies.plain(rate),
            "rate_type": "percentage", "state": None, "tax_type": "vat" if taxed else None,
        },
        "taxability_reason": "standard_rated" if taxed else "not_collecting",
        "taxable_amount": sum(line["amount"] for line in lines) if taxed else 0,
    }  # fmt: skip


def record(call: Call) -> Body:
    """POST /v1/tax/transactions/create_from_calculation: once, under a reference of one's own."""
    params = call.params
    found = documents.named(call, CALCULATION, "tax calculation", params["calculation"], "calculation")
    calculation = found.body
    if calculation["expires_at"] <= call.world.clock.now():
        raise StripeError(400, "This tax calculation has expired.", code="tax_calculation_expired", param="calculation")
    _check_reference(call)
    lines = [
        {name: value for name, value in line.items() if name not in ("id", "object")}
        | {"id": stripe_id("tax_li"), "object": "tax.transaction_line_item", "reversal": None, "type": "transaction"}
        for line in calculation["line_items"]["data"]
    ]
    return _kept(call, calculation, lines, {"type": "transaction", "reversal": None})


def _check_reference(call: Call) -> None:
    where = "json_extract(body, '$.reference')=?"
    if call.world.store.select(call.scope, TRANSACTION, where, [call.params["reference"]], "seq", 1):
        message = f"A tax transaction with the reference {call.params['reference']} exists already."
        raise StripeError(400, message, code="resource_already_exists", param="reference")


def _kept(call: Call, source: Body, lines: list[Body], more: Body) -> Body:
    now, id = int(call.world.clock.now()), stripe_id("tax")
    shared = ("currency", "customer", "customer_details", "livemode", "ship_from_details", "shipping_cost", "tax_date")
    body: Body = {
        "id": id, "object": TRANSACTION, "created": now, "posted_at": now, "reference": call.params["reference"],
        "metadata": merged_metadata({}, call.params.get("metadata")), **{name: source[name] for name in shared},
        "line_items": {"object": "list", "data": lines, "has_more": False,
                       "url": f"/v1/tax/transactions/{id}/line_items"},
        **more,
    }  # fmt: skip
    return documents.add(call, body, lookup=source["customer"])


def reverse(call: Call) -> Body:
    """POST /v1/tax/transactions/create_reversal: of the whole."""
    params = call.params
    if params["mode"] != "full":
        raise StripeError(400, "The sandbox reverses a tax transaction as a whole.", param="mode")
    old = documents.named(
        call, TRANSACTION, "tax transaction", params["original_transaction"], "original_transaction"
    ).body
    _check_reference(call)
    if old["type"] != "transaction" or _reversed(call, old["id"]):
        message = "This tax transaction has been reversed already."
        raise StripeError(400, message, code="tax_transaction_already_reversed", param="original_transaction")
    lines = [
        line | {"id": stripe_id("tax_li"), "amount": -line["amount"], "amount_tax": -line["amount_tax"],
                "reversal": {"original_line_item": line["id"]}, "type": "reversal"}
        for line in old["line_items"]["data"]
    ]  # fmt: skip
    return _kept(call, old, lines, {"type": "reversal", "reversal": {"original_transaction": old["id"]}})


def _reversed(call: Call, id: str) -> list[Document]:
    where = "json_extract(body, '$.reversal.original_transaction')=?"
    return call.world.store.select(call.scope, TRANSACTION, where, [id], "seq", 1)


def retrieve_calculation(call: Call) -> Body:
    """GET /v1/tax/calculations/{id}."""
    return documents.present(call, CALCULATION, "tax calculation").body


def retrieve_transaction(call: Call) -> Body:
    """GET /v1/tax/transactions/{id}."""
    return documents.present(call, TRANSACTION, "tax transaction").body


_CALCULATIONS, _TRANSACTIONS = "/v1/tax/calculations", "/v1/tax/transactions"
OPERATIONS = (
    Operation("tax_calculations.create", "POST", _CALCULATIONS, "tax.CalculationCreateParams", calculate,
              CALCULATION, check, right_on="tax"),
    Operation("tax_calculations.retrieve", "GET", f"{_CALCULATIONS}/{{id}}", "tax.CalculationRetrieveParams",
              retrieve_calculation, CALCULATION, right_on="tax"),
    Operation("tax_transactions.create_from_calculation", "POST", f"{_TRANSACTIONS}/create_from_calculation",
              "tax.TransactionCreateFromCalculationParams", record, TRANSACTION, right_on="tax"),
    Operation("tax_transactions.create_reversal", "POST", f"{_TRANSACTIONS}/create_reversal",
              "tax.TransactionCreateReversalParams", reverse, TRANSACTION, right_on="tax"),
    Operation("tax_transactions.retrieve", "GET", f"{_TRANSACTIONS}/{{id}}", "tax.TransactionRetrieveParams",
              retrieve_transaction, TRANSACTION, right_on="tax"),
)  # fmt: skip
