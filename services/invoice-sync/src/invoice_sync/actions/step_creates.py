"""What a step of a person's flow makes at Stripe: under a key of its run and step, so that it is made once."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from shared.apps.stripe.client import StripeApp
from shared.identity import create_key
from shared.linking.claims import KEY_TRUSTED_FOR
from shared.runtime.actions import Context
from shared.runtime.creating import CLOCK_SKEW

STEP = "tandem_step"
"""In the metadata of what a step made: by it the step finds it again once Stripe may have forgotten the key."""
Json = dict[str, Any]


def step_of(context: Context) -> str:
    """Which step of which run."""
    return f"{context.run.id}/{context.step.id}"


async def make_once(context: Context, path: str, params: Json) -> Json:
    """What the step makes, or has made already. Raises the client's errors."""
    client: StripeApp = await context.client("stripe")
    step = step_of(context)
    body = params | {"metadata": (params.get("metadata") or {}) | {STEP: step}}
    found = await _made_before(context, client, path, step)
    if found is None:
        found = await client.create(path, body, create_key(context.account("stripe"), context.step.action, step, 1))
    return found


async def _made_before(context: Context, client: StripeApp, path: str, step: str) -> Json | None:
    """What an old run's step made; nobody looks as long as the key is known at Stripe."""
    started = datetime.fromisoformat(context.run.started_at)
    if datetime.now(UTC) - started < KEY_TRUSTED_FOR:
        return None
    async for found in client.listed(path, {"created[gte]": int(started.timestamp()) - CLOCK_SKEW}):
        if (found.get("metadata") or {}).get(STEP) == step:
            return found
    return None
