"""The polls of the invoices and of the price plans of one Togai organization: what changed since the last one makes an
event.

Such a list tells when each was changed last, so a poll ends where the last one began. A list in another order is
read whole, from poll to poll as far as the share of the quota goes.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

import msgspec

from shared.apps.polling import PollContext, PollSpec, started_poll
from shared.apps.togai.answers import leads_on
from shared.apps.togai.client import Page, TogaiApp
from shared.apps.togai.polls import INVOICES, PRICE_PLANS, PRICE_PLANS_V2
from shared.apps.togai.readers.paginator import page_at, sorted_by_change
from shared.apps.togai.readers.rows import Row, entity_id, seconds
from shared.connections import Connection
from shared.errors import Malformed, NotFound
from shared.events.envelope import Envelope, timestamp
from shared.identity import Ref, digest, source_of
from shared.log import get_logger
from shared.polls import Poll, epoch, rfc3339

log = get_logger(__name__)

STATUSES = ("DUE", "PARTIALLY_PAID", "VOID", "UN_COLLECTIBLE", "PAID", "REFUND_INITIATED", "DRAFT")
"""Each is listed apart. What is partly paid may never have been seen as due, and only a draft can be taxed."""
PLAN_STATUSES = ("ACTIVE", "ARCHIVED")
"""Nothing is made of a draft: its activation changes it."""
EVERY_STATUS = ("EVERY",)
"""Of a list that cannot be asked for one."""
OVERLAP = 120.0
"""Seconds that a poll goes back behind the newest change that the last one saw."""


@dataclass(frozen=True)
class Changes:
    """A list that is polled for changes: what an event is called, by which fields two states differ, and which rows
    make none.
    """

    poll: PollSpec
    noun: str
    statuses: tuple[str, ...]
    shown: tuple[str, ...]
    page: Callable[[TogaiApp, str, str], Awaitable[Page]]
    left_out: Callable[[Row], bool]


def _in_the_making(invoice: Row) -> bool:
    """Whether each use of the month still changes it."""
    return invoice.get("status") == "DRAFT" and invoice.get("finalizingStatus") != "FINALIZED"


INVOICE_CHANGES = Changes(
    INVOICES,
    "invoice",
    STATUSES,
    ("status", "totalAmount", "paidAmount", "updatedAt"),
    lambda client, status, token: client.invoices(status, token),
    _in_the_making,
)
PLAN_CHANGES = Changes(
    PRICE_PLANS,
    "price_plan",
    PLAN_STATUSES,
    ("status", "version", "updatedAt"),
    lambda client, status, token: client.price_plans(status, token),
    lambda row: False,
)


async def _second_plans(client: TogaiApp, status: str, token: str) -> Page:
    """A page of the second API's price plans; none of an organization that does not have that API."""
    try:
        return await client.v2.price_plans(token)
    except NotFound:
        return Page([], "")


PLAN_V2_CHANGES = Changes(
    PRICE_PLANS_V2,
    "price_plan",
    EVERY_STATUS,
    ("status", "version", "updatedAt"),
    _second_plans,
    lambda row: row.get("status") == "DRAFT",
)


class ChangeReader:
    """The poll of one list of one organization."""

    def __init__(self, context: PollContext, interval: float, changes: Changes) -> None:
        self._changes = changes
        self._context = context
        self._account = context.app_account
        self._store = context.store
        self._budget = context.budget
        self._clock = context.clock
        self._interval = interval
        self._appended: dict[str, float] = {}
        self._changed: set[str] = set()

    def take_changed(self) -> set[str]:
        """The ids of those that changed since this was asked last."""
        found, self._changed = self._changed, set()
        return found

    async def poll_once(self, connection: Connection, client: TogaiApp) -> float:
        """One poll. Returns the seconds after which the next one is due. Raises the client's errors, Unavailable."""
        poll = await started_poll(self._context, self._changes.poll.kind, connection)
        since, newest, found = self._from(poll), epoch(poll.position), 0
        status, _, token = poll.cursor.partition(" ")
        statuses = self._changes.statuses
        left = list(statuses[statuses.index(status) :] if status in statuses else statuses)
        for _ in range(self._budget.calls_in(self._account, self._interval)):
            ask = partial(self._changes.page, client, left[0])
            page, token = await page_at(ask, token)
            for row in page.rows:
                found += await self._take(row, since, connection)
                newest = max(newest, seconds(row, "updatedAt"))
            token = page.token if leads_on(page.token, page.rows, token) and not ends(page.rows, since) else ""
            left = left if token else left[1:]
            if not left:
                break
        cursor = f"{left[0]} {token}" if left else ""
        # What is left of an unfinished pass may be newer than what was seen: only a whole one moves the position.
        position = poll.position if cursor else rfc3339(newest)
        await self._store.poll(
            msgspec.structs.replace(
                poll,
                cursor=cursor,
                position=position,
                complete=poll.complete or not cursor,
                passes=poll.passes + (not cursor),
                found=poll.found + found,
                at=rfc3339(self._clock()),
            )
        )
        self._appended = {name: at for name, at in self._appended.items() if at >= since}
        if found:
            log.info("poll.found", app_account=self._account, events=found)
        return 0.0 if cursor else self._interval

    def _from(self, poll: Poll) -> float:
        """From which change on the list makes events (epoch seconds): never from before the organization was ours."""
        return max(epoch(poll.position) - OVERLAP, epoch(poll.since))

    async def _take(self, row: Row, since: float, connection: Connection) -> int:
        """Append an event for a row that was changed since. Returns how many were appended."""
        noun = self._changes.noun
        changed = seconds(row, "updatedAt")
        try:
            ref = str(Ref(self._account, noun, entity_id(row)))
        except Malformed as error:
            log.error(
                "poll.unusable_row", app_account=self._account, list=self._changes.poll.title, reason=error.message
            )
            return 0
        shown = [str(row.get(name)) for name in self._changes.shown]
        event_id = f"tgp_{digest(ref)}_{digest(shown)}"
        if changed < since or event_id in self._appended or self._changes.left_out(row):
            return 0
        await self._store.event(
            Envelope(
                id=event_id,
                source=source_of(self._account),
                type=f"togai.{noun}.updated",
                subject=Ref.parse(ref).id,
                time=timestamp(datetime.fromtimestamp(self._clock(), UTC)),
                appaccount=self._account,
                connection=connection.id,
                aggregate=ref,
                data=msgspec.Raw(msgspec.json.encode({noun: row})),
                origin="poll",
            )
        )
        self._appended[event_id] = changed
        self._changed.add(Ref.parse(ref).id)
        return 1


def ends(rows: list[Row], since: float) -> bool:
    """Whether nothing newer follows a page."""
    return bool(rows) and sorted_by_change(rows) and seconds(rows[-1], "updatedAt") < since
