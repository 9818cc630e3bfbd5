"""Stripe's idempotency keys (source: Stripe docs, idempotent requests).

Kept: status and body of the first execution, whatever it was, 500s included, in the same transaction as its effect.
Not kept: what failed validation, 401, 403, 429, and the conflict with a request that still runs. Kept for 24 hours.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from sandbox.store import dump
from sandbox.stripe_api.errors import StripeError, key_in_use, key_reused
from sandbox.world import World

KEPT_SECONDS = 24 * 3600
LONGEST_KEY = 255


@dataclass(frozen=True)
class Kept:
    """The first answer of a key, and the request that got it."""

    status: int
    body: str
    request: str


def check_key(key: str | None) -> None:
    """Refuses keys over 255 characters."""
    if key is not None and not 1 <= len(key) <= LONGEST_KEY:
        raise StripeError(400, f"Idempotency keys must be between 1 and {LONGEST_KEY} characters long.")


def replay(world: World, scope: str, key: str, path: str, params: dict[str, Any]) -> Kept | None:
    """The kept answer of a used key, or None for a fresh one; raises for other parameters and for a running request."""
    if (scope, key) in world.in_flight:
        raise key_in_use(key)
    sql = "SELECT path, params, request, status, body, created FROM idempotency WHERE scope=? AND key=?"
    found = world.store.row(sql, scope, key)
    if found is None or found[5] <= world.clock.now() - KEPT_SECONDS:
        return None
    if found[0] != path or json.loads(found[1]) != params:
        raise key_reused(key, path, found[0])
    return Kept(found[3], found[4], found[2])


def keep(world: World, scope: str, key: str, path: str, params: dict[str, Any], kept: Kept) -> None:
    """Keeps the first answer of a key, within the caller's transaction."""
    world.store.run(
        "INSERT OR REPLACE INTO idempotency VALUES (?,?,?,?,?,?,?,?)",
        scope, key, path, dump(params), kept.request, kept.status, kept.body, int(world.clock.now()),
    )  # fmt: skip
