"""Ingress takes what a webhook can bring, and nothing that only a poller or a person can."""

from __future__ import annotations

import pytest
from prometheus_client import REGISTRY
from shared.domains import TRIGGERS

from tests.unit.ingress.harness import TOGAI, TOKEN, Harness

UNLINK = b'{"change": "unlink", "togai_account_id": "acme", "stripe_customer_id": "cus_1", "reason": "because"}'
NO_WEBHOOK = sorted(
    name for name, trigger in TRIGGERS.items() if trigger.app == "togai" and trigger.brought != "webhook"
)


def counted() -> float:
    return REGISTRY.get_sample_value("tandem_ingress_refused_total", {"app": "togai", "reason": "not_a_webhook"}) or 0


@pytest.mark.parametrize("name", [*NO_WEBHOOK, "togai.tandem.recheck.requested", "togai.tandem"])
def test_what_no_webhook_brings_is_refused_and_counted(name: str) -> None:
    """With the right token too: whoever knows the address decides nothing, and is answered who does."""
    harness, before = Harness(), counted()
    answer = harness.post(f"/webhooks/togai/{TOGAI}/{name.removeprefix('togai.')}/{TOKEN}", UNLINK, [])

    assert (answer.status, answer.code) == (403, "not_a_webhook")
    assert "no webhook brings" in answer.body["error"]["message"]
    assert harness.log.written == []
    assert counted() == before + 1


@pytest.mark.parametrize("name", ["account.created", "report.generated", "account.link_requested_too"])
def test_what_togai_may_send_is_taken(name: str) -> None:
    """What a trigger knows goes to its noun's topic, any other type to the others'."""
    harness = Harness()
    answer = harness.post(f"/webhooks/togai/{TOGAI}/{name}/{TOKEN}", b'{"accountId": "acme"}', [])
    (record,) = harness.log.written

    assert answer.status == 200
    assert record.topic == ("customer.events" if name == "account.created" else "other.events")
