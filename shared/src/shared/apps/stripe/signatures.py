"""Stripe's webhook signatures, checked over the raw bytes. Pure.

Source: Stripe's documentation on webhook signatures: `t=<seconds>,v1=<HMAC-SHA256 of "t.body">`, one v1 per active
secret. The SDK's own check takes one secret, and accepts any time to come; this takes several, and refuses both ways.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence

TOLERANCE = 300
"""Seconds by which a signature's time may be off, both ways."""


class BadSignature(Exception):
    """The request is not from Stripe, or not from now. `reason` is a short code for the counter."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


def verify(body: bytes, header: bytes, secrets: Sequence[str], now: float) -> None:
    """Raises BadSignature unless one of the header's v1 signatures fits one of the secrets, and its time is near."""
    stamp, signatures, usable = check_header(header, secrets, now)
    signed = str(stamp).encode() + b"." + body
    found = False
    for secret in usable:
        expected = hmac.digest(secret.encode(), signed, "sha256").hex().encode()
        for signature in signatures:
            # No early end: the time taken must not tell which secret or how much of it fits.
            found |= hmac.compare_digest(expected, signature)
    if not found:
        raise BadSignature("mismatch", "no signature fits a signing secret of this connection")


def check_header(header: bytes, secrets: Sequence[str], now: float) -> tuple[int, list[bytes], list[str]]:
    """The signature's time, the signatures, and the secrets that can be meant: what needs no body to be checked.

    Raises BadSignature for a header that proves nothing, whatever the body is.
    """
    stamp, signatures = _parse(header)
    if abs(now - stamp) > TOLERANCE:
        raise BadSignature(
            "stale",
            f"the signature's time is {round(now - stamp)} s off, at most {TOLERANCE} s are accepted: "
            "check this machine's clock",
        )
    # Anybody can sign with the empty secret.
    usable = [secret for secret in secrets if secret.strip()]
    if not usable:
        raise BadSignature("no_secret", "this connection has no signing secret: set STRIPE_WEBHOOK_SECRETS")
    return stamp, signatures, usable


def _parse(header: bytes) -> tuple[int, list[bytes]]:
    if not header:
        raise BadSignature("missing", "the header Stripe-Signature is missing")
    stamp, signatures = b"", []
    for part in header.split(b","):
        name, _, value = part.strip().partition(b"=")
        if name == b"t":
            stamp = value
        elif name == b"v1":
            signatures.append(value)
    if not stamp.isdigit() or len(stamp) > 12 or not signatures:
        raise BadSignature("malformed", "the header Stripe-Signature is not t=<seconds>,v1=<signature>")
    return int(stamp), signatures
