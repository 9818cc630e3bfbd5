"""Togai's payments: the way to say that an invoice was paid elsewhere. Nothing keeps the same one from coming twice."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from sandbox.answers import Answer
from sandbox.clock import rfc3339
from sandbox.identifiers import togai_id
from sandbox.store import Document
from sandbox.togai_api import accounts, invoices, pages, wallets
from sandbox.togai_api.calls import Call
from sandbox.togai_api.errors import TogaiError, not_found
from sandbox.togai_api.invoice_models import NewPayment, PaidLine
from sandbox.togai_api.models import read, sent

KIND = "payment"
Json = dict[str, Any]
_COLUMNS = {"id": "id", "account_id": "lookup"}


def create(call: Call) -> Answer:
    """POST /payments: no idempotency, guarded by nothing but what is still open of each invoice."""
    new = read(NewPayment, call.body)
    account = call.world.store.get(call.scope, accounts.KIND, new.accountId)
    if account is None:
        raise not_found("Account", new.accountId)
    records = []
    for line in sorted(new.lineItemRecords, key=lambda line: line.order):
        amount = _paid(call, new, line) if line.type == "INVOICE" else _kept_apart(line)
        records.append({**sent(line), "amount": amount})
    if sum(record["amount"] for record in records) > new.totalAmount:
        raise TogaiError(400, "The lines come to more than totalAmount")
    body = sent(new)
    payment: Json = {
        "id": togai_id("payment"), **{name: body[name] for name in ("description", "notes") if name in body},
        "accountId": new.accountId, "currency": new.currency,
        "externalPaymentReferences": body["externalPaymentReference"], "lineItemRecords": records,
        "totalAmount": new.totalAmount, "version": 1, "createdBy": "api",
        # Togai's own examples have no offset here.
        "createdAt": rfc3339(call.world.clock.now())[:19],
    }  # fmt: skip
    clock = call.world.clock
    call.world.store.insert(
        call.scope, KIND, payment, id=payment["id"], created=int(clock.now()), changed=clock.micros(),
        lookup=new.accountId,
    )  # fmt: skip
    for record in records:
        if record["type"] == "WALLET_CREDIT":
            wallets.credit(call, new.accountId, record["amount"], payment["id"], "Payment")
    return Answer.json(201, payment)


def _paid(call: Call, payment: NewPayment, line: PaidLine) -> Decimal:
    """Puts a line on its invoice, and tells what it came to; raises 400 for more than is open."""
    if line.togaiId is None:
        raise TogaiError(400, "lineItemRecords: togaiId is required for an invoice")
    found = call.world.store.get(call.scope, invoices.KIND, line.togaiId)
    if found is None:
        raise not_found("Invoice", line.togaiId)
    body = found.body
    if body["_account"] != payment.accountId:
        raise TogaiError(400, f"Invoice {found.id} is not of account {payment.accountId}")
    currency = body["invoiceDetails"]["account"]["invoiceCurrency"]
    if currency != payment.currency:
        raise TogaiError(400, f"Invoice {found.id} is in {currency}, not in {payment.currency}")
    if body["status"] not in invoices.OPEN:
        raise TogaiError(400, f"Invoice {found.id} is {body['status']} and takes no payment")
    still_open = Decimal(body["totalAmount"]) - Decimal(body["paidAmount"])
    amount = still_open if line.amount is None else line.amount
    if amount > still_open:
        raise TogaiError(400, f"Invoice {found.id} has {still_open} {currency} open, less than {amount}")
    paid = Decimal(body["paidAmount"]) + amount
    status = "PAID" if paid == Decimal(body["totalAmount"]) else "PARTIALLY_PAID"
    invoices.keep(call, found, {**body, "paidAmount": paid, "status": status})
    return amount


def _kept_apart(line: PaidLine) -> Decimal:
    """What goes to the wallet; credits the sandbox does not have."""
    if line.type == "CREDIT":
        raise not_found("Credit", line.togaiId or "")
    if line.amount is None:
        raise TogaiError(400, "lineItemRecords: amount is required for WALLET_CREDIT")
    return line.amount


def retrieve(call: Call) -> Answer:
    """GET /payments/{id}."""
    found = call.world.store.get(call.scope, KIND, call.id)
    if found is None:
        raise not_found("Payment", call.id)
    return Answer.json(200, found.body)


def listed(call: Call) -> Answer:
    """GET /payments: the newest first, by id or account."""
    allowed = (frozenset({"id"}), frozenset({"account_id"}))
    return pages.listed(call, KIND, _shown, columns=_COLUMNS, allowed=allowed, context=False, sizes=invoices.SIZES,
                        newest_first=True)  # fmt: skip


def _shown(document: Document) -> Json:
    return document.body
