"""Signing secrets as people write them into a setting, tried at the harness."""

from __future__ import annotations

import hmac
import json
import time

import pytest
from shared.connections import Secrets
from shared.settings import Settings

from tests.unit.ingress.harness import STRIPE, Answer, Harness

BODY = json.dumps(
    {"id": "evt_1", "object": "event", "type": "customer.created", "created": int(time.time()), "livemode": False}
).encode()


def post(harness: Harness, secret: str) -> Answer:
    """A webhook that is signed by a secret."""
    stamp = int(time.time())
    signature = hmac.digest(secret.encode(), f"{stamp}.".encode() + BODY, "sha256").hex()
    return harness.post(
        f"/webhooks/stripe/{STRIPE}", BODY, [(b"stripe-signature", f"t={stamp},v1={signature}".encode())]
    )


@pytest.mark.parametrize(
    ("secret", "status"), [("whsec_a", 200), ("whsec_b", 200), ("", 400), (" ", 400), ("whsec_b ", 400)]
)
def test_secrets_with_blanks_around_them_are_those_without(
    monkeypatch: pytest.MonkeyPatch, secret: str, status: int
) -> None:
    """What Stripe signs with is taken, and what was only a blank between two commas opens nothing."""
    monkeypatch.setenv("STRIPE_WEBHOOK_SECRETS", "whsec_a\n, ,whsec_b ")
    given, harness = Settings(_env_file=None).stripe_webhook_secrets, Harness()
    harness.connect(STRIPE, Secrets(api_key="sk_test_1", webhook_secrets=[s.get_secret_value() for s in given]))

    assert post(harness, secret).status == status


def test_a_connection_of_blank_secrets_takes_nothing() -> None:
    """Also if somebody sealed them past every check."""
    harness = Harness()
    harness.connect(STRIPE, Secrets(api_key="sk_test_1", webhook_secrets=["", " "]))

    assert {post(harness, secret).code for secret in ("", " ")} == {"signature_no_secret"}
