"""Pages of what a Stripe account holds, for imports."""

from __future__ import annotations

import msgspec

from shared.apps.listing import Listed, ListedPage, Window
from shared.apps.stripe.client import StripeApp
from shared.errors import Unavailable

PATHS = {"customer": "/v1/customers", "subscription": "/v1/subscriptions"}
"""Where entities are listed, by their noun."""
ALL = {"subscription": {"status": "all"}}
"""What a list must be asked for to hold those too that have ended."""


class _Row(msgspec.Struct):
    id: str
    created: int


_decoder = msgspec.json.Decoder(_Row)


async def page(client: StripeApp, noun: str, window: Window, after: str) -> ListedPage:
    """One page of a window, newest first; `after` is the last entity of the page before.

    Raises the client's errors: Rejected also where the entity that `after` names is gone.
    """
    found = await client.page_of(PATHS[noun], created=window, after=after, also=ALL.get(noun))
    try:
        rows = [_decoder.decode(row) for row in found.data]
    except msgspec.DecodeError as error:
        raise Unavailable(f"Stripe: a list of {noun}s holds something else: {error}") from error
    following = rows[-1].id if rows and found.has_more else ""
    return ListedPage([Listed(row.id, row.created) for row in rows], following)
