"""Calls that change a thing that is there, each under a key of its own: sent again it has no second effect."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from shared.errors import NotReady, RateLimited, Rejected, Unavailable
from shared.identity import create_key
from shared.runtime.actions import Context

T = TypeVar("T")
MOST = 5
"""Keys that are tried at once: each one whose stored answer is an error is spent."""


async def under_key(
    context: Context,
    action: str,
    what: str,
    call: Callable[[str], Awaitable[T]],
    done: Callable[[], Awaitable[T | None]] | None = None,
) -> T:
    """Send a call that is the same whenever it is sent, under its first key whose stored answer is no error.

    `done` tells what such a call did in spite of its error; without it the caller has looked before. Raises the call's
    errors, NotReady where too many keys are spent.
    """
    for attempt in range(1, MOST + 1):
        try:
            return await call(create_key(context.account("stripe"), action, what, attempt))
        except (Unavailable, RateLimited, Rejected) as error:
            if not error.replayed:
                raise
            if done and (found := await done()) is not None:
                return found
            spent = error
    raise NotReady(f"Stripe stored an error under each of {MOST} keys: {spent.message}", code="keys_spent") from spent
