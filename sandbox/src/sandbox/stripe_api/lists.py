"""Stripe's list envelope: newest first, cursors in both directions (source: Stripe API reference, pagination)."""

from __future__ import annotations

from typing import Any

from sandbox.store import Document
from sandbox.stripe_api.calls import Call
from sandbox.stripe_api.errors import StripeError, missing_object

_RANGE = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}


def check_page(call: Call) -> None:
    """Refuses a limit out of 1..100, and two cursors at once."""
    limit = call.params.get("limit", 10)
    if not 1 <= limit <= 100:
        side = "greater than or equal to 1" if limit < 1 else "less than or equal to 100"
        raise StripeError(400, f"This value must be {side}.", code="parameter_invalid_integer", param="limit")
    if call.params.get("starting_after") and call.params.get("ending_before"):
        message = "You may only specify one of these parameters: starting_after, ending_before."
        raise StripeError(400, message, code="parameters_exclusive", param="starting_after")


def created_range(created: Any) -> tuple[list[str], list[object]]:
    """Conditions on the created time, from a number or from gt, gte, lt, lte."""
    if created is None:
        return [], []
    if isinstance(created, int):
        return ["created=?"], [created]
    return [f"created{_RANGE[key]}?" for key in created], list(created.values())


def page(call: Call, kind: str, noun: str, where: list[str], values: list[object]) -> tuple[list[Document], bool]:
    """One page of documents and whether more follow; raises for a cursor that names no object."""
    limit = call.params.get("limit", 10)
    after: str = call.params.get("starting_after") or ""
    before: str = call.params.get("ending_before") or ""
    where, values = ["deleted=0", *where], [*values]
    if after or before:
        cursor = call.world.store.get(call.scope, kind, after or before)
        if cursor is None:
            raise missing_object(
                noun, after or before, param="starting_after" if after else "ending_before", status=400
            )
        where.append("seq<?" if after else "seq>?")
        values.append(cursor.seq)
    order = "seq ASC" if before else "seq DESC"
    found = call.world.store.select(call.scope, kind, " AND ".join(where), values, order, limit + 1)
    documents = found[:limit]
    return (documents[::-1] if before else documents), len(found) > limit


def envelope(url: str, data: list[dict[str, Any]], has_more: bool) -> dict[str, Any]:
    """The list object."""
    return {"object": "list", "data": data, "has_more": has_more, "url": url}


def sliced(call: Call, items: list[dict[str, Any]], noun: str, url: str) -> dict[str, Any]:
    """A page of a list that stands inside another object and keeps its order, such as line items."""
    limit = call.params.get("limit", 10)
    ids = [item["id"] for item in items]
    start, end = 0, len(items)
    for name in ("starting_after", "ending_before"):
        cursor = call.params.get(name)
        if not cursor:
            continue
        if cursor not in ids:
            raise missing_object(noun, cursor, param=name, status=400)
        if name == "starting_after":
            start = ids.index(cursor) + 1
        else:
            end = ids.index(cursor)
    if call.params.get("ending_before"):
        return envelope(url, items[max(0, end - limit) : end], end > limit)
    return envelope(url, items[start : start + limit], len(items) > start + limit)
