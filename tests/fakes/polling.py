"""Vendors and log in memory for pollers: every call is counted, every append can fail."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Protocol

import msgspec
from ingress.polling.event_log_index import EventLogIndex
from ingress.polling.gate import PollGate
from ingress.polling.scheduler import event_topics
from ingress.polling.store import PollStore
from shared.apps.polling import CallBudget, EventLog, PollContext
from shared.apps.stripe.client import Page as StripePage
from shared.apps.stripe.client import StripeApp
from shared.apps.togai.client import Page, TogaiApp
from shared.apps.togai.models import TogaiAccount
from shared.apps.togai.v2 import TogaiV2
from shared.connections import Connection
from shared.domains import subject_of
from shared.errors import NotFound, Rejected, Unavailable
from shared.events.envelope import timestamp
from shared.events.topics import Topics
from shared.kafka.log import Headers, Place
from shared.runtime.registry import Registry
from shared.settings import Settings

from tests.fakes.log import FakeLog

STRIPE, TOGAI = "stripe:test:acct_1", "togai:test:org_1"
SETTINGS = Settings(_env_file=None)
NOW = 1_790_000_000.0


class Clock:
    """Epoch seconds that a test moves."""

    def __init__(self, now: float = NOW) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def connection(app: str, made: float = NOW) -> Connection:
    """An open connection, made at a time."""
    fields: Any = {"app": app, "mode": "test"}
    name = STRIPE if app == "stripe" else TOGAI
    return Connection(id=f"con_{app}", app_account=name, api_base="", sealed="", changed_at=moment(made), **fields)


def moment(seconds: float) -> str:
    """RFC 3339."""
    return timestamp(datetime.fromtimestamp(seconds, UTC))


class FoldingLog(FakeLog):
    """Folds what is appended at once. Of `left` appends the last one is not confirmed, nor is any after it."""

    def __init__(self, topics: Topics, registry: Registry, left: int | None = None) -> None:
        super().__init__()
        self._folds = registry.folds(topics, with_mappings=False)
        self.left = left

    async def append(
        self, topic: str, key: str, value: bytes | None, *, headers: Headers = (), deadline: float | None = None
    ) -> Place:
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                raise Unavailable("the process is dead")
        place = await super().append(topic, key, value, headers=headers, deadline=deadline)
        if topic in self._folds:
            self._folds[topic](place.offset, key, value)
        return place


class AtOnce:
    """A replica that shows everything at once."""

    async def wait_for(self, topic: str, offset: int, deadline: float = 10.0) -> None:
        """Nothing to wait for."""


class Memory:
    """One life of a poller: `store` over the records of former lives, `written` by all of them; `log` is its kind."""

    def __init__(
        self, former: Memory | None = None, left: int | None = None, log: type[FoldingLog] = FoldingLog
    ) -> None:
        self.topics, self.registry = Topics(SETTINGS), Registry()
        self.log = log(self.topics, self.registry)
        folds = self.registry.folds(self.topics, with_mappings=False)
        for offset, record in enumerate(former.log.written if former else []):
            self.log.written.append(record)
            if record.topic in folds:
                folds[record.topic](offset, record.key, record.value)
        self.log.left = left
        self.store = PollStore(self.log, self.topics, self.registry, AtOnce())

    def context(
        self, app_account: str, clock: Clock, log: EventLog | None = None, budget: CallBudget | None = None
    ) -> PollContext:
        """What the engine gives to an app's pollers."""
        budget = budget or PollGate(SETTINGS)
        return PollContext(app_account, SETTINGS, self.store, log or MemoryEventLog(self), budget, subject_of, clock)

    def events(self, subject: str = "", kind: str = "") -> list[dict[str, Any]]:
        """The events in the log, by subject and end of type."""
        topics = (*(self.topics.events(noun) for noun in ("customer", "invoice", "plan")), self.topics.other)
        found = [json.loads(r.value) for r in self.log.written if r.topic in topics]
        return [e for e in found if subject in (e["subject"], "") and e["type"].endswith(kind)]

    def ids(self) -> list[str]:
        return [e["id"] for e in self.events()]


class Recorded(Protocol):
    """What has a log in memory."""

    @property
    def log(self) -> FakeLog: ...

    @property
    def topics(self) -> Topics: ...


class MemoryEventLog(EventLogIndex):
    """Reads the log in memory."""

    def __init__(self, memory: Recorded) -> None:
        self.offered: list[Any] = []
        super().__init__(SETTINGS, [], lambda entity, live: self.offered.append((entity, live)))
        self._memory, self._at = memory, 0

    async def caught_up(self) -> None:
        written = self._memory.log.written
        for record in written[self._at :]:
            if record.topic in event_topics(self._memory.topics):
                self._read(record.value, live=True)
        self._at = len(written)


class FakeStripe(StripeApp):
    """Events and customers, oldest first in here, newest first in lists."""

    def __init__(self, size: int = 100) -> None:
        self.app_account, self.connection = STRIPE, "con_stripe"
        self.size = size
        self.happened: list[dict[str, Any]] = []
        self._at: dict[str, float] = {}
        self.hidden: set[str] = set()
        self.customers: list[dict[str, Any]] = []
        self.calls: list[str] = []
        self.during: Callable[[], None] = lambda: None

    def happen(self, created: float, kind: str = "customer.updated", subject: str = "cus_1", **more: Any) -> str:
        """Something happened. Returns the event's id."""
        fields = {"id": f"evt_{len(self.happened)}", "object": "event", "type": kind, "created": int(created)}
        found = {"id": subject, "object": "customer", "email": None} | more.pop("customer", {})
        self.happened.append(fields | {"livemode": False, "data": {"object": found}} | more)
        self._at[str(fields["id"])] = created
        return str(fields["id"])

    async def events_page(self, created: int, after: str = "") -> StripePage:
        self.calls.append("events")
        shown = [e for e in self.happened[::-1] if self._at[e["id"]] >= created and e["id"] not in self.hidden]
        return self._cut(shown, after)

    async def customers_page(self, after: str = "") -> StripePage:
        self.calls.append("customers")
        if after and all(c["id"] != after for c in self.customers):
            raise Rejected("no such customer", status=400)
        return self._cut(self.customers[::-1], after)

    def _cut(self, rows: list[dict[str, Any]], after: str) -> StripePage:
        start = next((n + 1 for n, row in enumerate(rows) if row["id"] == after), 0) if after else 0
        page = rows[start : start + self.size]
        self.during()
        return StripePage([msgspec.Raw(json.dumps(row).encode()) for row in page], len(rows) > start + self.size)


class FakeTogai(TogaiApp):
    """Customers and accounts as Togai lists them: the last changed first, tokens that embed the place."""

    def __init__(self, clock: Clock, size: int = 100) -> None:
        self.app_account, self.connection = TOGAI, "con_togai"
        self.clock = clock
        self.size = size
        self.rows: dict[str, dict[str, dict[str, Any]]] = {"customers": {}, "accounts": {}}
        self.calls: list[str] = []
        self.refused: set[str] = set()
        self.named: dict[str, str] = {}
        self.ordered = True
        self.during: Callable[[], None] = lambda: None
        self._changed: dict[tuple[str, str], int] = {}
        self._ticks = itertools.count(1)
        self.v2 = TogaiV2(self._second)

    async def _second(self, method: str, path: str, **arguments: Any) -> dict[str, Any]:
        """It has no second API."""
        raise NotFound(f"no such API: {path}", status=404)

    def put(self, noun: str, name: str, /, **fields: Any) -> None:
        """Make or change one."""
        self._changed[noun, name] = next(self._ticks)
        row = self.rows[noun].get(name, {"id": name, "status": "ACTIVE"}) | fields
        if noun == "customers":
            row = {"createdAt": moment(self.clock())} | row | {"updatedAt": moment(self.clock())}
        self.rows[noun][name] = row

    def add(self, name: str, /, *accounts: str, **fields: Any) -> None:
        """A customer with accounts."""
        self.put("customers", name, **({"name": name, "primaryEmail": f"{name}@example.test"} | fields))
        for account in accounts or (f"a-{name}",):
            self.put("accounts", account, customerId=name, name=account)

    async def page(self, noun: Any, status: str, token: str = "") -> Page:
        self.calls.append(f"{noun} {status}")
        if token in self.refused:
            raise Rejected("Invalid nextToken", status=400)
        found = [row for row in self.rows[noun].values() if row["status"] == status]
        found.sort(key=lambda row: self._changed[noun, row["id"]], reverse=True)
        if not self.ordered:
            found.sort(key=lambda row: str(row["id"]))
            start = int(token or 0)
            page = found[start : start + self.size]
            following = str(start + self.size)
        else:
            page = [r for r in found if not token or self._changed[noun, r["id"]] < int(token)][: self.size]
            following = str(self._changed[noun, page[-1]["id"]]) if page else ""
        self.during()
        return Page([dict(row) for row in page], following if page else "")

    async def invoices(self, status: str, token: str = "", owner: str = "") -> Page:
        """It bills nobody."""
        self.calls.append(f"invoices {status}")
        return Page([], "")

    async def price_plans(self, status: str, token: str = "") -> Page:
        """It sells nothing."""
        self.calls.append(f"price_plans {status}")
        return Page([], "")

    async def pricing_schedules(self, account_id: str) -> list[dict[str, Any]]:
        """Nobody has a plan."""
        self.calls.append("pricing_schedules")
        return []

    async def settings_named(self, name: str, token: str = "") -> Page:
        """The accounts that name a customer, in the order in which they did first."""
        self.calls.append("settings")
        if token in self.refused:
            raise Rejected("Invalid nextToken", status=400)
        start = int(token or 0)
        page = list(self.named.items())[start : start + self.size]
        rows = [{"id": name, "value": value, "entityType": "ACCOUNT", "entityId": account} for account, value in page]
        return Page(rows, str(start + self.size) if rows else "")

    async def account(self, account_id: str) -> TogaiAccount:
        self.calls.append("account")
        if account_id not in self.rows["accounts"]:
            raise NotFound("no such account", status=404)
        return TogaiAccount.model_validate(self.rows["accounts"][account_id])
