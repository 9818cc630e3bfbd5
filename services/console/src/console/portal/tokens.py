"""The token in the address of an offer's page: it opens this offer and no other, until its time is over."""

from __future__ import annotations

import time

from shared.connections import portal_keys
from shared.domains.plans.progress import KnownPlan
from shared.domains.plans.togai import offer_id
from shared.errors import Misconfigured
from shared.identity import Ref
from shared.sealed_texts import PORTAL_TOKENS, TextSeal
from shared.settings import Settings

DAY = 24 * 3600
DAYS, MOST_DAYS = 7, 60
RETURN_TIME = 3 * DAY
"""How long a customer can come back from a checkout: a session lives for a day, a card's check may take a while."""
LONGEST = 2000
_BETWEEN = "|"


class NoToken(Exception):
    """Nobody here made it."""


class Expired(Exception):
    """It was good once."""


class Tokens:
    """Makes and reads them, with a key derived from the installation's portal keys."""

    def __init__(self, settings: Settings) -> None:
        self._seal = TextSeal(portal_keys(settings), PORTAL_TOKENS)
        self._base = settings.portal_url.rstrip("/") or f"http://127.0.0.1:{settings.console_port}"

    def address(self, offer: Ref, seconds: float = DAYS * DAY) -> str:
        """Where the offer's page is, for so long."""
        return f"{self._base}/portal/{self._make(offer, time.time() + seconds)}"

    def return_address(self, token: str) -> str:
        """Where a customer comes back to after paying: also if the token's own time is over by then."""
        offer, ends = self._read(token)
        return f"{self._base}/portal/{self._make(offer, max(ends, time.time() + RETURN_TIME))}/done"

    def offer_of(self, token: str) -> Ref:
        """Raises NoToken, Expired."""
        offer, ends = self._read(token)
        if ends <= time.time():
            raise Expired
        return offer

    def _make(self, offer: Ref, ends: float) -> str:
        return self._seal.seal(f"{int(ends)}{_BETWEEN}{offer}").rstrip("=")

    def _read(self, token: str) -> tuple[Ref, int]:
        padded = token + "=" * (-len(token) % 4)
        text = self._seal.open(padded) if len(token) <= LONGEST and token.isascii() else None
        if text is None:
            raise NoToken
        ends, _, offer = text.partition(_BETWEEN)
        return Ref.parse(offer), int(ends)


def addresses(settings: Settings, known: KnownPlan) -> dict[str, str]:
    """The page of each open offer of a plan, by account; none without a key for them."""
    try:
        tokens = Tokens(settings)
    except Misconfigured:
        return {}
    plan = Ref.parse(known.ref)
    return {
        offer.account: tokens.address(Ref(plan.account, "offer", offer_id(plan.id, offer.account)))
        for offer in known.offers.values()
        if offer.state == "open"
    }
