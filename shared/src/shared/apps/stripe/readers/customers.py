"""The first full pass over a Stripe account's customers: it fills the index, and makes no events."""

from __future__ import annotations

import msgspec

from shared import metrics
from shared.apps.polling import PollContext
from shared.apps.progress import Progress
from shared.apps.stripe.client import Page, StripeApp
from shared.apps.stripe.polls import ASK_AGAIN, CUSTOMERS
from shared.apps.stripe.readers.entities import from_list, listed_supersedes
from shared.connections import Connection
from shared.errors import Rejected, Unavailable
from shared.linking.index import Entity
from shared.log import get_logger
from shared.polls import Poll, rfc3339

log = get_logger(__name__)


class CustomerReader:
    """The pass over one account. Its cursor is durable after each page."""

    def __init__(self, context: PollContext) -> None:
        self._account = context.app_account
        self._store = context.store
        self._clock = context.clock

    async def poll_once(self, connection: Connection, client: StripeApp) -> float:
        """Go on with the pass to its end, if it has not ended. Returns the seconds until the next question.

        Raises the client's errors, Unavailable and NotReady; the pass then goes on where it was.
        """
        poll = self._store.polls.get(self._account, CUSTOMERS.kind)
        progress = Progress(self._account, "stripe customers", poll.seen)
        while not poll.complete:
            asked_at = self._clock()
            page = await self._page(client, poll)
            entries, last = self._entries(page, asked_at, poll.cursor)
            await self._store.upsert(entries, listed_supersedes)
            ended = not page.has_more or not last
            poll = msgspec.structs.replace(
                poll,
                cursor="" if ended else last,
                seen=poll.seen + len(page.data),
                complete=ended,
                passes=poll.passes + ended,
                at=rfc3339(self._clock()),
            )
            await self._store.poll(poll)
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
