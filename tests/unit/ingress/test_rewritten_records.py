"""A connection's record that somebody else than Tandem wrote opens no harness."""

from __future__ import annotations

import json
import time
from typing import Any

import msgspec
import pytest
import stripe

from tests.unit.ingress.harness import NEW, STRIPE, TOGAI, TOKEN, Answer, Harness

BODY = json.dumps(
    {"id": "evt_1", "object": "event", "type": "customer.created", "created": int(time.time()), "livemode": False}
).encode()


def both(harness: Harness) -> list[Answer]:
    """A good webhook of each vendor."""
    signature: str = stripe.WebhookSignature.generate_signature_header(BODY.decode(), NEW)
    signed = [(b"stripe-signature", signature.encode())]
    return [
        harness.post(f"/webhooks/stripe/{STRIPE}", BODY, signed),
        harness.post(f"/webhooks/togai/{TOGAI}/account.created/{TOKEN}", b'{"accountId": "acme"}', []),
    ]


@pytest.mark.parametrize(("name", "value"), [("app_account", "{}:test:other"), ("api_base", "http://127.0.0.1:1")])
def test_webhooks_of_a_rewritten_connection_are_not_taken(name: str, value: str) -> None:
    """Not even by an ingress that opened its secrets before: 503, so that the vendor sends them again."""
    harness = Harness()
    assert [answer.status for answer in both(harness)] == [200, 200]
    for id in (STRIPE, TOGAI):
        connection = harness.registry.connections[id]
        changed: dict[str, Any] = {name: value.format(connection.app)}
        harness.registry.connections[id] = msgspec.structs.replace(connection, **changed)

    assert [answer.status for answer in both(harness)] == [503, 503]
    assert len(harness.log.written) == 2
