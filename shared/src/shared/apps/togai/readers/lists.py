"""The polls of one Togai organization: customers by the time of their last change, accounts by their content.

As long as a full pass over the accounts fits into an interval at the pollers' share of the quota, each poll makes one.
Beyond that each poll reads the first pages of the lists, where the last changes are, and spends the rest of its calls
on a full pass that goes on from poll to poll.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import msgspec

from shared.apps.polling import PollContext, started_poll
from shared.apps.progress import Progress
from shared.apps.togai.client import TogaiApp
from shared.apps.togai.polls import ACCOUNTS, CUSTOMERS
from shared.apps.togai.readers.organization import OrganizationIndex
from shared.apps.togai.readers.paginator import Noun, Paginator, first_pages, sorted_by_change
from shared.apps.togai.readers.rows import Row, seconds
from shared.connections import Connection
from shared.identity import Ref
from shared.log import get_logger
from shared.polls import Poll, epoch, rfc3339

log = get_logger(__name__)

OVERLAP = 300.0
"""Seconds that a poll of the customers goes back behind the newest change that the last one saw."""
KEEP_EVERY = 10
"""Pages of a first pass after which its place is written down."""
CUSTOMERS_EVERY = 3600.0
"""Seconds between two full passes over the customers, in case that a change does not move `updatedAt`."""
MISSES = 20
"""Accounts that one full pass did not show and that are asked for, so that a broken list costs no quota."""
MOST = 1_000_000
"""Calls where the gate alone holds us."""

Take = Callable[[list[Row]], Awaitable[int]]


class ListReader:
    """The polls of one organization."""

    def __init__(self, context: PollContext, interval: float) -> None:
        self._context = context
        self._account = context.app_account
        self._store = context.store
        self._budget = context.budget
        self._clock = context.clock
        self._interval = interval
        self._index = OrganizationIndex(self._account, self._store)
        self._rolling: Paginator | None = None
        self._customers_at: float | None = None
        self._asked_for: dict[str, float] = {}
        self._elsewhere: set[str] = set()
        self._in_order = True
        self._large = False
        self._page = 0
        self._started = False
        self._since = 0.0

    async def poll_once(self, connection: Connection, client: TogaiApp) -> float:
        """One poll, the first one a full pass. Returns the seconds after which the next one is due.

        Raises the client's errors, Unavailable and NotReady; nothing is skipped by that.
        """
        customers = await started_poll(self._context, CUSTOMERS.kind, connection)
        accounts = await started_poll(self._context, ACCOUNTS.kind, connection)
        self._index.since, self._index.baseline = epoch(accounts.since), not accounts.complete
        self._since = epoch(customers.position) - OVERLAP
        self._index.customers.clear()
        self._index.polled_at = self._clock()
        if not accounts.complete:
            await self._first_pass(client, connection, customers, accounts)
            return 0.0
        if not self._started:
            self._index.find_stale()
            self._started = True
        await self._cycle(client, connection, customers, accounts)
        return self._interval

    # --- the first full pass ---

    async def _first_pass(self, client: TogaiApp, connection: Connection, customers: Poll, accounts: Poll) -> None:
        index = self._index
        if not customers.complete:
            await self._pass(client, customers, index.take_customers)
        # Whoever was made since we are here: their accounts are new, all others were there before us.
        await self._first_customers(client, self._since, most=MOST)

        async def take(rows: list[Row]) -> int:
            return await self._take_accounts(rows, client, connection)

        await self._pass(client, accounts, take)

    async def _pass(self, client: TogaiApp, poll: Poll, take: Take) -> None:
        """Read a whole list, from where an earlier process left it; the place is durable every few pages."""
        noun: Noun = "customers" if poll.kind == CUSTOMERS.kind else "accounts"
        paginator, progress = Paginator(noun, poll.cursor), Progress(self._account, f"togai {noun}", poll.seen)
        paginator.seen = poll.seen if poll.cursor else 0
        kept_at = self._clock()
        while not paginator.done:
            await take(await paginator.step(client))
            if paginator.done or paginator.calls % KEEP_EVERY == 0 or self._clock() - kept_at > 5:
                kept_at = self._clock()
                poll = msgspec.structs.replace(
                    poll,
                    cursor=paginator.cursor,
                    seen=paginator.seen,
                    complete=paginator.done,
                    passes=poll.passes + paginator.done,
                    found=poll.found + self._found(noun),
                    at=rfc3339(self._clock()),
                )
                await self._store.poll(poll)
            progress.tell(paginator.seen, ended=paginator.done)

    def _found(self, noun: Noun) -> int:
        """Events since the last question; all are of accounts."""
        found = self._index.found if noun == "accounts" else 0
        self._index.found -= found
        return found

    # --- every poll after it ---

    async def _cycle(self, client: TogaiApp, connection: Connection, customers: Poll, accounts: Poll) -> None:
        room = self._budget.calls_in(self._account, self._interval)
        newest, used = await self._first_customers(client, self._since, most=room)
        if self._is_large(room - used):
            used += await self._first_accounts(client, connection, (room - used) // 2)
            used += await self._freshen(client, connection, (room - used) // 2)
            customers, accounts = await self._roll(client, connection, (customers, accounts), max(1, room - used))
        else:
            self._rolling = None
            customers, accounts = await self._all(client, connection, customers, accounts)
            await self._freshen(client, connection, room)
        position, found = max(epoch(customers.position), newest), self._found("accounts")
        times = {"at": rfc3339(self._clock()), "pass_began_at": rfc3339(self._index.polled_at)}
        await self._store.poll(msgspec.structs.replace(customers, position=rfc3339(position), **times))
        await self._store.poll(msgspec.structs.replace(accounts, found=accounts.found + found, **times))
        if found:
            log.info("poll.found", app_account=self._account, events=found)

    def _is_large(self, room: int) -> bool:
        """Whether a full pass over the accounts takes more calls than there are for one poll."""
        pages = len(self._index.accounts()) // max(1, self._page) + 4
        large = pages > room
        if large and not self._large:
            # Half of the list is that of the customers, which is read in turn.
            polls = 2 * pages / max(1, room)
            log.info(
                "poll.large_organization",
                app_account=self._account,
                meaning="each poll reads the last changes; a full pass over both lists goes on from poll to poll",
                full_pass_seconds=round(polls * self._interval),
            )
        self._large = large
        return large

    async def _first_customers(self, client: TogaiApp, since: float, most: int) -> tuple[float, int]:
        """The customers that changed since a time, and the newest change that was seen. Counts the calls too."""
        newest = 0.0

        async def go_on(rows: list[Row]) -> bool:
            nonlocal newest
            await self._index.take_customers(rows)
            self._page = max(self._page, len(rows))
            times = [seconds(row, "updatedAt") for row in rows]
            newest = max([newest, *times])
            if not sorted_by_change(rows):
                self._say_unsorted()
                return True
            return bool(times) and times[-1] >= since

        calls = await first_pages(client, "customers", go_on, most)
        return newest, calls

    def _say_unsorted(self) -> None:
        if self._in_order:
            self._in_order = False
            log.warning(
                "poll.unsorted",
                app_account=self._account,
                meaning="Togai's list of customers does not show the last changed first: every page is read",
            )

    async def _first_accounts(self, client: TogaiApp, connection: Connection, most: int) -> int:
        """The accounts that changed last: pages until one shows nothing new."""

        async def go_on(rows: list[Row]) -> bool:
            if self._rolling and self._rolling.noun == "accounts":
                self._rolling.shown.update(str(row.get("id")) for row in rows)
            return await self._take_accounts(rows, client, connection) > 0

        return await first_pages(client, "accounts", go_on, most)

    async def _take_accounts(self, rows: list[Row], client: TogaiApp, connection: Connection) -> int:
        """Take accounts in, after their customers: one that is unknown was made a moment ago."""

        def unknown() -> set[str]:
            return {str(row.get("customerId")) for row in rows if not self._index.knows_customer(row)}

        if unknown() - self._elsewhere:
            await self._first_customers(client, self._since, most=MOST)
            self._elsewhere |= unknown()
        return await self._index.take_accounts(rows, connection)

    async def _freshen(self, client: TogaiApp, connection: Connection, most: int) -> int:
        """Accounts of changed customers that no page has shown: they are read one by one."""
        refs = sorted(self._index.stale)[: max(0, most)]
        for ref in refs:
            await self._index.freshen(ref, client, connection)
        return len(refs)

    async def _all(
        self, client: TogaiApp, connection: Connection, customers: Poll, accounts: Poll
    ) -> tuple[Poll, Poll]:
        """Every account, and once in a while every customer."""
        if self._customers_at is None or self._clock() - self._customers_at > CUSTOMERS_EVERY:
            # The first pass has just read them all, or an earlier process did.
            if self._customers_at is not None:
                paginator = Paginator("customers")
                while not paginator.done:
                    await self._index.take_customers(await paginator.step(client))
                customers = _passed(customers, paginator)
            self._customers_at = self._clock()
        paginator = Paginator("accounts")
        while not paginator.done:
            await self._take_accounts(await paginator.step(client), client, connection)
        await self._misses(paginator, client, connection)
        return msgspec.structs.replace(customers, cursor=""), _passed(accounts, paginator)

    async def _roll(
        self, client: TogaiApp, connection: Connection, polls: tuple[Poll, Poll], pages: int
    ) -> tuple[Poll, Poll]:
        """Some pages of the full pass over both lists, one after the other, for ever."""
        customers, accounts = polls
        for _ in range(pages):
            paginator = self._rolling = self._rolling or _resumed(customers, accounts)
            rows = await paginator.step(client)
            if paginator.noun == "customers":
                await self._index.take_customers(rows)
                customers = _passed(customers, paginator)
            else:
                await self._take_accounts(rows, client, connection)
                accounts = _passed(accounts, paginator)
            if paginator.done:
                await self._misses(paginator, client, connection)
                self._rolling = Paginator("accounts" if paginator.noun == "customers" else "customers")
        return customers, accounts

    async def _misses(self, paginator: Paginator, client: TogaiApp, connection: Connection) -> None:
        """Ask for accounts that a full pass did not show. The pass alone proves nothing: lists move while one reads."""
        if paginator.noun != "accounts" or not paginator.whole:
            return
        now = self._clock()
        missed = [a for a in self._index.accounts() if Ref.parse(a.ref).id not in paginator.shown]
        due = [a for a in missed if now - self._asked_for.get(a.ref, 0.0) > CUSTOMERS_EVERY]
        for account in due[:MISSES]:
            self._asked_for[account.ref] = now
            await self._index.miss(account, client, connection)


def _passed(poll: Poll, paginator: Paginator) -> Poll:
    return msgspec.structs.replace(
        poll, cursor=paginator.cursor, seen=paginator.seen, passes=poll.passes + paginator.done
    )


def _resumed(customers: Poll, accounts: Poll) -> Paginator:
    """The full pass where an earlier process left it."""
    if accounts.cursor:
        return Paginator("accounts", accounts.cursor)
    return Paginator("customers", customers.cursor)
