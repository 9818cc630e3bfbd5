"""Stripe's signatures, as its own SDK makes them, and every way in which they can be wrong."""

from __future__ import annotations

import hmac

import pytest
import stripe
from shared.apps.stripe.signatures import TOLERANCE, BadSignature, verify

BODY = b'{"id": "evt_1"}'
NOW = 1_795_428_000
OLD, NEW = "whsec_old", "whsec_new"


def header(secret: str = NEW, at: int = NOW, body: bytes = BODY) -> bytes:
    made: str = stripe.WebhookSignature.generate_signature_header(body.decode(), secret, timestamp=at)
    return made.encode()


@pytest.mark.parametrize("secrets", [[NEW], [NEW, OLD], [OLD, NEW]])
def test_the_sdks_own_header_is_accepted(secrets: list[str]) -> None:
    """With any number of active secrets, in any order."""
    verify(BODY, header(), secrets, NOW)


def test_one_of_several_signatures_is_enough() -> None:
    """While a secret is rolled Stripe sends one v1 per active secret."""
    both = header(OLD) + b",v1=" + header(NEW).partition(b"v1=")[2]

    verify(BODY, both, [NEW], NOW)


def test_a_space_after_the_comma_does_no_harm() -> None:
    """Proxies add them."""
    verify(BODY, header().replace(b",", b", "), [NEW], NOW)


@pytest.mark.parametrize(
    ("given", "secrets", "reason"),
    [
        (b"", [NEW], "missing"),
        (b"garbage", [NEW], "malformed"),
        (b"t=,v1=aa", [NEW], "malformed"),
        (b"t=12x,v1=aa", [NEW], "malformed"),
        (b"t=99999999999999999999,v1=aa", [NEW], "malformed"),
        (b"v1=aa", [NEW], "malformed"),
        (f"t={NOW}".encode(), [NEW], "malformed"),
        (f"t={NOW},v0=aa".encode(), [NEW], "malformed"),
        (f"t={NOW},v1=".encode(), [NEW], "mismatch"),
        (f"t={NOW},v1=\xfc\xff".encode("latin1"), [NEW], "mismatch"),
        (header(OLD), [NEW], "mismatch"),
        (header(body=b"{}"), [NEW], "mismatch"),
        (header(), [], "no_secret"),
        (header(at=NOW - TOLERANCE - 1), [NEW], "stale"),
        (header(at=NOW + TOLERANCE + 1), [NEW], "stale"),
        (header(at=NOW + 86_400), [NEW], "stale"),
    ],
)
def test_everything_else_is_refused_with_its_reason(given: bytes, secrets: list[str], reason: str) -> None:
    """A day in the future too, which the SDK takes."""
    with pytest.raises(BadSignature) as caught:
        verify(BODY, given, secrets, NOW)

    assert caught.value.reason == reason


@pytest.mark.parametrize("secrets", [[""], [" "], ["", "\n"]])
def test_nobody_gets_in_by_an_empty_secret(secrets: list[str]) -> None:
    """However it got there: everybody can sign with it."""
    for secret in ("", *secrets):
        with pytest.raises(BadSignature) as caught:
            verify(BODY, signed_by(secret), secrets, NOW)
        assert caught.value.reason == "no_secret"


def test_an_empty_secret_beside_a_good_one_signs_nothing() -> None:
    """The good one does."""
    verify(BODY, header(NEW), ["", NEW], NOW)
    with pytest.raises(BadSignature) as caught:
        verify(BODY, signed_by(""), ["", NEW], NOW)

    assert caught.value.reason == "mismatch"


def signed_by(secret: str) -> bytes:
    """A header by any secret: the SDK makes none by an empty one."""
    found = hmac.digest(secret.encode(), f"{NOW}.".encode() + BODY, "sha256").hex()
    return f"t={NOW},v1={found}".encode()
