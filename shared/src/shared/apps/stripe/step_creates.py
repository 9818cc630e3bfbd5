"""What a step of a person's flow makes at Stripe: under a key of its run and step, so that it is made once."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from shared.apps.stripe.app import Stripe
from shared.apps.stripe.client import StripeApp
from shared.linking.claims import CLOCK_SKEW

STEP = "tandem_step"
"""In the metadata of what a step made: by it the step finds it again once Stripe may have forgotten the key."""
UNDATED = frozenset({"/v1/payment_links"})
"""Lists that cannot be asked for what was made since a time (Stripe's reference)."""


async def make_once(
    client: StripeApp, path: str, params: Mapping[str, Any], *, step: str, key: str, began: datetime
) -> dict[str, Any]:
    """What a step makes, or has made already; `began` is when its run did. Raises the client's errors."""
    mark = {STEP: step}
    # Nobody looks as long as the key is known at Stripe.
    if datetime.now(UTC) - began >= Stripe.keys_kept_for:
        window = {} if path in UNDATED else {"created[gte]": int(began.timestamp()) - CLOCK_SKEW}
        if found := await client.with_metadata(path, window, mark):
            return found
    return await client.create(path, dict(params) | {"metadata": (params.get("metadata") or {}) | mark}, key)
