"""Togai's lists (source: Togai docs, pagination, filter, search): tokens that embed filters, sorted by the last change.

A page with items always carries a token, the last one too; one extra call then answers an empty page without a token.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Collection, Sequence
from typing import Any

from sandbox.answers import Answer
from sandbox.store import Document, dump
from sandbox.togai_api.calls import Call
from sandbox.togai_api.errors import TogaiError

DEFAULT_SIZE = 20
LARGEST_SIZE = 100
_PAGING = ("nextToken", "pageSize")


def listed(
    call: Call,
    kind: str,
    show: Callable[[Document], dict[str, Any]],
    *,
    columns: dict[str, str],
    allowed: Collection[frozenset[str]],
    search: tuple[str, ...] = (),
    context: bool = True,
    options: Collection[str] = (),
    within: Sequence[tuple[str, object]] = (),
    sizes: tuple[int, int] = (DEFAULT_SIZE, LARGEST_SIZE),
    newest_first: bool = False,
) -> Answer:
    """One page; `columns` maps filter names to SQL, `allowed` holds the documented combinations of filters.

    `within` narrows the list whatever is asked for, `options` are parameters that filter nothing, `sizes` are the
    usual and the largest size of a page. Lists are in the order of the last change, or of the making.
    """
    token = _token(call, kind) if call.query.get("nextToken") else {}
    filters: dict[str, str] = token.get("filters") or {
        k: v for k, v in call.query.items() if k not in (*_PAGING, *options)
    }
    size: int = token.get("size") or _size(call, *sizes)
    names = frozenset(filters) - ({"_search"} if search else set())
    if names and names not in allowed:
        raise TogaiError(422, f"Unsupported combination of query parameters: {', '.join(sorted(names))}")
    where: list[str] = ["deleted=0"]
    values: list[object] = []
    for name in sorted(names):
        where.append(f"{columns[name]}=?")
        values.append(filters[name])
    for condition, value in within:
        where.append(condition)
        values.append(value)
    if filters.get("_search"):
        where.append("(" + " OR ".join(f"json_extract(body, '$.{field}') LIKE ?" for field in search) + ")")
        values += [f"%{filters['_search']}%"] * len(search)
    if token and newest_first:
        where.append("seq<?")
        values.append(token["seq"])
    elif token:
        where.append("(changed<? OR (changed=? AND id>?))")
        values += [token["changed"], token["changed"], token["id"]]
    order = "seq DESC" if newest_first else "changed DESC, id ASC"
    found = call.world.store.select(call.scope, kind, " AND ".join(where), values, order, size)
    page: dict[str, Any] = {"data": [show(document) for document in found], "nextToken": None}
    if found:
        end = found[-1]
        last = {"kind": kind, "filters": filters, "size": size, "changed": end.changed, "id": end.id, "seq": end.seq}
        page["nextToken"] = base64.urlsafe_b64encode(dump(last).encode()).decode()
    if context:
        page["context"] = {"pageSize": size, "sortOrder": "DESC"}
    return Answer.json(200, page)


def of_rows(call: Call, rows: list[dict[str, Any]], *options: str) -> Answer:
    """One page of rows that are at hand; here only a page that others follow carries a token. `options` are parameters
    beside those of the page.
    """
    if unknown := set(call.query) - {*_PAGING, *options}:
        raise TogaiError(422, f"Unsupported query parameters: {', '.join(sorted(unknown))}")
    token = _token(call, "rows") if call.query.get("nextToken") else {}
    at, size = int(token.get("at", 0)), int(token.get("size") or _size(call, DEFAULT_SIZE, LARGEST_SIZE))
    following = dump({"kind": "rows", "at": at + size, "size": size}) if at + size < len(rows) else ""
    page = {"data": rows[at : at + size], "nextToken": base64.urlsafe_b64encode(following.encode()).decode() or None}
    return Answer.json(200, page)


def check_query(call: Call, *known: str) -> None:
    """Raises 400 for a parameter that an operation does not have."""
    if unknown := set(call.query) - set(known):
        raise TogaiError(400, f"Unknown query parameters: {', '.join(sorted(unknown))}")


def _size(call: Call, usual: int, largest: int) -> int:
    text = call.query.get("pageSize", str(usual))
    try:
        size = float(text)
    except ValueError:
        size = 0.0
    if not size.is_integer() or not 1 <= size <= largest:
        raise TogaiError(422, f"pageSize must be a whole number from 1 to {largest}")
    return int(size)


def _token(call: Call, kind: str) -> dict[str, Any]:
    try:
        token = json.loads(base64.urlsafe_b64decode(call.query["nextToken"]))
    except (binascii.Error, ValueError) as error:
        raise TogaiError(400, "Invalid nextToken") from error
    if not isinstance(token, dict) or token.get("kind") != kind:
        raise TogaiError(400, "Invalid nextToken")
    return token
