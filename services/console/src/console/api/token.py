"""The console's token: whether a request has it, and how often somebody may guess."""

from __future__ import annotations

import base64
import binascii
import hmac
import ipaddress
from typing import Literal

from shared.log import get_logger

from console.limiters import Limiters

SHORTEST_TOKEN = 22
"""Characters: 128 bits in base64, as for Togai's webhook token."""
GUESSES, WINDOW = 10, 60.0
"""Wrong tokens from one address, and in how many seconds; then it waits, whatever it sends."""

log = get_logger(__name__)


class TokenLock:
    """Tells who has the token. An address that guesses is not even looked at: it would see the right guess at once."""

    def __init__(self, token: str, window: float = WINDOW) -> None:
        self._token = token
        self._guesses = Limiters(GUESSES, window)

    async def check(self, header: str, address: str) -> Literal["open", "missing", "wrong", "too_often"]:
        """What to make of an Authorization header from an address."""
        source = _network(address)
        guesses = self._guesses.known(source)
        if guesses and not guesses.has_capacity():
            return "too_often"
        if not header:
            return "missing"  # a browser's first request
        if hmac.compare_digest(_given(header).strip().encode(), self._token.encode()):
            return "open"
        await self._count(source)
        return "wrong"

    async def _count(self, source: str) -> None:
        guesses = self._guesses.of(source)
        await guesses.acquire()  # it has room, or the header had not been looked at
        log.warning("console.wrong_token", address=source, locked_out=not guesses.has_capacity())


def _network(address: str) -> str:
    """An address, and of IPv6 the network: one machine has 2^64 of those."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    found = getattr(found, "ipv4_mapped", None) or found  # as a socket of both versions names a caller by IPv4
    return str(found) if found.version == 4 else str(ipaddress.ip_network((found, 64), strict=False))


def _given(header: str) -> str:
    """The token in a header, empty if it is of another scheme."""
    scheme, _, given = header.partition(" ")
    if scheme.lower() == "basic":
        # A browser can only ask for name and password, and sends them with the event stream too.
        return _basic_password(given)
    return given if scheme.lower() == "bearer" else ""


def _basic_password(given: str) -> str:
    try:
        return base64.b64decode(given, validate=True).decode().partition(":")[2]
    except (binascii.Error, ValueError):
        return ""
