"""Togai's webhooks: private flows that a person sets up in Togai's own pages; here the control API makes them.

Source: Togai docs, webhooks. Of the documented events those of accounts, price plans, invoices and orders can
happen here, since the others belong to proposals, incidents and reports. There is none for a changed or a created
customer, none for a changed price plan, none for a plan that is put on an account, and none for a payment.

The body is what the documented action payload `{"payload": "request"}` gives.
"""

from __future__ import annotations

from typing import Any

from sandbox.deliveries import Message
from sandbox.identifiers import random_text
from sandbox.store import Json, Store, dump
from sandbox.togai_api.calls import Call

ACCOUNT_CREATION = "Account creation"
PLAN_CREATION = "Price plan creation"
INVOICE_UPDATION, INVOICE_GENERATION = "Invoice updation", "Invoice generation"
ORDER_GENERATION = "Order generation"
EVENTS = (
    ACCOUNT_CREATION, PLAN_CREATION, "Proposal creation", INVOICE_UPDATION, INVOICE_GENERATION, ORDER_GENERATION,
    "Incident generation", "Report generation",
)  # fmt: skip


def send(call: Call, event: str, payload: dict[str, Any]) -> None:
    """Queues the event for every subscription, within the caller's transaction."""
    for subscription in subscriptions(call.world.store, call.scope):
        if subscription["event"] == event:
            run, body = f"run.{random_text(12)}", dump({"payload": payload})
            message = Message(
                "togai", call.scope, subscription["id"], subscription["url"], run, event, payload["id"], body
            )
            call.world.deliveries.add(message)


def subscriptions(store: Store, scope: str) -> list[Json]:
    """An organization's subscriptions, the oldest first."""
    return [document.body for document in store.select(scope, "subscription", order="seq")]


def subscribe(store: Store, scope: str, event: str, url: str, micros: int) -> Json:
    """Adds a subscription; raises ValueError for an event that Togai does not document."""
    if event not in EVENTS:
        raise ValueError(f"Togai documents no event {event!r}; it has: {', '.join(EVENTS)}")
    body = {"id": f"fli.{random_text(11)}.{random_text(5)}", "event": event, "url": url}
    store.insert(scope, "subscription", body, id=body["id"], created=micros // 1_000_000, changed=micros)
    return body
