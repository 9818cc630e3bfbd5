"""One Togai organization in the index: rows of its lists are taken in, and what changed becomes events."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import msgspec

from shared import metrics
from shared.apps.polling import Store
from shared.apps.receiving import Refused
from shared.apps.togai.client import TogaiApp
from shared.apps.togai.readers.paginator import STATUSES
from shared.apps.togai.readers.rows import (
    Change,
    Row,
    account_entity,
    customer_entity,
    entity_id,
    events,
    is_made,
    is_stale,
    joined,
    own_half,
    seconds,
)
from shared.connections import Connection
from shared.errors import Malformed, NotFound
from shared.identity import Ref
from shared.linking.index import Entity, normalized_email
from shared.log import get_logger

log = get_logger(__name__)

CLOCKS_APART = 60.0
"""Seconds by which Togai's clock may be behind ours."""
AT_ONCE, PAUSE = 5, 0.2
"""Accounts whose events go to the log together, for one by one each costs a broker as much as these; and the seconds
after which the next ones follow. An import makes thousands in a minute, and what a webhook brings is not to wait for
all their echoes; Togai's quota lets fewer new accounts be worked on in a second.
"""


class OrganizationIndex:
    """`since` is when the organization was first seen, in epoch seconds: what was made before is not ours to create.
    `polled_at` is when the poll began that shows its rows: no row is older.

    `baseline` is on until a first full pass has shown what there was.
    """

    def __init__(self, app_account: str, store: Store) -> None:
        self.app_account = app_account
        self.since = 0.0
        self.polled_at = 0.0
        self.baseline = True
        self.found = 0
        self.customers: dict[str, Row] = {}
        self.stale: set[str] = set()
        self._store = store
        self._newcomers: set[str] = set()
        self._reported: set[str] = set()

    def accounts(self) -> list[Entity]:
        """The organization's accounts that are not gone."""
        return [e for e in self._store.index.of(self.app_account, "account") if e.state != "deleted"]

    def find_stale(self) -> None:
        """Accounts whose customer changed when another process, or an earlier one, was polling."""
        index = self._store.index
        self.stale = {a.ref for a in self.accounts() if is_stale(a, index.get(a.parent))}

    def knows_customer(self, row: Row) -> bool:
        """Whether an account's customer is in the index."""
        return self._store.index.get(self._ref("customer", str(row.get("customerId")))) is not None

    async def take_customers(self, rows: list[Row]) -> int:
        """Take customers in. Returns the number of changes; their accounts become stale."""
        news: list[Entity] = []
        for row in rows:
            try:
                entity = customer_entity(self.app_account, row)
            except Malformed as error:
                self._refuse(row, error.message)
                continue
            if seconds(row, "createdAt") >= self.since - CLOCKS_APART:
                self._newcomers.add(entity.ref)
            if not self.baseline or entity.ref in self._newcomers:
                self.customers[row["id"]] = row
            if entity != self._store.index.get(entity.ref):
                news.append(entity)
        await self._store.entities(news)
        for entity in news:
            self.stale |= {a.ref for a in self._store.index.children(entity.ref) if is_stale(a, entity)}
        return len(news)

    async def take_accounts(self, rows: list[Row], connection: Connection) -> int:
        """Take accounts in, events first. Returns the number of changes."""
        silent: list[Entity] = []
        changes: list[Change] = []
        for row in rows:
            try:
                change = self._change(row)
            except Malformed as error:
                self._refuse(row, error.message)
                continue
            if isinstance(change, Change):
                changes.append(change)
            elif change:
                silent.append(change)
        await self.write(changes, connection)
        await self._store.entities(silent)
        return len(changes) + len(silent)

    def _change(self, row: Row) -> Change | Entity | None:
        """What a row changes: an entry alone for what was there before us."""
        index = self._store.index
        known = index.get(self._ref("account", entity_id(row)))
        parent = self._ref("customer", entity_id(row, "customerId"))
        newcomer = not self.baseline or parent in self._newcomers
        entity = account_entity(self.app_account, row, index.get(parent), known, newcomer=newcomer)
        if entity is None:
            return None
        if known is None and not newcomer:
            return msgspec.structs.replace(entity, seq=0)
        return Change(entity, row, self.customers.get(row["customerId"]), made=is_made(entity, known))

    async def write(self, changes: list[Change], connection: Connection) -> None:
        """The events of changes, some accounts' at a time, then their entries."""
        for start in range(0, len(changes), AT_ONCE):
            if start:
                await asyncio.sleep(PAUSE)
            await asyncio.gather(*(self._report(change, connection) for change in changes[start : start + AT_ONCE]))
        await self._store.entities([change.entity for change in changes])
        self.stale -= {change.entity.ref for change in changes}

    async def _report(self, change: Change, connection: Connection) -> None:
        """The events of one account, in order."""
        for envelope in events(change, connection, datetime.fromtimestamp(self.polled_at, UTC)):
            try:
                await self._store.event(envelope)
            except (Refused, Malformed) as error:
                # Nothing will make it smaller: the entry is kept, so that it is logged once.
                self._refuse(change.account, error.message)
                continue
            self.found += 1
            metrics.POLL_EVENTS.labels("togai").inc()

    async def freshen(self, ref: str, client: TogaiApp, connection: Connection) -> None:
        """An account whose customer changed, and that no list has shown since: read it, and say that it changed."""
        known = self._store.index.get(ref)
        customer = self._store.index.get(known.parent) if known else None
        if known is None or customer is None or not is_stale(known, customer):
            self.stale.discard(ref)
            return
        row = await self._read(known, client, connection)
        if row is None:
            return
        archived = "ARCHIVED" in (row.get("status"), customer.state.upper())
        entity = msgspec.structs.replace(
            known,
            state="archived" if archived else "active",
            email=normalized_email(row.get("primaryEmail")) or customer.email,
            digest=joined(own_half(known), customer),
            seq=known.seq + 1,
        )
        shown = self.customers.get(Ref.parse(customer.ref).id)
        await self.write([Change(entity, row, shown, made=is_made(entity, known))], connection)

    async def miss(self, known: Entity, client: TogaiApp, connection: Connection) -> None:
        """An account that a full pass did not show: ask for it. Only what Togai does not know any more is gone."""
        row = await self._read(known, client, connection)
        if row and row.get("status") not in STATUSES:
            # A draft, say: no list that we read shows it, so its state is followed here.
            await self.take_accounts([row], connection)

    async def _read(self, known: Entity, client: TogaiApp, connection: Connection) -> Row | None:
        """The account as Togai shows it now; None if there is nothing to be done with it any more."""
        account = Ref.parse(known.ref).id
        try:
            found = await client.account(account)
        except NotFound:
            await self.write([self._gone(known)], connection)
            return None
        except Malformed as error:
            self._refuse({"id": account}, error.message)
            self.stale.discard(known.ref)
            return None
        return found.model_dump(mode="json", by_alias=True, exclude_none=True)

    def _gone(self, known: Entity) -> Change:
        row = {"id": Ref.parse(known.ref).id, "customerId": Ref.parse(known.parent).id}
        gone = msgspec.structs.replace(known, state="deleted", digest="gone", seq=known.seq + 1)
        log.warning("poll.account_gone", app_account=self.app_account, account=row["id"])
        return Change(gone, row)

    def _ref(self, noun: str, entity: str) -> str:
        return str(Ref(self.app_account, noun, entity))

    def _refuse(self, row: Row, reason: str) -> None:
        name = str(row.get("id"))[:100]
        if name not in self._reported:
            self._reported.add(name)
            metrics.POLL_REFUSED.labels("togai", "unusable").inc()
            log.error("poll.unusable_row", app_account=self.app_account, id=name, reason=reason)
