"""The poll of the pricing schedules of one Togai organization: nothing tells that a plan was attached to an account,
and only the account's own list shows it.

One call asks about one account, so a pass goes on from poll to poll. Accounts that are new or have changed, and those
that have a plan that changed, are asked about first.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec

from shared.apps.polling import PollContext, started_poll
from shared.apps.togai.client import TogaiApp
from shared.apps.togai.polls import SCHEDULES
from shared.apps.togai.readers.rows import Row, entity_id
from shared.connections import Connection
from shared.errors import Malformed, NotFound
from shared.events.envelope import Envelope, timestamp
from shared.identity import Ref, digest, source_of
from shared.linking.index import Entity
from shared.log import get_logger
from shared.polls import rfc3339

log = get_logger(__name__)

ATTACHED = "togai.price_plan.attached"
API, SECOND = "api", "v2"
"""A flow link's option, and its value, by which plans are attached by Togai's second API."""
SHARE = 2
"""One call of so many that pollers may make asks about an account's plans."""
YOUNG = 3600.0
"""Seconds after a change of an account for which every poll asks about it: it is then that people attach plans."""


class ScheduleReader:
    """The poll of one organization. `changed_plans` gives the plans that changed since it was asked last."""

    def __init__(self, context: PollContext, interval: float, changed_plans: Callable[[], Collection[str]]) -> None:
        self._context = context
        self._account = context.app_account
        self._index = context.store.index
        self._interval = interval
        self._changed_plans = changed_plans
        self._seen: dict[str, int] = {}
        self._young: dict[str, float] = {}

    async def poll_once(self, connection: Connection, client: TogaiApp) -> float:
        """One poll; what the first pass shows was there before, and makes no events. Returns the seconds until the next
        one is due. Raises the client's errors, Unavailable.
        """
        context = self._context
        poll = await started_poll(context, SCHEDULES.kind, connection)
        accounts = sorted(a.ref for a in context.store.index.of(self._account, "account") if a.state == "active")
        first = self._first() if poll.complete else []
        rest = [ref for ref in accounts if Ref.parse(ref).id > poll.cursor]
        most = max(2, context.budget.calls_in(self._account, self._interval) // SHARE)
        # Accounts that are asked about first leave half of the calls to the pass, so that it always goes on.
        some = first[: max(most - len(rest), most // 2)]
        passed = rest[: most - len(some)]
        found = 0
        for ref in dict.fromkeys([*some, *passed]):
            found += await self._account_of(ref, connection, client, silent=not poll.complete)
        ended = len(passed) == len(rest)
        poll = msgspec.structs.replace(
            poll,
            cursor="" if ended else Ref.parse(passed[-1]).id,
            seen=(poll.seen if poll.cursor else 0) + len(passed),
            complete=poll.complete or ended,
            passes=poll.passes + ended,
            found=poll.found + found,
            at=rfc3339(context.clock()),
        )
        await context.store.poll(poll)
        if found:
            log.info("poll.found", app_account=self._account, events=found)
        return self._interval if poll.complete else 0.0

    def _first(self) -> list[str]:
        """Whom to ask about first: the last changed before all others."""
        now, before = self._context.clock(), self._seen
        accounts = {a.ref: a.seq for a in self._index.of(self._account, "account") if a.state == "active"}
        if before:
            changed = [ref for ref, seq in accounts.items() if before.get(ref) != seq]
            changed += [ref for plan in self._changed_plans() for ref in self._index.who_name(self._account, plan)]
            self._young |= dict.fromkeys(changed, now)
        self._seen = accounts
        self._young = {ref: at for ref, at in self._young.items() if now - at < YOUNG and ref in accounts}
        return sorted(self._young, key=lambda ref: self._young[ref], reverse=True)

    async def _account_of(self, ref: str, connection: Connection, client: TogaiApp, *, silent: bool) -> int:
        """Take an account's schedules in, events first. Returns how many events were appended."""
        try:
            rows = await self._schedules(client, Ref.parse(ref).id)
        except NotFound:
            return 0  # gone meanwhile: the poll of the accounts tells that
        known = {child.ref: child for child in self._index.children(ref)}
        news = [each for each in self._entities(ref, rows) if known.get(each.ref) != each]
        attached = [] if silent else list(self._attached(news, known.values()))
        for each in attached:
            await self._context.store.event(self._event(ref, each, connection))
        await self._context.store.entities(news)
        return len(attached)

    async def _schedules(self, client: TogaiApp, account: str) -> list[Row]:
        """By the API that a flow link has chosen; both show the same."""
        if SECOND in self._context.chosen(API):
            return await client.v2.schedules(account, "ACTIVE")
        return await client.pricing_schedules(account)

    def _entities(self, account: str, rows: Iterable[Row]) -> Iterator[Entity]:
        for row in rows:
            try:
                schedule, plan = entity_id(row), entity_id(row, "pricePlanId")
            except Malformed as error:
                log.error("poll.unusable_row", app_account=self._account, list=SCHEDULES.title, reason=error.message)
                continue
            ref = str(Ref(self._account, "schedule", schedule))
            days = f"{_day(row.get('startDate'))}/{_day(row.get('endDate'))}"
            yield Entity(ref=ref, parent=account, names=plan, digest=days)

    def _attached(self, news: Iterable[Entity], known: Collection[Entity]) -> Iterator[Entity]:
        """Plans that the account did not have before. Another schedule of one that it had is none: a new version."""
        had = {each.names for each in known}
        today = datetime.fromtimestamp(self._context.clock(), UTC).date().isoformat()
        for each in news:
            if each.names not in had and each.digest.partition("/")[2] > today:
                had.add(each.names)
                yield each

    def _event(self, account: str, schedule: Entity, connection: Connection) -> Envelope:
        body: dict[str, Any] = {
            "plan_id": schedule.names,
            "account_id": Ref.parse(account).id,
            "schedule_id": Ref.parse(schedule.ref).id,
            "since": schedule.digest.partition("/")[0],
        }
        about = self._context.subject_of(ATTACHED, body)
        assert about
        return Envelope(
            id=f"tgp_{digest(schedule.ref)}_attached",
            source=source_of(self._account),
            type=ATTACHED,
            subject=about[1],
            time=timestamp(datetime.fromtimestamp(self._context.clock(), UTC)),
            appaccount=self._account,
            connection=connection.id,
            aggregate=str(Ref(self._account, *about)),
            data=msgspec.Raw(msgspec.json.encode(body)),
            origin="poll",
        )


def _day(text: Any) -> str:
    return str(text or "9999-01-01")[:10]
