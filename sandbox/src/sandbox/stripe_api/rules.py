"""Rules on values that the SDK's types do not carry (source: Stripe API reference, metadata and customers)."""

from __future__ import annotations

import re
from typing import Any

from sandbox.stripe_api.errors import StripeError
from sandbox.stripe_api.forms import bracketed

LONGEST_TEXT = 5000
UNSERVED = (
    ("automatic_tax", "enabled"), ("invoice_creation", "enabled"), ("subscription_data", "trial_period_days"),
    ("subscription_data", "trial_end"),
)  # fmt: skip
_EMAIL = re.compile(r"[^\s@]+@[^\s@]+\.[^\s@]+")
_URL = re.compile(r"https?://[^\s/?#]+[^\s]*")
_PREFIX = re.compile(r"[A-Z0-9]{1,12}")


def check_texts(value: Any, longest: dict[str, int], path: tuple[str, ...] = ()) -> None:
    """Refuses text over its limit anywhere; `longest` names the limits of the fields that have their own."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if not (path == () and key == "metadata"):
                check_texts(inner, longest, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            check_texts(inner, longest, (*path, str(index)))
    elif isinstance(value, str):
        most = longest.get(bracketed(path), LONGEST_TEXT)
        if len(value) > most:
            raise StripeError(
                400, f"Invalid string: {value[:20]}...; must be at most {most} characters", param=bracketed(path)
            )


def check_metadata(metadata: Any) -> None:
    """Refuses keys over 40 characters and values over 500."""
    if not isinstance(metadata, dict):
        return
    for key, value in metadata.items():
        name = f"metadata[{key}]"
        if len(key) > 40:
            raise StripeError(
                400, f"Metadata keys can have up to 40 characters, but you passed in '{key}'.", param=name
            )
        if len(value) > 500:
            raise StripeError(
                400,
                f"Metadata values can have up to 500 characters, but you passed in a value that is {len(value)} "
                f"characters. Invalid value: {value[:40]}...",
                param=name,
            )
    check_metadata_size(metadata)


def check_metadata_size(metadata: dict[str, str]) -> None:
    """Refuses more than 50 keys."""
    if sum(1 for value in metadata.values() if value != "") > 50:
        raise StripeError(400, "Metadata can only have up to 50 keys.", param="metadata")


def merged_metadata(old: dict[str, str], given: Any) -> dict[str, str]:
    """Metadata after an update: keys merge, '' unsets a key, '' for the whole unsets all; raises over 50 keys."""
    if given == "":
        return {}
    new = {key: value for key, value in {**old, **(given or {})}.items() if value != ""}
    check_metadata_size(new)
    return new


def check_email(email: str | None, param: str = "email") -> None:
    """Refuses text that is no address."""
    if email and not _EMAIL.fullmatch(email):
        raise StripeError(400, f"Invalid email address: {email}", code="email_invalid", param=param)


def check_served(params: dict[str, Any]) -> None:
    """Refuses what Stripe would act on and the sandbox cannot: to pass it over would look like success."""
    for outer, inner in UNSERVED:
        value = params.get(outer)
        if isinstance(value, dict) and value.get(inner):
            name = f"{outer}[{inner}]"
            raise StripeError(400, f"The sandbox does not serve {name}.", param=name)


def check_url(url: str | None, param: str) -> None:
    """Refuses an address that is none of the web: a person is sent there after paying."""
    if url and not _URL.fullmatch(url):
        raise StripeError(400, "Not a valid URL", code="url_invalid", param=param)


def check_invoice_prefix(prefix: str | None) -> None:
    """Refuses a prefix other than 1 to 12 capital letters or digits."""
    if prefix and not _PREFIX.fullmatch(prefix):
        message = "Invoice prefix must be between 1 and 12 uppercase letters or numbers."
        raise StripeError(400, message, param="invoice_prefix")


def differences(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """An event's `previous_attributes`: old values of what changed; in a hash only the changed keys, null if new."""
    changed: dict[str, Any] = {}
    for key in [*old, *(key for key in new if key not in old)]:
        before, after = old.get(key), new.get(key)
        if before == after:
            continue
        both = isinstance(before, dict) and isinstance(after, dict)
        changed[key] = differences(before, after) if both and before is not None and after is not None else before
    return changed
