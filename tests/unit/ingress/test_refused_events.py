"""Events that are not the connection's: taken, kept, reported, and never acted on or taken for received."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
import stripe
from prometheus_client import REGISTRY
from shared.apps.receiving import NotOurs
from shared.apps.stripe.webhooks import stripe_event
from shared.domains import subject_of

from tests.fakes.polling import NOW, STRIPE, FakeStripe, Memory, MemoryEventLog, connection
from tests.unit.ingress import harness
from tests.unit.ingress.harness import NEW, Harness


def event(**changes: Any) -> bytes:
    body = {
        "id": "evt_1", "object": "event", "type": "customer.created", "created": int(time.time()), "livemode": False,
        "data": {"object": {"id": "cus_1", "object": "customer", "email": "ada@example.test"}},
    }  # fmt: skip
    return json.dumps(body | changes).encode()


def counted(reason: str) -> float:
    return REGISTRY.get_sample_value("tandem_ingress_refused_total", {"app": "stripe", "reason": reason}) or 0


@pytest.mark.parametrize(
    ("changes", "reason"), [({"livemode": True}, "wrong_mode"), ({"account": "acct_other"}, "other_account")]
)
def test_the_sender_gets_2xx_and_why(changes: dict[str, Any], reason: str) -> None:
    """Refusing them for days gets the endpoint switched off; Stripe's page shows the answer with the remedy."""
    ingress, body, before = Harness(), event(**changes), counted(reason)
    signature: str = stripe.WebhookSignature.generate_signature_header(body.decode(), NEW)
    answer = ingress.post(f"/webhooks/stripe/{harness.STRIPE}", body, [(b"stripe-signature", signature.encode())])
    (record,) = ingress.log.written
    kept = json.loads(record.value)

    assert (answer.status, answer.body["refused"]["code"]) == (200, reason)
    assert "endpoint in Stripe" in answer.body["refused"]["message"]
    assert (record.topic, kept["type"], kept["refused"]) == ("other.events", "tandem.event.refused", reason)
    assert kept["data"] == json.loads(body)
    assert counted(reason) == before + 1


async def test_a_refused_event_was_not_received() -> None:
    """Where a poller lists one of that id it is still missing, and the index gets nothing of its customer."""
    memory = Memory()
    tail = MemoryEventLog(memory)
    vendor = FakeStripe(10)
    missing = vendor.happen(NOW + 1)
    with pytest.raises(NotOurs) as caught:
        stripe_event(event(id=missing, livemode=True), connection("stripe"), subject_of)
    await memory.store.event(caught.value.record)
    await tail.caught_up()

    assert memory.ids() == [missing]
    assert not tail.knows(STRIPE, missing)
    assert tail.offered == []
