"""The vendors' clients of a step, by their own types."""

from __future__ import annotations

from typing import cast

from shared.apps.stripe.client import StripeApp
from shared.apps.togai.client import TogaiApp
from shared.runtime.actions import Context


async def stripe_of(context: Context) -> StripeApp:
    """Raises Misconfigured or ConnectionClosed."""
    return cast(StripeApp, await context.client("stripe"))


async def togai_of(context: Context) -> TogaiApp:
    """Raises Misconfigured or ConnectionClosed."""
    return cast(TogaiApp, await context.client("togai"))
