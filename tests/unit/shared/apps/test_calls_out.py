"""What our clients never do: go where a vendor sends them, and tell of other calls."""

from __future__ import annotations

import stripe
from shared.apps.stripe.client import http_client as stripe_http
from shared.apps.togai.client import http_client as togai_http


async def test_no_redirect_is_followed() -> None:
    """A redirect would take the token to another host."""
    async with togai_http(1.0) as http:
        assert http.follow_redirects is False


def test_stripes_telemetry_is_off() -> None:
    """It writes a file into the home and sends figures about other calls."""
    stripe.enable_telemetry = True
    stripe_http(1.0)

    assert stripe.enable_telemetry is False
