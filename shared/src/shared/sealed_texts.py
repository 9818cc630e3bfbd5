"""Short texts that leave a process sealed, for one purpose each: its key is derived from the portal's keys."""

from __future__ import annotations

import base64
from collections.abc import Sequence

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from shared.errors import Misconfigured

CHECKOUT_SECRETS = "checkout secrets"
"""Client secrets of checkout sessions, on their way from the worker that made them to the page."""
PORTAL_TOKENS = "portal tokens"
"""What the address of an offer's page holds."""
PORTAL_RETURNS = "portal returns"
"""What that address holds to which a customer comes back after paying."""
SIGN_IN_REQUESTS = "sign-in requests"
"""The e-mail address that somebody typed, on its way from the page to the worker that writes to it."""
SIGN_IN_TOKENS = "sign-in tokens"
"""What the address in such a mail holds: it is used once."""
INVOICE_PAGES = "pages of invoices"
"""What the address of an invoice's page holds."""
INTENT_SECRETS = "payment intent secrets"
"""Client secrets of payment intents, on their way from the worker that read them to the page."""
SIGNED_IN = "signed-in accounts"
"""What the address of an account's page holds, for who has signed in."""


class TextSeal:
    """Nobody without the keys reads or makes one, and one of another purpose opens nothing."""

    def __init__(self, keys: Sequence[str], purpose: str) -> None:
        if not keys:
            raise Misconfigured("no key for customers' pages: set TANDEM_PORTAL_KEYS, or let `tandem up` make one")
        self._fernet = MultiFernet([Fernet(_derived(key, purpose)) for key in keys])

    def seal(self, text: str) -> str:
        """Encrypted and signed with the newest key. Letters, digits, dashes and underscores, and `=` at the end."""
        return self._fernet.encrypt(text.encode()).decode()

    def open(self, sealed: str) -> str | None:
        """The text; None for one that nobody sealed for this purpose."""
        try:
            return self._fernet.decrypt(sealed.encode()).decode()
        except InvalidToken:
            return None


def _derived(key: str, purpose: str) -> bytes:
    found = HKDF(SHA256(), 32, salt=None, info=purpose.encode()).derive(base64.urlsafe_b64decode(key))
    return base64.urlsafe_b64encode(found)
