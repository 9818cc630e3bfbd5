"""Secrets and addresses out of texts that somebody else wrote, as a vendor's message or an exception. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

STARS = "***"
APP_FORMS: dict[str, Sequence[re.Pattern[str]]] = {}
"""How the secrets of each app look, by its name: apps say it when they are registered. Of each what its first group
matches is shown.
"""
_UNKNOWN = re.compile(r"(?<![\w~+=-])(?!(?:[a-z]+|[A-Z_]+)(?![\w~+=-]))[\w~+=-]{16,}")
"""Whatever could be a secret of an app that has not said how its secrets look: all but plain words and settings."""
_SECRETS = (
    (re.compile(r"\b(Bearer|Basic)\s+(?=[^\s\"']*\d)[A-Za-z0-9._~+/=-]{8,}", re.IGNORECASE), rf"\1 {STARS}"),
    # The password in the address of a database or a proxy.
    (re.compile(r"(\b[a-z][a-z0-9+.-]*://[^\s:/@]*:)[^\s@/]+(?=@)", re.IGNORECASE), rf"\1{STARS}"),
    # What Fernet sealed.
    (re.compile(r"\bgAAAAA[A-Za-z0-9_=-]{20,}"), STARS),
)
_EMAIL = re.compile(r"[^\s@\"'<>()\[\]{}=:,;\\]+@[^\s@\"'<>()\[\]{}=:,;\\]+\.[^\W\d_]{2,}")


def scrub(text: str) -> str:
    """The text without what is known by its form to be a secret. Where no app has said its forms yet, what could be one
    is taken for one: nothing is written that nobody has looked through.
    """
    if not APP_FORMS:
        text = _UNKNOWN.sub(STARS, text)
    for forms in APP_FORMS.values():
        for form in forms:
            text = form.sub(rf"\1{STARS}", text)
    for secret, instead in _SECRETS:
        text = secret.sub(instead, text)
    return text


def scrub_for_log(text: str) -> str:
    """The same without e-mail addresses too: whoever reads a log finds them by the run's id."""
    return _EMAIL.sub(f"{STARS}@{STARS}", scrub(text)) if "@" in text else scrub(text)
