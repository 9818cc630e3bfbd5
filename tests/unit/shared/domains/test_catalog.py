"""Triggers read the vendors' bodies, also the undocumented and the broken ones."""

from __future__ import annotations

import json
from typing import Any

import pytest
from shared.domains import TRIGGERS
from shared.errors import Malformed

ACCOUNT = {"id": "acme", "customerId": "c1", "togaiAccountId": "account.x.y"}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (ACCOUNT, "acme"),
        ({"payload": ACCOUNT}, "acme"),
        ({"payload": json.dumps(ACCOUNT)}, "acme"),
        ([ACCOUNT], "acme"),
        ({"accountId": "acme"}, "acme"),
        ({"id": "event-7", "data": {"accountId": "acme"}}, "acme"),
        ({"id": "event-7", "data": ACCOUNT}, "acme"),
        ({"id": "event-7", "account": {"id": "acme"}}, "acme"),
        ({"id": "account.x.y", "accountId": "acme"}, "acme"),
        ({"request": {"account": ACCOUNT}}, "acme"),
        (json.dumps({"payload": ACCOUNT}), "acme"),
        ({"id": "account.x.y"}, None),
        ({"id": ""}, None),
        ({"payload": "request"}, None),
        ({}, None),
        ([], None),
        ("text", None),
        (None, None),
        (7, None),
        ({"id": {"nested": 1}}, None),
    ],
)
def test_the_account_is_found_in_whatever_togai_sends(body: Any, expected: str | None) -> None:
    """The body is undocumented: known shapes are probed, the internal id is never taken for the account's own."""
    trigger = TRIGGERS["togai.account.created"]

    assert trigger.subject(body) == (("account", expected) if expected else None)
    if expected is None:
        with pytest.raises(Malformed, match="names no account"):
            trigger.extract(body)


@pytest.mark.parametrize(
    "body",
    [None, [], {}, {"data": None}, {"data": {"object": None}}, {"data": {"object": {"object": "customer", "id": ""}}}],
)
def test_a_stripe_event_without_its_object_is_malformed(body: Any) -> None:
    """It becomes a dead letter with its reason."""
    with pytest.raises(Malformed, match="holds no Stripe customer"):
        TRIGGERS["stripe.customer.created"].extract(body)


def test_a_stripe_event_shows_customer_and_key() -> None:
    """The key tells whether the write behind the event was ours."""
    body = {
        "data": {"object": {"id": "cus_1", "object": "customer", "metadata": None, "new_field": 1}},
        "request": {"idempotency_key": "tandem-x"},
    }

    found = TRIGGERS["stripe.customer.created"].extract(body).model_dump()

    assert found["customer"]["id"] == "cus_1"
    assert found["customer"]["metadata"] == {}
    assert found["idempotency_key"] == "tandem-x"


def test_old_events_name_their_request_as_a_string() -> None:
    """Before 2017 `request` was the bare id."""
    body = {"data": {"object": {"id": "cus_1", "object": "customer"}}, "request": "req_1"}

    assert TRIGGERS["stripe.customer.created"].extract(body).model_dump()["idempotency_key"] is None
