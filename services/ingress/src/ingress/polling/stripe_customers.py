"""The first full pass over a Stripe account's customers: it fills the index, and makes no events."""

from __future__ import annotations

import time
from collections.abc import Callable

import msgspec
from shared.apps.stripe.client import Page, StripeApp
from shared.errors import Rejected, Unavailable
from shared.linking.index import Entity
from shared.log import get_logger
from shared.polls import Poll

from ingress.polling.book import Book
from ingress.polling.progress import Progress
from ingress.polling.stripe_events import told
from ingress.polling.stripe_index import from_list, listed_supersedes
from shared import metrics

log = get_logger(__name__)

ASK_AGAIN = 60.0
"""Seconds between two questions whether a pass is due: one is again when events were lost."""


class StripeCustomers:
    """The pass over one account. Its cursor is durable after each page."""

    def __init__(self, app_account: str, book: Book, clock: Callable[[], float] = time.time) -> None:
        self._account = app_account
        self._book = book
        self._clock = clock

    async def look(self, client: StripeApp) -> float:
        """Go on with the pass to its end, if it has not ended. Returns the seconds until the next question.

        Raises the client's errors, Unavailable and NotReady; the pass then goes on where it was.
        """
        poll = self._book.polls.get(self._account, "stripe-customers")
        progress = Progress(self._account, "stripe customers", poll.seen)
        while not poll.complete:
            asked_at = self._clock()
            page = await self._page(client, poll)
            entries, last = self._entries(page, asked_at, poll.cursor)
            await self._book.settle(entries, listed_supersedes)
            ended = not page.has_more or not last
            poll = msgspec.structs.replace(
                poll,
                cursor="" if ended else last,
                seen=poll.seen + len(page.data),
                complete=ended,
                passes=poll.passes + ended,
                at=told(self._clock()),
            )
            await self._book.poll(poll)
            progress.tell(poll.seen, ended=ended)
        return ASK_AGAIN

    async def _page(self, client: StripeApp, poll: Poll) -> Page:
        try:
            return await client.customers_page(poll.cursor)
        except Rejected as error:
            if not poll.cursor:
                raise
            # The customer that the cursor names was deleted meanwhile: from the top, entries are only confirmed.
            log.warning("poll.cursor_refused", app_account=self._account, reason=error.message)
            return await client.customers_page()

    def _entries(self, page: Page, asked_at: float, after: str) -> tuple[list[Entity], str]:
        """A page's entries of the index, and the last customer's id."""
        found, last = [], ""
        for row in page.data:
            try:
                last, entity = from_list(self._account, row, asked_at)
            except (msgspec.DecodeError, RecursionError) as error:
                metrics.POLL_REFUSED.labels("stripe", "not_a_customer").inc()
                log.error("poll.unreadable_customer", app_account=self._account, reason=str(error))
                continue
            found.append(entity)
        if page.has_more and last in ("", after):
            raise Unavailable("Stripe's list of customers cannot be followed: no customer on a page can be read")
        return found, last
