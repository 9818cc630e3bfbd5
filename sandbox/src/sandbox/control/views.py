"""What the control API shows."""

from __future__ import annotations

from typing import Any

from starlette.datastructures import QueryParams

from sandbox.clock import rfc3339
from sandbox.control.requests import ControlError
from sandbox.store import Json, load
from sandbox.tenants import Tenant
from sandbox.world import World

_CALL = (
    "at", "app", "account", "method", "path", "operation", "status", "idempotency_key", "request", "fault", "began",
    "caller", "retry_after",
)  # fmt: skip


def accounts_view(world: World) -> list[Json]:
    """Every account and organization with its keys."""
    return [
        {"app": t.app, "id": t.id, "account": t.scope, "live": t.live, "keys": world.tenants.keys(t)}
        for t in world.tenants.all()
    ]


def calls_view(world: World, scope: str | None, query: QueryParams) -> Json:
    """The call log with counts by operation; `limit` cuts the list, never the counts.

    `mark` names the newest call of all: sent back as `since`, it leaves only what came later.
    """
    where: list[str] = ["seq>?"]
    values: list[object] = [int(query.get("since", "0"))]
    for column, value in (("scope", scope), ("app", query.get("app")), ("operation", query.get("operation"))):
        if value:
            where.append(f"{column}=?")
            values.append(value)
    condition = " AND ".join(where)
    limit = int(query.get("limit", "10000"))
    rows = world.store.rows(
        "SELECT at, app, scope, method, path, operation, status, idempotency_key, request, fault, began, caller, "
        "retry_after FROM "
        f"(SELECT * FROM calls WHERE {condition} ORDER BY seq DESC LIMIT ?) ORDER BY seq",
        *values,
        limit,
    )
    counts = world.store.rows(f"SELECT operation, count(*) FROM calls WHERE {condition} GROUP BY operation", *values)
    mark = world.store.number("SELECT coalesce(max(seq), 0) FROM calls")
    return {"calls": [dict(zip(_CALL, row, strict=True)) for row in rows], "counts": dict(counts), "mark": mark}


def history_view(world: World, tenant: Tenant, since: int, limit: int) -> Json:
    """Every version of an account's customers, accounts and settings, the oldest first, with who made it.

    `mark` names the last one shown: sent back as `since`, it leads on.
    """
    rows = world.store.rows(
        "SELECT seq, at, kind, id, caller, deleted, body FROM versions WHERE scope=? AND seq>? ORDER BY seq LIMIT ?",
        tenant.scope, since, limit,
    )  # fmt: skip
    names = ("seq", "at", "kind", "id", "caller")
    found = [{**dict(zip(names, row[:5], strict=True)), "deleted": bool(row[5]), "body": load(row[6])} for row in rows]
    return {"versions": found, "mark": found[-1]["seq"] if found else since}


def state_view(world: World, tenant: Tenant, wanted: str) -> Json:
    """The objects of an account, the oldest first, with deleted Stripe objects marked: those of the `wanted` lists,
    separated by commas; of all, if none is named.
    """
    result: dict[str, Any] = {"account": tenant.scope, "app": tenant.app}
    kinds = (
        {
            "customers": "customer", "events": "event", "webhook_endpoints": "webhook_endpoint",
            "products": "product", "prices": "price", "payment_links": "payment_link",
            "checkout_sessions": "checkout.session", "payment_intents": "payment_intent", "charges": "charge",
            "subscriptions": "subscription", "invoices": "invoice", "invoice_items": "invoiceitem",
            "invoice_payments": "invoice_payment", "credit_notes": "credit_note", "refunds": "refund",
            "disputes": "dispute", "balance_transactions": "customer_balance_transaction", "mails": "mail",
            "tax_transactions": "tax.transaction",
        }
        if tenant.app == "stripe"
        else {
            "customers": "customer", "accounts": "account", "settings": "setting", "aliases": "alias",
            "price_plans": "price_plan", "pricing_schedules": "pricing_schedule", "schedule_drafts": "schedule_draft",
            "invoices": "invoice", "payments": "payment",
        }
    )  # fmt: skip
    names = wanted.split(",") if wanted else list(kinds)
    if unknown := {*names} - kinds.keys():
        raise ControlError(400, f"no list is called {', '.join(sorted(unknown))!r}: there is {', '.join(kinds)}")
    for plural in names:
        kind = kinds[plural]
        rows = world.store.select(tenant.scope, kind, order="seq")
        result[plural] = [_shown(tenant, kind, row.body, row.lookup, row.deleted, row.changed) for row in rows]
    return result


def _shown(tenant: Tenant, kind: str, body: Json, lookup: str | None, deleted: bool, changed: int) -> Json:
    if tenant.app == "stripe":
        return {**body, "deleted": True} if deleted else body
    if kind == "customer":
        return {**body, "updatedAt": rfc3339(changed / 1e6)}
    return {**body, "accountId": lookup} if kind in ("alias", "pricing_schedule") else body
