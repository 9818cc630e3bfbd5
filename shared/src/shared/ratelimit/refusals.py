"""What a 429 means for others: which limit it lowers, and who must pause for how long. Pure.

The reasons are those of Stripe's header `Stripe-Rate-Limited-Reason`; Togai gives none.
"""

from __future__ import annotations

from shared.ratelimit.messages import BackOff, Refusal

LONGEST_BACK_OFF = 30.0
"""A hostile or mistaken Retry-After stops nobody for longer than this, in seconds."""
BY_RATE = ("", "global-rate", "endpoint-rate")
BY_CONCURRENCY = ("global-concurrency", "endpoint-concurrency")
SHARED = BY_RATE + BY_CONCURRENCY
"""Reasons that concern others too; any other, a locked object say, is the caller's own affair."""


def is_whole(reason: str) -> bool:
    """Whether a reason concerns the whole account, not one operation of it."""
    return not reason.startswith("endpoint-")


def back_off_of(refusal: Refusal) -> BackOff | None:
    """The pause that it demands of everybody, None if it demands none."""
    if refusal.reason not in SHARED or not refusal.retry_after or refusal.retry_after < 0:
        return None
    place = "" if is_whole(refusal.reason) else refusal.operation
    return BackOff(refusal.account, place, min(refusal.retry_after, LONGEST_BACK_OFF))
