"""Togai's invoices: what an account owes, and what became of it (source: Togai OpenAPI spec and docs, invoices)."""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from sandbox.answers import Answer
from sandbox.clock import rfc3339
from sandbox.identifiers import random_text, togai_id
from sandbox.store import Document
from sandbox.togai_api import accounts, customers, invoice_groups, pages, wallets, webhooks
from sandbox.togai_api.calls import Call
from sandbox.togai_api.errors import TogaiError, not_found
from sandbox.togai_api.invoice_models import Charges, InvoiceChange, NewInvoice
from sandbox.togai_api.invoice_tree import Line, Parts, of_charges, of_custom
from sandbox.togai_api.models import read, sent

KIND = "invoice"
SIZES = (50, 50)
Json = dict[str, Any]
# Source: the picture of statuses in Togai's docs; what does not stand here is refused.
BECOMES = {
    "DRAFT": {"DUE", "VOID"}, "DUE": {"PAID", "UN_COLLECTIBLE", "VOID"}, "PARTIALLY_PAID": {"PAID"},
    "PAID": {"REFUND_INITIATED"}, "UN_COLLECTIBLE": {"PAID", "VOID"},
}  # fmt: skip
OPEN = ("DUE", "PARTIALLY_PAID", "UN_COLLECTIBLE")
_COLUMNS = {
    "status": "json_extract(body, '$.status')", "class": "json_extract(body, '$.invoiceClass')", "owner_id": "lookup",
    "customer_id": "json_extract(body, '$.customerId')", "price_plan_id": "json_extract(body, '$.pricePlanId')",
}  # fmt: skip
_NAMES = sorted(_COLUMNS)
_ALLOWED = frozenset(
    frozenset(name for bit, name in enumerate(_NAMES) if mask >> bit & 1) for mask in range(1, 1 << len(_NAMES))
)
_ONLY_WHOLE = ("revenueInfo", "usageInfo", "autoAdvance", "metadata", "info")
_GENERATED = {"INVOICE": webhooks.INVOICE_GENERATION, "ORDER": webhooks.ORDER_GENERATION}


def create(call: Call) -> Answer:
    """POST /invoices: a custom one. The same `idempotencyKey` answers the invoice that it made."""
    new = read(NewInvoice, call.body)
    key = new.idempotencyKey
    known = call.world.store.fact(f"togai_invoice:{call.scope}:{key}") if key else None
    if known:
        return Answer.json(201, shown(_by_id(call, known["id"]).body))
    if new.endDate <= new.startDate:
        raise TogaiError(400, "endDate must be after startDate")
    if new.status != "DRAFT" and new.endDate.timestamp() > call.world.clock.now():
        raise TogaiError(400, f"{new.status} custom invoices cannot be created for a future date")
    account = call.world.store.get(call.scope, accounts.KIND, new.accountId)
    if account is None:
        raise not_found("Account", new.accountId)
    parts = Parts(account.body["invoiceCurrency"], of_custom([sent(line) for line in new.lineItems]))
    body = made(call, account.body, parts, status=new.status, type="CUSTOM", start=new.startDate, end=new.endDate)
    body |= {"autoAdvance": bool(new.autoAdvance), "_wallet": new.applyWalletBalance is not False}
    if key:
        call.world.store.set_fact(f"togai_invoice:{call.scope}:{key}", {"id": body["id"]})
    return Answer.json(201, add(call, body))


def made(
    call: Call, account: Json, parts: Parts, *, status: str, type: str = "STANDARD", invoice_class: str = "INVOICE",
    paid: Decimal | None = None, total: Decimal | None = None, start: datetime | None = None,
    end: datetime | None = None, due: str | None = None, plan: str | None = None, group: str | None = None,
    dated: datetime | None = None,
) -> Json:  # fmt: skip
    """An invoice before it is kept."""
    now, amount = call.world.clock.now(), parts.total if total is None else total
    days = account.get("netTermDays")
    moment = rfc3339(now)
    body: Json = {
        "id": togai_id("inv"), "sequenceId": f"{moment[:7]}-{random_text(4).upper()}",
        "customerId": account["customerId"], "ownerId": account["id"], "status": status,
        "finalizingStatus": "FINALIZED", "invoiceClass": invoice_class, "invoiceType": type,
        "startDate": rfc3339(start.timestamp() if start else now - 30 * 86_400),
        "endDate": rfc3339(end.timestamp() if end else now),
        "invoiceDate": rfc3339(dated.timestamp()) if dated else moment, "generatedAt": moment,
        "totalAmount": amount, "paidAmount": Decimal(0) if paid is None else paid, "revenueInfo": parts.tree(total),
        "usageInfo": [], "invoiceDetails": _details(call, account, parts.currency), "_parts": asdict(parts),
        "_account": account["id"], **_named(call, account, plan, type),
    }  # fmt: skip
    if days is not None:
        body["netTermDays"] = days
    if group:
        _give_to_group(body, invoice_groups.known(call, group, account), parts.currency)
    if status != "DRAFT" or due:
        body["dueDate"] = due or rfc3339(now + timedelta(days=days or 0).total_seconds())
    return _settled(body, paid)


def _named(call: Call, account: Json, plan: str | None, type: str) -> Json:
    """The price plan that is billed: the named one, else for a standard invoice the one that the account has."""
    today = rfc3339(call.world.clock.now())
    where = "lookup=? AND json_extract(body, '$.startDate')<=? AND json_extract(body, '$.endDate')>?"
    found = call.world.store.select(call.scope, "pricing_schedule", where, [account["id"], today, today], "seq DESC", 1)
    if plan is None and found and type.startswith("STANDARD"):
        plan = found[0].body["pricePlanId"]
    return {"pricePlanId": plan} if plan else {}


def _give_to_group(body: Json, group: Json, currency: str) -> None:
    """An invoice of a group of accounts is owned by the group, and says so."""
    body["ownerId"] = group["id"]
    kept = {name: group[name] for name in ("id", "name", "email", "dailyInvoiceConsolidation")}
    more = {"invoiceCurrency": currency, "address": group["billingAddress"]}
    body["invoiceDetails"] = {**body["invoiceDetails"], "invoiceGroup": {**kept, **more}}


def _settled(body: Json, paid: Decimal | None) -> Json:
    """What of the amounts follows from the status: nothing to pay is paid, and what is paid is paid in full."""
    if body["status"] == "DUE" and body["totalAmount"] == 0:
        body = {**body, "status": "PAID"}
    if body["status"] == "DUE" and body["totalAmount"] < 0:
        body = {**body, "status": "REFUND_COMPLETED"}
    if body["status"] == "PAID" and paid is None:
        body = {**body, "paidAmount": body["totalAmount"]}
    return body


def _details(call: Call, account: Json, currency: str) -> Json:
    """Customer and account as they are at this moment: the invoice keeps them."""
    found = call.world.store.get(call.scope, customers.KIND, account["customerId"])
    customer = found.body if found else {}
    address = account.get("address", customer.get("address", {}))
    return {
        "customer": {name: customer.get(name, "") for name in ("name", "primaryEmail")} | {
            "address": customer.get("address", {})
        },
        "account": {
            "name": account["name"], "invoiceCurrency": currency, "address": address,
            "primaryEmail": account.get("primaryEmail", customer.get("primaryEmail", "")),
        },
    }  # fmt: skip


def add(call: Call, body: Json) -> Json:
    """Keeps a new invoice and tells of it."""
    clock = call.world.clock
    body = {**body, "updatedAt": rfc3339(clock.now())}
    call.world.store.insert(
        call.scope, KIND, body, id=body["id"], created=int(clock.now()), changed=clock.micros(), lookup=body["ownerId"]
    )
    event = _GENERATED.get(body["invoiceClass"])
    if event:
        webhooks.send(call, event, shown(body))
    return shown(body)


def keep(call: Call, old: Document, new: Json) -> Json:
    """Keeps a changed invoice and tells "Invoice updation"; what changes nothing tells nothing."""
    if new == old.body:
        return shown(new)
    new = {**new, "updatedAt": rfc3339(call.world.clock.now())}
    call.world.store.replace(call.scope, KIND, old.id, new, call.world.clock.micros(), lookup=old.lookup)
    webhooks.send(call, webhooks.INVOICE_UPDATION, shown(new))
    return shown(new)


def shown(body: Json) -> Json:
    """The whole invoice, without what the sandbox alone knows."""
    return {name: value for name, value in body.items() if not name.startswith("_")}


def retrieve(call: Call) -> Answer:
    """GET /invoices/{id}."""
    return Answer.json(200, shown(present(call).body))


def listed(call: Call) -> Answer:
    """GET /invoices: the newest first, by status, class, owner and customer, and by the time of the invoice."""
    within: list[tuple[str, object]] = []
    for name, sign in (("start_time", ">="), ("end_time", "<")):
        text = call.query.get(name)
        if text is None:
            continue
        if not text.isdecimal():
            raise TogaiError(422, f"{name} is a time in milliseconds")
        within.append((f"json_extract(body, '$.invoiceDate'){sign}?", rfc3339(int(text) / 1000)))
    return pages.listed(call, KIND, _in_list, columns=_COLUMNS, allowed=_ALLOWED, context=False, within=within,
                        options=("start_time", "end_time"), sizes=SIZES, newest_first=True)  # fmt: skip


def _in_list(document: Document) -> Json:
    return {name: value for name, value in shown(document.body).items() if name not in _ONLY_WHOLE}


def update(call: Call) -> Answer:
    """PATCH /invoices/{id}: the status of any, the rest of a custom draft alone."""
    old, change = present(call), sent(read(InvoiceChange, call.body))
    status = change.pop("status", None)
    new = dict(old.body)
    if change:
        new = _changed_draft(call, old.body, change)
    if status is not None and status != new["status"]:
        if status not in BECOMES.get(new["status"], set()):
            raise TogaiError(400, f"Invoice {call.id} is {new['status']} and cannot become {status}")
        new = due(call, new) if status == "DUE" else _settled({**new, "status": status}, None)
    return Answer.json(200, keep(call, old, new))


def due(call: Call, body: Json) -> Json:
    """A draft that becomes due: after its net terms, unless it says when. The wallet pays what it can."""
    days = timedelta(days=body.get("netTermDays", 0)).total_seconds()
    settled = _settled({"dueDate": rfc3339(call.world.clock.now() + days), **body, "status": "DUE"}, None)
    return wallets.net_off(call, settled)


def _changed_draft(call: Call, old: Json, change: Json) -> Json:
    if old["status"] != "DRAFT" or old["invoiceType"] != "CUSTOM":
        raise TogaiError(400, f"Invoice {call.id} is no custom draft: only its status can be changed")
    new = {**old, **{name: value for name, value in change.items() if name != "lineItems"}}
    if "lineItems" in change:
        new = with_parts(new, replace(parts_of(old), lines=of_custom(change["lineItems"])))
    return new


def parts_of(body: Json) -> Parts:
    """What a kept invoice is made of."""
    kept = body["_parts"]
    lines, charges = ([Line(**line) for line in kept[name]] for name in ("lines", "charges"))
    tax, discount, credits = (Decimal(kept[name]) for name in ("tax", "discount", "credits"))
    return Parts(kept["currency"], lines, tax, discount, credits, charges)


def with_parts(body: Json, parts: Parts) -> Json:
    """The invoice made of other parts."""
    return {**body, "revenueInfo": parts.tree(), "totalAmount": parts.total, "_parts": asdict(parts)}


def charge(call: Call) -> Answer:
    """PUT /invoices/{id}/miscellaneous_charges: they replace those that stand on a draft."""
    old, items = present(call), [sent(item) for item in read(Charges, call.body).items]
    if old.body["status"] != "DRAFT":
        raise TogaiError(400, f"Invoice {call.id} is {old.body['status']}: charges can be put on a draft alone")
    parts = replace(parts_of(old.body), charges=of_charges(items))
    keep(call, old, with_parts(old.body, parts))
    return Answer.json(200, {"data": items})


def delete(call: Call) -> Answer:
    """DELETE /invoices/{id}: of a custom draft alone."""
    old = present(call).body
    if old["status"] != "DRAFT" or old["invoiceType"] != "CUSTOM":
        raise TogaiError(400, f"Invoice {call.id} is no custom draft: it cannot be deleted")
    call.world.store.remove(call.scope, KIND, call.id)
    return Answer.json(200, {"success": True})


def present(call: Call) -> Document:
    """The invoice that the path names; raises 404."""
    return _by_id(call, call.id)


def _by_id(call: Call, id: str) -> Document:
    found = call.world.store.get(call.scope, KIND, id)
    if found is None:
        raise not_found("Invoice", id)
    return found
