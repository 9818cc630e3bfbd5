"""Ingress takes what a webhook can bring, and nothing that only a poller or a person can."""

from __future__ import annotations

import json
import time

import pytest
from prometheus_client import REGISTRY
from shared.domains import TRIGGERS

from tests.unit.ingress.harness import NEW, STRIPE, TOGAI, TOKEN, Harness
from tests.unit.ingress.test_hostile_input import signature

UNLINK = b'{"change": "unlink", "togai_account_id": "acme", "stripe_customer_id": "cus_1", "reason": "because"}'
NO_WEBHOOK = sorted(name for name, trigger in TRIGGERS.items() if trigger.brought != "webhook")
OF_TOGAI = [name for name in NO_WEBHOOK if name.startswith("togai.")]


def counted() -> float:
    return REGISTRY.get_sample_value("tandem_ingress_refused_total", {"app": "togai", "reason": "not_a_webhook"}) or 0


@pytest.mark.parametrize("name", [*OF_TOGAI, "togai.tandem.recheck.requested", "togai.tandem"])
def test_what_no_webhook_brings_is_refused_and_counted(name: str) -> None:
    """With the right token too: whoever knows the address decides nothing, and is answered who does."""
    harness, before = Harness(), counted()
    answer = harness.post(f"/webhooks/togai/{TOGAI}/{name.removeprefix('togai.')}/{TOKEN}", UNLINK, [])

    assert (answer.status, answer.code) == (403, "not_a_webhook")
    assert "no webhook brings" in answer.body["error"]["message"]
    assert harness.log.written == []
    assert counted() == before + 1


@pytest.mark.parametrize("name", [name for name in NO_WEBHOOK if name.startswith("stripe.")])
def test_a_signed_event_decides_nothing_either(name: str) -> None:
    """Whoever has the signing secret speaks for Stripe, and for no person here."""
    event = {"id": "evt_1", "object": "event", "type": name.removeprefix("stripe."), "created": 1, "livemode": False}
    body, now = (
        json.dumps(event | {"data": {"object": {"id": "sub_1", "object": "subscription"}}}).encode(),
        time.time(),
    )
    signed = f"t={int(now)},v1={signature(body, str(int(now)), NEW)}".encode()
    harness = Harness()
    answer = harness.post(f"/webhooks/stripe/{STRIPE}", body, [(b"stripe-signature", signed)])

    assert (answer.status, answer.code, harness.log.written) == (403, "not_a_webhook", [])


@pytest.mark.parametrize("name", ["account.created", "report.generated", "account.link_requested_too"])
def test_what_togai_may_send_is_taken(name: str) -> None:
    """What a trigger knows goes to its noun's topic, any other type to the others'."""
    harness = Harness()
    answer = harness.post(f"/webhooks/togai/{TOGAI}/{name}/{TOKEN}", b'{"accountId": "acme"}', [])
    (record,) = harness.log.written

    assert answer.status == 200
    assert record.topic == ("customer.events" if name == "account.created" else "other.events")
