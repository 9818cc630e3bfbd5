"""Stripe's billing meters: what a metered price counts. Their events are not served: Tandem sends no usage."""

from __future__ import annotations

from typing import Any

from sandbox.identifiers import stripe_id
from sandbox.store import Document
from sandbox.stripe_api import documents, lists
from sandbox.stripe_api.calls import Call, Operation
from sandbox.stripe_api.errors import StripeError, missing_object
from sandbox.stripe_api.rules import check_texts

KIND, NOUN = "billing.meter", "meter"
URL = "/v1/billing/meters"
LONGEST = {
    "display_name": 250, "event_name": 100, "customer_mapping[event_payload_key]": 100,
    "value_settings[event_payload_key]": 100,
}  # fmt: skip
Body = dict[str, Any]


def check(call: Call) -> None:
    """Refuses names that are too long, or empty."""
    check_texts(call.params, LONGEST)
    for name in ("display_name", "event_name"):
        if call.params.get(name) == "":
            raise StripeError(400, f"Invalid string: {name} must not be empty.", param=name)


def create(call: Call) -> Body:
    """POST /v1/billing/meters: one active meter for each event name."""
    params = call.params
    taken = call.world.store.select(
        call.scope, KIND, "lookup=? AND json_extract(body, '$.status')='active'", [params["event_name"]]
    )
    if taken:
        message = f"There is already an active meter with the event name `{params['event_name']}`: {taken[0].id}."
        raise StripeError(400, message, param="event_name")
    now = int(call.world.clock.now())
    body: Body = {
        "id": stripe_id("mtr"), "object": KIND, "created": now,
        "customer_mapping": params.get("customer_mapping")
        or {"event_payload_key": "stripe_customer_id", "type": "by_id"},
        "default_aggregation": params["default_aggregation"], "display_name": params["display_name"],
        "event_name": params["event_name"], "event_time_window": params.get("event_time_window"),
        "livemode": call.tenant.live, "status": "active", "status_transitions": {"deactivated_at": None},
        "updated": now, "value_settings": params.get("value_settings") or {"event_payload_key": "value"},
    }  # fmt: skip
    return documents.add(call, body, lookup=body["event_name"], event="billing.meter.created")


def update(call: Call) -> Body:
    """POST /v1/billing/meters/{id}: its name alone."""
    old = documents.present(call, KIND, NOUN)
    return _changed(call, old, {"display_name": call.params.get("display_name", old.body["display_name"])}, "updated")


def deactivate(call: Call) -> Body:
    """POST /v1/billing/meters/{id}/deactivate: no new price can count by it."""
    at = {"deactivated_at": int(call.world.clock.now())}
    return _turned(call, "active", {"status": "inactive", "status_transitions": at}, "deactivated")


def reactivate(call: Call) -> Body:
    """POST /v1/billing/meters/{id}/reactivate."""
    at = {"deactivated_at": None}
    return _turned(call, "inactive", {"status": "active", "status_transitions": at}, "reactivated")


def _turned(call: Call, before: str, change: Body, event: str) -> Body:
    old = documents.present(call, KIND, NOUN)
    if old.body["status"] != before:
        raise StripeError(400, f"The meter `{call.id}` is not {before}.")
    return _changed(call, old, change, event)


def _changed(call: Call, old: Document, change: Body, event: str) -> Body:
    new = {**old.body, **change}
    if new != old.body:
        new["updated"] = int(call.world.clock.now())
    return documents.change(call, old, new, event=f"billing.meter.{event}")


def retrieve(call: Call) -> Body:
    """GET /v1/billing/meters/{id}."""
    return documents.present(call, KIND, NOUN).body


def listed(call: Call) -> Body:
    """GET /v1/billing/meters, by status."""
    status = call.params.get("status")
    where = ["json_extract(body, '$.status')=?"] if status else []
    return documents.page(call, KIND, NOUN, URL, where, [status] if status else [])


def usable(call: Call, id: str) -> None:
    """Raises unless a price can count by this meter."""
    found = call.world.store.get(call.scope, KIND, id)
    if found is None:
        raise missing_object(NOUN, id, param="recurring[meter]", status=400)
    if found.body["status"] != "active":
        message = f"The meter `{id}` is not active, so no new price can be backed by it."
        raise StripeError(400, message, param="recurring[meter]")


OPERATIONS = (
    Operation("billing_meters.create", "POST", URL, "billing.MeterCreateParams", create, KIND, check),
    Operation("billing_meters.list", "GET", URL, "billing.MeterListParams", listed, f"list:{KIND}", lists.check_page),
    Operation("billing_meters.retrieve", "GET", f"{URL}/{{id}}", "billing.MeterRetrieveParams", retrieve, KIND),
    Operation("billing_meters.update", "POST", f"{URL}/{{id}}", "billing.MeterUpdateParams", update, KIND, check),
    Operation("billing_meters.deactivate", "POST", f"{URL}/{{id}}/deactivate", "billing.MeterDeactivateParams",
              deactivate, KIND),
    Operation("billing_meters.reactivate", "POST", f"{URL}/{{id}}/reactivate", "billing.MeterReactivateParams",
              reactivate, KIND),
)  # fmt: skip
