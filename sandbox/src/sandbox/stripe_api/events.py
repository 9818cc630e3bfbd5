"""Stripe's events: made with every change, listed for 30 days, sent to every endpoint that wants them."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from typing import Any

from sandbox.deliveries import Message
from sandbox.identifiers import stripe_id
from sandbox.store import Document, dump
from sandbox.stripe_api import lists
from sandbox.stripe_api.calls import API_VERSION, Call, Happening
from sandbox.stripe_api.errors import StripeError, missing_object

KEPT_SECONDS = 30 * 24 * 3600


@contextmanager
def shuffled(call: Call, chance: random.Random | None) -> Iterator[None]:
    """Tells what happens meanwhile in another order than it happened, which Stripe does not promise; None: in order."""
    if chance is None:
        yield
        return
    call.held = []
    yield
    held, call.held = call.held, None
    chance.shuffle(held)
    for happening in held:
        emit(call, happening.type, happening.object, happening.previous)


def emit(call: Call, type: str, object: dict[str, Any], previous: dict[str, Any] | None = None) -> None:
    """Makes the event of a change and queues its deliveries, within the caller's transaction."""
    if call.held is not None:
        call.held.append(Happening(type, object, previous))
        return
    facts = {"account": call.scope, "event_type": type, "object": object["id"]}
    twin = call.world.faults.webhook("stripe", facts, "twin")
    for _ in range(2 if twin else 1):
        _emit_one(call, type, object, previous)


def _emit_one(call: Call, type: str, object: dict[str, Any], previous: dict[str, Any] | None) -> None:
    endpoints = _wanting(call, type)
    event: dict[str, Any] = {
        "id": stripe_id("evt"),
        "object": "event",
        "api_version": API_VERSION,
        "created": int(call.world.clock.now()),
        "data": {"object": object} if previous is None else {"object": object, "previous_attributes": previous},
        "livemode": call.tenant.live,
        "pending_webhooks": len(endpoints),
        "request": {"id": call.request, "idempotency_key": call.idempotency_key},
        "type": type,
    }
    call.world.store.insert(
        call.scope,
        "event",
        event,
        id=event["id"],
        created=event["created"],
        changed=call.world.clock.micros(),
        lookup=type,
    )
    for endpoint in endpoints:
        body = dump({**event, "api_version": endpoint["api_version"] or API_VERSION})
        call.world.deliveries.add(
            Message("stripe", call.scope, endpoint["id"], endpoint["url"], event["id"], type, object["id"], body)
        )


def _wanting(call: Call, type: str) -> list[dict[str, Any]]:
    found = call.world.store.select(call.scope, "webhook_endpoint", "deleted=0", order="seq")
    enabled = [document.body for document in found if document.body["status"] == "enabled"]
    return [body for body in enabled if "*" in body["enabled_events"] or type in body["enabled_events"]]


def _rendered(call: Call, document: Document) -> dict[str, Any]:
    sql = "SELECT count(*) FROM deliveries WHERE event=? AND state IN ('pending','held')"
    return {**document.body, "pending_webhooks": call.world.store.number(sql, document.id)}


def retrieve(call: Call) -> dict[str, Any]:
    """GET /v1/events/{id}, for 30 days."""
    found = call.world.store.get(call.scope, "event", call.id)
    if found is None or found.created < int(call.world.clock.now()) - KEPT_SECONDS:
        raise missing_object("event", call.id)
    return _rendered(call, found)


def check_list(call: Call) -> None:
    """Refuses `type` beside `types`, and more than 20 types."""
    lists.check_page(call)
    if "type" in call.params and "types" in call.params:
        message = "You may only specify one of these parameters: type, types."
        raise StripeError(400, message, code="parameters_exclusive", param="type")
    if len(call.params.get("types", [])) > 20:
        raise StripeError(400, "You may only specify up to 20 types.", param="types")


def listed(call: Call) -> dict[str, Any]:
    """GET /v1/events: newest first, 30 days back, by type, created time and delivery success."""
    where, values = lists.created_range(call.params.get("created"))
    oldest = int(call.world.clock.now()) - KEPT_SECONDS
    where.append("created>=?")
    values.append(oldest)
    _check_cursors(call, oldest)
    types = call.params.get("types") or []
    wanted = [call.params["type"]] if call.params.get("type") else types
    if wanted:
        chosen = _chosen_types(call, wanted)
        where.append(f"lookup IN ({','.join('?' * len(chosen))})")
        values += chosen
    if "delivery_success" in call.params:
        undelivered = "EXISTS (SELECT 1 FROM deliveries d WHERE d.event=documents.id AND d.state<>'delivered')"
        where.append(f"NOT {undelivered}" if call.params["delivery_success"] else undelivered)
    documents, more = lists.page(call, "event", "event", where, values)
    return lists.envelope("/v1/events", [_rendered(call, document) for document in documents], more)


def _check_cursors(call: Call, oldest: int) -> None:
    """Refuses a cursor that has gone with its 30 days, as one that never was."""
    for name in ("starting_after", "ending_before"):
        found = call.world.store.get(call.scope, "event", call.params.get(name) or "")
        if found and found.created < oldest:
            raise missing_object("event", found.id, param=name, status=400)


def _chosen_types(call: Call, wanted: list[str]) -> list[str]:
    if not any("*" in pattern for pattern in wanted):
        return wanted
    sql = "SELECT DISTINCT lookup FROM documents WHERE scope=? AND kind='event'"
    known = [str(row[0]) for row in call.world.store.rows(sql, call.scope)]
    return [type for type in known if any(fnmatchcase(type, pattern) for pattern in wanted)]
