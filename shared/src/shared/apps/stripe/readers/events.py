"""Stripe's own list of events, read again and again with an overlap: what no webhook brought is appended.

The list is eventually consistent: an event may appear late, behind newer ones. So each poll begins some time before the
place up to which the last one has seen everything, and once a day the last two days are read again.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial

import msgspec

from shared import metrics
from shared.apps.polling import PollContext
from shared.apps.receiving import Refused
from shared.apps.stripe.client import StripeApp
from shared.apps.stripe.polls import CUSTOMERS, EVENTS, EVENTS_KEPT, events_interval
from shared.apps.stripe.readers.entities import from_event, keep_newest, supersedes
from shared.apps.stripe.webhooks import stripe_event
from shared.connections import Connection
from shared.errors import Malformed, Retryable, Unavailable
from shared.linking.index import Entity
from shared.log import get_logger
from shared.polls import Poll, epoch, rfc3339, webhooks_come_in
from shared.reads import counted, day_of
from shared.retries import in_place
from shared.settings import Settings

log = get_logger(__name__)

FIRST_OVERLAP = 60.0
"""Seconds before the connection was made from which on events are ours: clocks differ."""
SHORTEST_OVERLAP = 900.0
"""Seconds that every poll goes back behind the last one's end, for events that Stripe lists late."""
REREAD_EVERY = 24 * 3600.0
"""Seconds between two long polls, for events that Stripe lists later than the overlap."""
LATEST_LISTED = 24 * 3600.0
"""Seconds after which an event is listed at the latest: a long poll goes back so far behind the one before it."""
REREAD_RETRY = 3600.0
"""Seconds after a long poll that failed: it must not hold up the short ones."""
ON_ITS_WAY = 120.0
"""Seconds for which an event that is not in the log may still be coming by webhook."""
MARGIN = 600.0
"""Seconds by which the end of a poll without new events lies before its start: our clock may be ahead of Stripe's."""
PAGE_PATIENCE = 5.0
"""Seconds in which a page is asked for again in place: if any refusal threw a poll back to its beginning, one over many
pages would hardly ever come to its end while a vendor is troubled.
"""
KEPT = 20_000
"""Missing events that one poll holds in memory, the oldest ones; the next poll, at once, goes on behind them."""


PAYMENT = "charge.succeeded"
"""By what payments are counted, as Stripe allows so many reads for each: whoever took it, and for whatever."""


class Listed(msgspec.Struct, frozen=True):
    """One event of the list, as far as a poll needs it."""

    id: str
    created: int
    type: str = ""
    body: bytes = b""


_decoder = msgspec.json.Decoder(Listed)


@dataclass(frozen=True)
class Window:
    """How far back a poll goes, how long a webhook may take, and when the next poll is due, in seconds."""

    interval: float
    overlap: float
    grace: float


def poll_window(settings: Settings, mode: str) -> Window:
    """As the settings say: where no webhooks come in nothing is waited for."""
    seconds = events_interval(settings, mode)
    if not webhooks_come_in(settings):
        return Window(seconds, SHORTEST_OVERLAP, 0.0)
    return Window(seconds, max(SHORTEST_OVERLAP, seconds), min(ON_ITS_WAY, seconds))


@dataclass(frozen=True)
class Verdict:
    """What a poll found: events to append, oldest first, and the time up to which everything is then in the log."""

    missing: list[Listed]
    position: float
    on_their_way: list[Listed]


def judge(
    unknown: Iterable[Listed], missed_at: Mapping[str, float], seen_to: float, began: float, window: Window
) -> Verdict:
    """Decide about the events that are not in the log, newest first as Stripe lists them. Pure.

    `missed_at` is when each was first not in the log, by our clock, which may differ from Stripe's; `seen_to` is the
    time up to which the list was seen; `began` when the poll began.
    """
    young = began - window.grace
    missing: list[Listed] = []
    waited_for: list[Listed] = []
    for event in unknown:
        expected = event.created > young and missed_at.get(event.id, began) > young
        (waited_for if expected else missing).append(event)
    position = min([seen_to, *(float(event.created) for event in waited_for)])
    return Verdict(missing[::-1], position, waited_for)


def reread_since(poll: Poll) -> float:
    """Where the next long poll begins (epoch seconds): everything before was listed when the last one ended."""
    return max(epoch(poll.reread_at) - LATEST_LISTED, epoch(poll.since) - FIRST_OVERLAP)


def first_position(connection: Connection, now: float) -> float:
    """Where the first poll begins: when the connection was made, as far as Stripe keeps events."""
    made = epoch(connection.changed_at) or now
    # A little later than Stripe's memory begins, so that the first poll does not find that something was lost.
    return max(min(made, now), now - EVENTS_KEPT + 3600)


class EventReader:
    """The polls of one Stripe account's events."""

    def __init__(self, context: PollContext, window: Window) -> None:
        self._account = context.app_account
        self._store = context.store
        self._log = context.log
        self._subject_of = context.subject_of
        self._clock = context.clock
        self._window = window
        self._states: dict[str, Entity] = {}
        self._paid_at: list[int] = []
        self._listed = 0
        self._last = 0.0
        self._missed_at: dict[str, float] = {}
        self._reread_failed = float("-inf")

    async def poll_once(self, connection: Connection, client: StripeApp) -> float:
        """One poll. Returns the seconds after which the next one is due.

        Raises the client's errors, Unavailable and NotReady; nothing is skipped by that, the next poll begins where
        this one did.
        """
        poll = await self._poll_state(connection)
        began = self._clock()
        since = max(epoch(poll.position) - self._window.overlap, epoch(poll.since) - FIRST_OVERLAP)
        unknown, left, cut = await self._missing(client, since)
        seen_to = max(epoch(poll.position), unknown[0].created if cut else max(self._last, began - MARGIN))
        verdict = judge(left, self._missed_at, seen_to, began, self._window)
        self._missed_at = {e.id: self._missed_at.get(e.id, began) for e in verdict.on_their_way}
        appended = await self._bring(verdict, connection)
        await self._end(poll, verdict, appended, began, cut=cut)
        if cut:
            return 0.0
        await self._reread_if_due(client, connection)
        return min(self._window.interval, ON_ITS_WAY) if verdict.on_their_way else self._window.interval

    async def _reread_if_due(self, client: StripeApp, connection: Connection) -> None:
        """Once a day, after a short poll has ended. A vendor in trouble is asked again an hour later."""
        poll, began = self._store.polls.get(self._account, EVENTS.kind), self._clock()
        if began - max(epoch(poll.reread_at), self._reread_failed) < REREAD_RETRY:
            return
        if began - epoch(poll.reread_at) < REREAD_EVERY:
            return
        try:
            _, left, cut = await self._missing(client, reread_since(poll))
            verdict = judge(left, self._missed_at, began, began, self._window)
            appended = await self._bring(verdict, connection)
            # Cut, it brought the oldest ones: the next poll goes on with the others.
            done = poll.reread_at if cut else rfc3339(began)
            await self._store.poll(msgspec.structs.replace(poll, reread_at=done, found=poll.found + appended))
        except Retryable as error:
            self._reread_failed = began
            log.warning("poll.reread_failed", app_account=self._account, reason=error.message)
            return
        if appended:
            log.warning("poll.listed_late", app_account=self._account, events=appended)

    async def _missing(self, client: StripeApp, since: float) -> tuple[deque[Listed], list[Listed], bool]:
        """The listed events since a time that were unknown, those that still are, and whether newer ones were left out.

        Both newest first.
        """
        self._log.require(since)
        await self._log.caught_up()
        unknown, cut = await self._list_unknown(client, int(since))
        # The list came first: what a webhook brought meanwhile is in the log by now.
        await self._log.caught_up()
        return unknown, [event for event in unknown if not self._log.knows(self._account, event.id)], cut

    async def _bring(self, verdict: Verdict, connection: Connection) -> int:
        """Append what is missing, then bring the index to the newest states. Returns how many were appended."""
        appended = [await self._append(event, connection) for event in verdict.missing].count(True)
        await self._update_index()
        return appended

    async def _poll_state(self, connection: Connection) -> Poll:
        """The poll as it stands. At first sight its beginning is written down before anything is asked."""
        poll = self._store.polls.get(self._account, EVENTS.kind)
        if not poll.position:
            first = rfc3339(first_position(connection, self._clock()))
            poll = msgspec.structs.replace(poll, since=first, position=first, reread_at=rfc3339(self._clock()))
            await self._store.poll(poll)
        return poll

    async def _list_unknown(self, client: StripeApp, since: int) -> tuple[deque[Listed], bool]:
        """Every listed event that is not in the log, newest first, and whether newer ones had to be left out."""
        unknown: deque[Listed] = deque(maxlen=KEPT)
        self._states, self._paid_at, self._listed, self._last, missed, after = {}, [], 0, 0.0, 0, ""
        while True:
            before = after
            page = await in_place(partial(client.events_page, since, after), limit=PAGE_PATIENCE, scale=1.0)
            for body in page.data:
                event = self._read(body)
                if event is None:
                    continue
                after, self._last = event.id, max(self._last, float(event.created))
                if event.type == PAYMENT:
                    self._paid_at.append(event.created)
                if entity := from_event(self._account, body):
                    keep_newest(self._states, entity)
                if not self._log.knows(self._account, event.id):
                    # Copied: a piece of the answer would hold the whole answer in memory.
                    unknown.append(Listed(event.id, event.created, event.type, bytes(body)))
                    missed += 1
            self._listed += len(page.data)
            if not page.has_more or not page.data:
                return unknown, missed > KEPT
            if after == before:
                raise Unavailable("Stripe's list of events cannot be followed: no event on a page can be read")

    def _read(self, body: msgspec.Raw) -> Listed | None:
        try:
            event = _decoder.decode(body)
        except (msgspec.DecodeError, RecursionError) as error:
            metrics.POLL_REFUSED.labels("stripe", "not_an_event").inc()
            log.error("poll.unreadable_event", app_account=self._account, reason=str(error))
            return None
        return Listed(event.id, event.created, event.type)

    async def _append(self, event: Listed, connection: Connection) -> bool:
        """Whether it is in the log now: what cannot be appended is logged once and stepped over."""
        try:
            envelope = stripe_event(event.body, connection, self._subject_of)
            await self._store.event(msgspec.structs.replace(envelope, origin="poll"))
        except (Refused, Malformed) as error:
            reason = error.reason if isinstance(error, Refused) else "malformed"
            metrics.POLL_REFUSED.labels("stripe", reason).inc()
            log.error("poll.refused_event", app_account=self._account, id=event.id, reason=error.message)
            self._log.take_for_known(self._account, event.id, event.created)
            return False
        metrics.POLL_EVENTS.labels("stripe").inc()
        return True

    async def _update_index(self) -> None:
        """Bring the index to the newest states that the list shows: it tells the true order within a second."""
        await self._store.upsert(self._states.values(), partial(supersedes, ties=True))

    async def _end(self, poll: Poll, verdict: Verdict, appended: int, began: float, *, cut: bool) -> None:
        if began - epoch(poll.position) > EVENTS_KEPT:
            poll = await self._lost(poll, began)
        ended = msgspec.structs.replace(
            poll,
            position=rfc3339(verdict.position),
            complete=poll.complete or not cut,
            passes=poll.passes + 1,
            seen=self._listed,
            found=poll.found + appended,
            payments=self._payments(poll, verdict.position),
            pass_began_at=poll.pass_began_at if cut else rfc3339(began),
            at=rfc3339(self._clock()),
        )
        await self._store.poll(ended)
        oldest = min(verdict.position, epoch(poll.position)) - self._window.overlap
        self._log.forget(self._account, min(oldest, reread_since(poll)) - 60)
        if appended:
            log.info("poll.found", app_account=self._account, events=appended, since=poll.position)

    def _payments(self, poll: Poll, position: float) -> dict[str, int]:
        """Payments by day: what happened between two positions is listed by many polls, and counted by one."""
        before = epoch(poll.position)
        new = Counter(day_of(paid_at) for paid_at in self._paid_at if before < paid_at <= position)
        return counted(poll.payments, new, self._clock())

    async def _lost(self, poll: Poll, now: float) -> Poll:
        """What happened before Stripe's memory begins is gone: say so, and list the customers again for the index."""
        until = rfc3339(now - EVENTS_KEPT)
        log.error(
            "poll.events_lost",
            app_account=self._account,
            since=poll.position,
            until=until,
            do="Stripe lists 30 days only: bring the account up to date with a backfill",
        )
        customers = self._store.polls.get(self._account, CUSTOMERS.kind)
        await self._store.poll(msgspec.structs.replace(customers, complete=False, cursor="", seen=0))
        return msgspec.structs.replace(poll, lost=f"{poll.position}/{until}")
