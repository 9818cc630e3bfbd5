"""Stripe's errors as ours, in one table. A test walks the SDK's exception classes and fails on one that is not here.

| SDK exception                                   | ours                                               |
| APIConnectionError, APIError (5xx, 409, no JSON)| Unavailable, `replayed` by `Idempotent-Replayed`   |
| RateLimitError (429)                            | RateLimited, reason by `Stripe-Rate-Limited-Reason`|
| RateLimitError (429, code `lock_timeout`)       | RateLimited, reason `lock_timeout`: one object only|
| IdempotencyError                                | KeyReused                                          |
| AuthenticationError (401)                       | KeyRefused                                         |
| PermissionError (403)                           | Blocked, with Stripe's text, which names the right |
| InvalidRequestError 404 / `resource_missing`    | NotFound                                           |
| every other StripeError                         | Rejected                                           |
"""

from __future__ import annotations

import stripe

from shared.errors import (
    Blocked,
    KeyRefused,
    KeyReused,
    NotFound,
    RateLimited,
    Rejected,
    SyncError,
    Unavailable,
)

LOCKED = "lock_timeout"
"""Stripe's code where another call holds the same object: no limit of the account."""
UNAVAILABLE = (stripe.APIConnectionError, stripe.APIError)


def _header(error: stripe.StripeError, name: str) -> str:
    headers = error.headers or {}
    return next((str(value) for key, value in headers.items() if key.lower() == name), "")


def _code(error: stripe.StripeError) -> str:
    # Most of the SDK's classes leave `code` empty, and have it in the object of the answer only.
    return str(error.code or getattr(error.error, "code", None) or "")


def _retry_after(error: stripe.StripeError) -> float | None:
    text = _header(error, "retry-after")
    return float(text) if text.replace(".", "", 1).isdecimal() else None


def _message(error: stripe.StripeError) -> str:
    message = str(error.user_message or error).strip() or type(error).__name__
    return f"Stripe: {message[:500]}" + (f" ({error.request_id})" if error.request_id else "")


def translate(error: stripe.StripeError, connection: str, operation: str = "", fingerprint: str = "") -> SyncError:
    """Our error for one of the SDK's. `fingerprint` tells with which key of the connection the operation was tried."""
    message, code = _message(error), _code(error)
    replayed = _header(error, "idempotent-replayed") == "true"
    if isinstance(error, stripe.RateLimitError):
        # A locked object comes without the header, as does a limit of the account that Stripe does not name.
        reason = LOCKED if code == LOCKED else _header(error, "stripe-rate-limited-reason")
        return RateLimited(message, code=code, retry_after=_retry_after(error), reason=reason, replayed=replayed)
    if isinstance(error, stripe.IdempotencyError):
        return KeyReused(message, code=code or "idempotency_error", status=error.http_status or 400)
    if isinstance(error, UNAVAILABLE):
        return Unavailable(message, code=code, retry_after=_retry_after(error), replayed=replayed)
    if isinstance(error, stripe.AuthenticationError):
        return KeyRefused(message, code=code, connection=connection, fingerprint=fingerprint)
    if isinstance(error, stripe.PermissionError):
        return Blocked(connection, message, code=code or "403", operation=operation, fingerprint=fingerprint)
    status = error.http_status or 0
    if status == 404 or code == "resource_missing":
        return NotFound(message, code=code or "resource_missing", status=status, replayed=replayed)
    param = str(getattr(error, "param", None) or "")
    return Rejected(message, code=code, status=status, replayed=replayed, param=param)
