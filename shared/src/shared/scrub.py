"""Secrets and addresses out of texts that somebody else wrote, as a vendor's message or an exception. Pure."""

from __future__ import annotations

import re

STARS = "***"
_SECRETS = (
    # Stripe's keys and signing secrets; one that Stripe masked itself (sk_test_****1234) stays as it is.
    (re.compile(r"\b((?:sk|rk)_(?:test_|live_)?|whsec_)[A-Za-z0-9+/=_-]{8,}"), rf"\1{STARS}"),
    # Togai's webhook address ends in its token.
    (re.compile(r"(/webhooks/togai/[^/\s]+/[^/\s]+/)[^\s\"'?]+"), rf"\1{STARS}"),
    (re.compile(r"\b(Bearer|Basic)\s+(?=[^\s\"']*\d)[A-Za-z0-9._~+/=-]{8,}", re.IGNORECASE), rf"\1 {STARS}"),
    # The password in the address of a database or a proxy.
    (re.compile(r"(\b[a-z][a-z0-9+.-]*://[^\s:/@]*:)[^\s@/]+(?=@)", re.IGNORECASE), rf"\1{STARS}"),
    # What Fernet sealed.
    (re.compile(r"\bgAAAAA[A-Za-z0-9_=-]{20,}"), STARS),
)
_EMAIL = re.compile(r"[^\s@\"'<>()\[\]{}=:,;\\]+@[^\s@\"'<>()\[\]{}=:,;\\]+\.[^\W\d_]{2,}")


def scrub(text: str) -> str:
    """The text without what is known by its form to be a secret."""
    for secret, instead in _SECRETS:
        text = secret.sub(instead, text)
    return text


def scrub_for_log(text: str) -> str:
    """The same without e-mail addresses too: whoever reads a log finds them by the run's id."""
    return _EMAIL.sub(f"{STARS}@{STARS}", scrub(text)) if "@" in text else scrub(text)
