"""A customer's balance at Stripe: negative is credit, positive is owed, and each change of it is a transaction."""

from __future__ import annotations

from typing import Any

from sandbox.identifiers import stripe_id
from sandbox.stripe_api import documents, lists
from sandbox.stripe_api.calls import Call
from sandbox.stripe_api.currencies import currency
from sandbox.stripe_api.errors import StripeError
from sandbox.stripe_api.rules import check_metadata, check_texts, merged_metadata

KIND = "customer_balance_transaction"
CUSTOMER = "customer"
Body = dict[str, Any]


def change(call: Call, customer: str, amount: int, type: str, code: str, **more: Any) -> Body:
    """Adds to the balance of a customer, with the transaction that says why; nothing is no transaction."""
    old = documents.named(call, CUSTOMER, CUSTOMER, customer, "customer")
    new = {**old.body, "balance": old.body["balance"] + amount, "currency": old.body["currency"] or code}
    documents.change(call, old, new, event="customer.updated")
    return record(call, new, amount, type, **more)


def record(call: Call, customer: Body, amount: int, type: str, **more: Any) -> Body:
    """The transaction of a balance that has changed already."""
    body: Body = {
        "id": stripe_id("cbtxn"), "object": KIND, "amount": amount, "checkout_session": None,
        "created": int(call.world.clock.now()), "credit_note": None, "currency": customer["currency"] or "usd",
        "customer": customer["id"],
        "customer_account": None, "description": None, "ending_balance": customer["balance"], "invoice": None,
        "livemode": call.tenant.live, "metadata": {}, "type": type, **more,
    }  # fmt: skip
    return documents.add(call, body, lookup=customer["id"], event="customer_balance_transaction.created")


def of(call: Call, customer: str) -> int:
    """The balance as it is now."""
    return int(documents.named(call, CUSTOMER, CUSTOMER, customer, "customer").body["balance"])


def check(call: Call) -> None:
    """Refuses values that break a rule, before anything is executed."""
    check_texts(call.params, {"description": 350})
    check_metadata(call.params.get("metadata"))
    currency(call.params["currency"])


def create(call: Call) -> Body:
    """POST /v1/customers/{id}/balance_transactions."""
    customer, params = documents.present(call, CUSTOMER, CUSTOMER).body, call.params
    code = params["currency"].lower()
    if customer["currency"] not in (None, code):
        message = f"The customer's currency is `{customer['currency']}`, and a transaction in `{code}` does not fit."
        raise StripeError(400, message, param="currency")
    metadata = merged_metadata({}, params.get("metadata"))
    more = {"description": params.get("description") or None, "metadata": metadata}
    return change(call, call.id, params["amount"], "adjustment", code, **more)


def listed(call: Call) -> Body:
    """GET /v1/customers/{id}/balance_transactions."""
    documents.present(call, CUSTOMER, CUSTOMER)
    where, values = lists.created_range(call.params.get("created"))
    where.append("lookup=?")
    values.append(call.id)
    if call.params.get("invoice"):
        where.append("json_extract(body, '$.invoice')=?")
        values.append(call.params["invoice"])
    url = f"/v1/customers/{call.id}/balance_transactions"
    return documents.page(call, KIND, "customer balance transaction", url, where, values)
