"""An account's wallet: what was paid in advance nets off invoices as they become due (source: Togai docs, wallet)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from sandbox.answers import Answer
from sandbox.clock import rfc3339
from sandbox.identifiers import togai_id
from sandbox.store import Document
from sandbox.togai_api import accounts, pages
from sandbox.togai_api.calls import Call
from sandbox.togai_api.invoice_models import WalletTopUp
from sandbox.togai_api.models import read

KIND = "wallet_entry"
SIZES = (50, 50)
Json = dict[str, Any]


def credit(call: Call, account: str, amount: Decimal, entity: str, description: str) -> None:
    """Put an amount into the wallet of an account, for a payment or a top-up."""
    _entry(call, account, amount, "CREDITED", entity, description)


def net_off(call: Call, invoice: Json) -> Json:
    """An invoice that becomes due, with what its account's wallet pays of it. One of a group takes from no wallet, and
    neither does a custom one that was made so.
    """
    account, total = invoice["_account"], Decimal(invoice["totalAmount"])
    amount = min(_balance(call, account), total - Decimal(invoice["paidAmount"]))
    if invoice["status"] != "DUE" or invoice["ownerId"] != account or not invoice.get("_wallet", True) or amount <= 0:
        return invoice
    _entry(call, account, -amount, "DEBITED", invoice["id"], "Invoice payment")
    paid = Decimal(invoice["paidAmount"]) + amount
    return {**invoice, "paidAmount": paid, "status": "PAID" if paid == total else "PARTIALLY_PAID"}


def retrieve(call: Call) -> Answer:
    """GET /accounts/{id}/wallet."""
    account = accounts.present(call).body
    return Answer.json(200, {
        "id": f"wallet.{account['id']}", "accountId": account["id"],
        "customerId": account["customerId"], "balance": _balance(call, account["id"]),
        "creditUnit": account["invoiceCurrency"], "status": "ACTIVE", "holdAmount": 0,
        "effectiveFrom": "2000-01-01T00:00:00.000Z", "metadata": {"autoNetOff": True},
    })  # fmt: skip


def top_up(call: Call) -> Answer:
    """POST /accounts/{id}/wallet_topup: it has no idempotency."""
    account, new = accounts.present(call), read(WalletTopUp, call.body)
    credit(call, account.id, new.topupAmount, account.id, "Top-up")
    return retrieve(call)


def listed(call: Call) -> Answer:
    """GET /accounts/{id}/wallet/entries: the newest first."""
    within: list[tuple[str, object]] = [("lookup=?", accounts.present(call).id)]
    return pages.listed(call, KIND, _shown, columns={}, allowed=(), context=False, within=within, sizes=SIZES,
                        newest_first=True)  # fmt: skip


def _shown(document: Document) -> Json:
    return document.body


def _balance(call: Call, account: str) -> Decimal:
    newest = call.world.store.select(call.scope, KIND, "lookup=?", [account], "seq DESC", 1)
    return Decimal(newest[0].body["closingBalance"]) if newest else Decimal(0)


def _entry(call: Call, account: str, change: Decimal, kind: str, entity: str, description: str) -> None:
    clock = call.world.clock
    body: Json = {
        "id": togai_id("wallet_entry"), "description": description, "walletId": f"wallet.{account}",
        "transactionType": kind, "status": "COMPLETED", "entityId": entity, "amount": abs(change),
        "createdAt": rfc3339(clock.now()), "closingBalance": _balance(call, account) + change,
    }  # fmt: skip
    call.world.store.insert(
        call.scope, KIND, body, id=body["id"], created=int(clock.now()), changed=clock.micros(), lookup=account
    )
