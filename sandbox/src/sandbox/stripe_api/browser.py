"""Calls of a customer's browser: Stripe.js names a publishable key, and an intent's client secret, as parameters.

They reach the one intent that the secret is of, and see a part of it (source: Stripe API reference, PaymentIntents,
`client_secret`).
"""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

from sandbox.stripe_api import payments
from sandbox.stripe_api.calls import Operation
from sandbox.stripe_api.errors import StripeError, missing_object, wrong_key
from sandbox.tenants import Access
from sandbox.visits import Visit
from sandbox.world import World

OPERATIONS = ("payment_intents.retrieve", "payment_intents.confirm")
NAMES = ("key", "client_secret")
SHOWN = (
    "id", "object", "amount", "amount_details", "automatic_payment_methods", "canceled_at", "cancellation_reason",
    "capture_method", "client_secret", "confirmation_method", "created", "currency", "description",
    "last_payment_error", "livemode", "next_action", "payment_method", "payment_method_configuration_details",
    "payment_method_types", "processing", "receipt_email", "setup_future_usage", "shipping", "status",
)  # fmt: skip
"""What of an intent a publishable key is shown."""


def access(world: World, visit: Visit, found: tuple[Operation, str] | None) -> Access | None:
    """What the call may reach; None for one that names its key in a header, or names none. Raises StripeError."""
    if "authorization" in visit.request.headers:
        return None
    body = visit.body.decode("latin-1") if visit.request.method == "POST" else ""
    given = dict(parse_qsl("&".join(filter(None, (visit.request.url.query, body)))))
    key = given.get("key", "")
    if not key.startswith("pk_"):
        return None
    if found is None or found[0].name not in OPERATIONS:
        raise StripeError(
            403,
            "This API call cannot be made with a publishable API key. Please use a secret API key. You can find a list "
            "of your API keys at https://dashboard.stripe.com/account/apikeys.",
            code="secret_key_required",
        )
    live, secret = key.startswith("pk_live_"), given.get("client_secret", "")
    if not (live or key.startswith("pk_test_")):
        raise wrong_key(key)
    for tenant in world.tenants.all():
        intent = world.store.get(tenant.scope, payments.INTENT, found[1]) if tenant.app == "stripe" else None
        if intent and tenant.live == live and secret and intent.body["client_secret"] == secret:
            return Access(key, tenant, {"payment_intents": "write"})
    raise missing_object("payment_intent", found[1], param="intent")


def is_public(access: Access | None) -> bool:
    """Whether a browser calls."""
    return access is not None and access.key.startswith("pk_")


def without_names(params: dict[str, Any]) -> dict[str, Any]:
    """The operation's own parameters."""
    return {name: value for name, value in params.items() if name not in NAMES}


def shown(body: dict[str, Any]) -> dict[str, Any]:
    """An intent as a browser sees it."""
    return {name: body[name] for name in SHOWN if name in body}
