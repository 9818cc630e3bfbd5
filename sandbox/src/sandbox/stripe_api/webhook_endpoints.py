"""Stripe's webhook endpoints."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from sandbox.identifiers import stripe_id
from sandbox.signatures import add_secret
from sandbox.stripe_api import lists
from sandbox.stripe_api.calls import Call
from sandbox.stripe_api.errors import StripeError, missing_object
from sandbox.stripe_api.rules import check_metadata, check_texts, merged_metadata
from sandbox.stripe_api.shapes import empty

KIND = "webhook_endpoint"
NOUN = "webhook endpoint"
MOST = 16


def check(call: Call) -> None:
    """Refuses a bad URL, no events, and metadata over the limits."""
    check_texts(call.params, {})
    check_metadata(call.params.get("metadata"))
    if "enabled_events" in call.params and not call.params["enabled_events"]:
        raise empty(("enabled_events",))
    if "url" in call.params:
        _check_url(call, call.params["url"])


def _check_url(call: Call, url: str) -> None:
    if not url:
        raise empty(("url",))
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        message = "Invalid URL: An explicit scheme (such as https) must be provided."
        raise StripeError(400, message, code="url_invalid", param="url")
    if call.tenant.live and parts.scheme == "http" and not call.world.settings.stripe_live_http_endpoints:
        raise StripeError(400, "Invalid URL: URL must be https in live mode.", code="url_invalid", param="url")


def create(call: Call) -> dict[str, Any]:
    """POST /v1/webhook_endpoints; the only answer that carries the secret."""
    if call.world.store.count(call.scope, KIND, "deleted=0") >= MOST:
        raise StripeError(
            400, f"You have reached the maximum of {MOST} {'live' if call.tenant.live else 'test'} webhook endpoints."
        )
    body: dict[str, Any] = {
        "id": stripe_id("we"), "object": KIND, "api_version": call.params.get("api_version"), "application": None,
        "created": int(call.world.clock.now()), "description": call.params.get("description") or None,
        "enabled_events": call.params["enabled_events"], "livemode": call.tenant.live,
        "metadata": merged_metadata({}, call.params.get("metadata")), "status": "enabled", "url": call.params["url"],
    }  # fmt: skip
    call.world.store.insert(
        call.scope, KIND, body, id=body["id"], created=body["created"], changed=call.world.clock.micros()
    )
    return {**body, "secret": add_secret(call.world.store, call.scope, body["id"])}


def update(call: Call) -> dict[str, Any]:
    """POST /v1/webhook_endpoints/{id}; api_version is fixed for life and no parameter here."""
    old = _present(call)
    new = dict(old)
    for name in ("enabled_events", "url"):
        if name in call.params:
            new[name] = call.params[name]
    if "description" in call.params:
        new["description"] = call.params["description"] or None
    if "metadata" in call.params:
        new["metadata"] = merged_metadata(old["metadata"], call.params["metadata"])
    if "disabled" in call.params:
        new["status"] = "disabled" if call.params["disabled"] else "enabled"
    call.world.store.replace(call.scope, KIND, call.id, new, call.world.clock.micros())
    call.world.store.run("UPDATE deliveries SET url=? WHERE endpoint=? AND state='pending'", new["url"], call.id)
    return new


def retrieve(call: Call) -> dict[str, Any]:
    """GET /v1/webhook_endpoints/{id}, without the secret."""
    return _present(call)


def delete(call: Call) -> dict[str, Any]:
    """DELETE /v1/webhook_endpoints/{id}; what is pending for it is given up."""
    body = _present(call)
    call.world.store.replace(call.scope, KIND, call.id, body, call.world.clock.micros(), deleted=True)
    return {"id": call.id, "object": KIND, "deleted": True}


def listed(call: Call) -> dict[str, Any]:
    """GET /v1/webhook_endpoints."""
    documents, more = lists.page(call, KIND, NOUN, [], [])
    return lists.envelope("/v1/webhook_endpoints", [document.body for document in documents], more)


def _present(call: Call) -> dict[str, Any]:
    found = call.world.store.get(call.scope, KIND, call.id)
    if found is None or found.deleted:
        raise missing_object(NOUN, call.id)
    return found.body
