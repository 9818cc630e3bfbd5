"""Stripe's error bodies (source: Stripe API reference, errors and error codes)."""

from __future__ import annotations

from typing import Any


class StripeError(Exception):
    """An answer that is an error; carries status and the fields of the error body."""

    def __init__(
        self, status: int, message: str, *, code: str | None = None, param: str | None = None, **more: Any
    ) -> None:
        super().__init__(message)
        self.status = status
        self.type: str = more.pop("type", "invalid_request_error")
        self.headers: dict[str, str] = more.pop("headers", {})
        self.message = message
        self.code = code
        self.param = param
        self.more = more

    def body(self) -> dict[str, Any]:
        """The error envelope."""
        error: dict[str, Any] = {"message": self.message, "type": self.type, **self.more}
        if self.code:
            error["code"] = self.code
            error["doc_url"] = f"https://docs.stripe.com/error-codes/{self.code.replace('_', '-')}"
        if self.param:
            error["param"] = self.param
        return {"error": error}


class Declined(StripeError):
    """A charge that failed: an error, though what the attempt left is kept."""

    def __init__(self, message: str, **more: Any) -> None:
        super().__init__(402, message, **{"type": "card_error", **more})


def missing_object(noun: str, id: str, *, param: str = "id", status: int = 404) -> StripeError:
    """The answer for an id that is not there."""
    return StripeError(status, f"No such {noun}: '{id}'", code="resource_missing", param=param)


def unknown_url(method: str, path: str) -> StripeError:
    """The answer for a path that Stripe, or this sandbox, does not have."""
    return StripeError(
        404,
        f"Unrecognized request URL ({method}: {path}). Please see https://stripe.com/docs or we can help at "
        "https://support.stripe.com/.",
    )


def no_key() -> StripeError:
    """The answer to a call without a key."""
    return StripeError(
        401,
        "You did not provide an API key. You need to provide your API key in the Authorization header, using Bearer "
        "auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY'). See https://stripe.com/docs/api#authentication for "
        "details, or we can help at https://support.stripe.com/.",
        headers={"WWW-Authenticate": 'Basic realm="Stripe"'},
    )


def masked(key: str) -> str:
    """A key as Stripe repeats it in errors: prefix and last four characters."""
    return f"{key[:8]}{'*' * max(4, len(key) - 12)}{key[-4:]}" if len(key) > 12 else "*" * len(key)


def wrong_key(key: str) -> StripeError:
    """The answer to a key that opens nothing."""
    headers = {"WWW-Authenticate": 'Basic realm="Stripe"'}
    return StripeError(401, f"Invalid API Key provided: {masked(key)}", headers=headers)


def missing_right(key: str, account: str, resource: str, right: str) -> StripeError:
    """The answer when a restricted key lacks a right (source: Stripe docs, restricted API keys)."""
    # Prices are still called plans there (seen in reports of users: "Having the 'rak_plan_read' permission ...").
    permission = f"rak_{'plan' if resource == 'prices' else resource.removesuffix('s')}_{right}"
    return StripeError(
        403,
        f"The provided key '{masked(key)}' does not have the required permissions for this endpoint on account "
        f"'{account}'. Having the '{permission}' permission would allow this request to continue.",
    )


def no_account_access(key: str, account: str) -> StripeError:
    """The answer to a `Stripe-Account` or account id that the key does not open."""
    return StripeError(
        403,
        f"The provided key '{masked(key)}' does not have access to account '{account}' (or that account does not "
        "exist). Application access may have been revoked.",
        code="account_invalid",
    )


def rate_limited(reason: str | None) -> StripeError:
    """The answer over a limit: no Retry-After (source: Stripe docs, rate limits)."""
    return StripeError(
        429,
        "Request rate limit exceeded. Learn more about rate limits here https://docs.stripe.com/rate-limits.",
        code="rate_limit",
        headers={"Stripe-Rate-Limited-Reason": reason} if reason else {},
    )


def lock_timeout(status: int) -> StripeError:
    """The answer when another request holds the object (source: Stripe docs, rate limits, object lock timeouts)."""
    return StripeError(
        status,
        "This object cannot be accessed right now because another API request or Stripe process is currently accessing "
        "it. If you see this error intermittently, retry the request.",
        code="lock_timeout",
    )


def api_error(status: int = 500) -> StripeError:
    """The answer when Stripe itself fails."""
    return StripeError(status, "An unknown error occurred", type="api_error")


def key_in_use(key: str) -> StripeError:
    """The answer while the first request of an idempotency key still runs (source: Stripe docs, error codes)."""
    return StripeError(
        409,
        f"There is currently another in-progress request using this Stripe Idempotent Key '{key}' (that probably means "
        "you submitted twice, and the other request is still going through). Please try again later.",
        code="idempotency_key_in_use",
        type="idempotency_error",
    )


def key_reused(key: str, path: str, first_path: str) -> StripeError:
    """The answer to a used idempotency key with other parameters (source: Stripe docs, idempotent requests)."""
    used = (
        "with the same parameters they were first used with"
        if path == first_path
        else f"for the same endpoint they were first used for ('{path}' vs '{first_path}')"
    )
    return StripeError(
        400,
        f"Keys for idempotent requests can only be used {used}. Try using a key other than '{key}' if you meant to "
        "execute a different request.",
        type="idempotency_error",
    )
