"""Stripe's webhook signatures (source: Stripe docs, webhooks, verify signatures manually)."""

from __future__ import annotations

import hmac
import time

from sandbox.identifiers import stripe_id
from sandbox.store import Store

ROLL_OVERLAP = 24 * 3600.0


def signature_header(body: bytes, secrets: list[str], now: float | None = None) -> str:
    """The `Stripe-Signature` header: the time of this attempt, and one v1 for each active secret."""
    moment = int(time.time() if now is None else now)
    signed = f"{moment}.".encode() + body
    marks = [f"v1={hmac.new(secret.encode(), signed, 'sha256').hexdigest()}" for secret in secrets]
    return ",".join([f"t={moment}", *marks])


def active_secrets(store: Store, scope: str, endpoint: str, now: float | None = None) -> list[str]:
    """The secrets that still sign for this endpoint, the newest first."""
    record = store.fact(f"secrets:{scope}:{endpoint}") or {"secrets": []}
    moment = time.time() if now is None else now
    return [entry["secret"] for entry in record["secrets"] if entry["until"] is None or entry["until"] > moment]


def add_secret(store: Store, scope: str, endpoint: str, overlap: float = ROLL_OVERLAP) -> str:
    """Makes a new secret; older ones go on signing for `overlap` seconds, as after "Roll secret" in the dashboard."""
    name, now, secret = f"secrets:{scope}:{endpoint}", time.time(), stripe_id("whsec")
    old = [
        {"secret": known, "until": now + overlap}
        for known in active_secrets(store, scope, endpoint, now)
        if overlap > 0
    ]
    store.set_fact(name, {"secrets": [{"secret": secret, "until": None}, *old]})
    return secret
