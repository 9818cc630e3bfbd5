"""Addresses of the public pages: the token in each names one entity, until its time is over."""

from __future__ import annotations

import secrets
import time
from typing import NamedTuple

from shared.connections import portal_keys
from shared.identity import Ref
from shared.sealed_texts import TextSeal
from shared.settings import Settings

LONGEST = 2000
"""Characters of a token."""
_BETWEEN = "|"


class NoToken(Exception):
    """Nobody here made it."""


class Expired(Exception):
    """It was good once."""


class Named(NamedTuple):
    """What a token holds: the entity, the end of its time (epoch seconds), and a number that no other token has."""

    entity: Ref
    ends: int
    number: str


class SealedAddresses:
    """Makes and reads tokens of one purpose, with a key derived from the installation's portal keys."""

    def __init__(self, settings: Settings, purpose: str) -> None:
        self._seal = TextSeal(portal_keys(settings), purpose)
        self._base = settings.portal_url.rstrip("/") or f"http://127.0.0.1:{settings.console_port}"

    def address(self, path: str, entity: Ref, ends: float) -> str:
        """The whole address below `/portal/`; a `%s` in `path` is the token's place."""
        return f"{self._base}/portal/{path % self.token(entity, ends)}"

    def token(self, entity: Ref, ends: float) -> str:
        """In letters that no mail program breaks."""
        text = _BETWEEN.join((str(int(ends)), secrets.token_hex(16), str(entity)))
        return self._seal.seal(text).rstrip("=")

    def read(self, token: str) -> Named:
        """Also one whose time is over. Raises NoToken."""
        padded = token + "=" * (-len(token) % 4)
        text = self._seal.open(padded) if len(token) <= LONGEST and token.isascii() else None
        if text is None:
            raise NoToken
        ends, number, entity = text.split(_BETWEEN, 2)
        return Named(Ref.parse(entity), int(ends), number)

    def open(self, token: str) -> Named:
        """Raises NoToken, Expired."""
        found = self.read(token)
        if found.ends <= time.time():
            raise Expired
        return found
