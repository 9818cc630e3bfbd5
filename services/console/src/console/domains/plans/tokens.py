"""The token in the address of an offer's page: it opens this offer and no other, until its time is over."""

from __future__ import annotations

import time

from shared.domains.plans.progress import KnownPlan
from shared.domains.plans.togai import offer_id
from shared.errors import Misconfigured
from shared.identity import Ref
from shared.sealed_addresses import NoToken, SealedAddresses
from shared.sealed_texts import PORTAL_RETURNS, PORTAL_TOKENS
from shared.settings import Settings

DAY = 24 * 3600
DAYS, MOST_DAYS = 7, 60
RETURN_TIME = 3 * DAY
"""How long a customer can come back from a checkout: a session lives for a day, a card's check may take a while."""


class Tokens:
    """Makes and reads them."""

    def __init__(self, settings: Settings) -> None:
        self._sealed = SealedAddresses(settings, PORTAL_TOKENS)
        self._returns = SealedAddresses(settings, PORTAL_RETURNS)

    def address(self, offer: Ref, seconds: float = DAYS * DAY) -> str:
        """Where the offer's page is, for so long."""
        return self._sealed.address("%s", offer, time.time() + seconds)

    def return_address(self, token: str) -> str:
        """Where a customer comes back to after paying: also if the token's own time is over by then. Whoever pays again
        from there comes back as long as it holds, and no longer: else an offer could be kept open for ever. Raises
        NoToken.
        """
        try:
            offer, ends, _ = self._sealed.read(token)
        except NoToken:
            offer, ends, _ = self._returns.read(token)
        else:
            ends = max(ends, int(time.time() + RETURN_TIME))
        return self._returns.address("%s/done", offer, ends)

    def offer_of(self, token: str) -> Ref:
        """Raises NoToken, Expired."""
        try:
            return self._sealed.open(token).entity
        except NoToken:
            return self._returns.open(token).entity


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
