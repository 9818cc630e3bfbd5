"""A connection's record that somebody else than Tandem wrote opens no door."""

from __future__ import annotations

import json
import time
from typing import Any

import msgspec
import pytest
import stripe

from tests.unit.ingress.door import NEW, STRIPE, TOGAI, TOKEN, Answer, Door

BODY = json.dumps(
    {"id": "evt_1", "object": "event", "type": "customer.created", "created": int(time.time()), "livemode": False}
).encode()


def both(door: Door) -> list[Answer]:
    """A good webhook of each vendor."""
    signature: str = stripe.WebhookSignature.generate_signature_header(BODY.decode(), NEW)
    signed = [(b"stripe-signature", signature.encode())]
    return [
        door.post(f"/webhooks/stripe/{STRIPE}", BODY, signed),
        door.post(f"/webhooks/togai/{TOGAI}/account.created/{TOKEN}", b'{"accountId": "acme"}', []),
    ]


@pytest.mark.parametrize(("name", "value"), [("app_account", "{}:test:other"), ("api_base", "http://127.0.0.1:1")])
def test_webhooks_of_a_rewritten_connection_are_not_taken(name: str, value: str) -> None:
    """Not even by an ingress that opened its secrets before: 503, so that the vendor sends them again."""
    door = Door()
    assert [answer.status for answer in both(door)] == [200, 200]
    for id in (STRIPE, TOGAI):
        connection = door.registry.connections[id]
        changed: dict[str, Any] = {name: value.format(connection.app)}
        door.registry.connections[id] = msgspec.structs.replace(connection, **changed)

    assert [answer.status for answer in both(door)] == [503, 503]
    assert len(door.log.written) == 2
