"""An import loses nothing and doubles nothing, whenever its process dies and whoever is deleted meanwhile."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import msgspec
import pytest
from ingress.imports.importer import Importer, Source
from shared.apps.stripe.client import Page
from shared.errors import ConnectionClosed, KeyRefused, Rejected, Unavailable
from shared.events import envelope as envelopes
from shared.events.topics import Topics
from shared.flows import imports
from shared.flows.imports import ImportProgress, ImportRequest, Imports
from shared.identity import Ref
from shared.kafka.log import Log, Place
from shared.settings import Settings
from shared.tasks import ended

from tests.fakes.log import FakeLog
from tests.fakes.polling import TOGAI, Clock, FakeTogai

ACCOUNT = "stripe:test:acct_1"
TOPICS = Topics(Settings(_env_file=None))
REQUEST = ImportRequest(
    id="imp_1", kind="customers", flow_link="link", connection="con_stripe", requested_at="t", created_until=2000
)


class Died(BaseException):
    """The process, at a write."""


class Vendor:
    """Stripe's list of customers, two a page, newest first."""

    def __init__(self, count: int) -> None:
        # Two of a second each: a second may lie on two pages.
        self.rows = {f"cus_{number}": 1000 + number // 2 for number in range(count)}
        self.faults: list[Exception] = []

    async def page_of(self, path: str, *, created: tuple[int, int], after: str = "", also: Any = None) -> Page:
        if self.faults:
            raise self.faults.pop(0)
        assert path == "/v1/customers"
        if after and after not in self.rows:
            raise Rejected(f"No such customer: '{after}'", status=400)
        begin, end = created
        found = sorted((c for c in self.rows if begin <= self.rows[c] < end), key=self._newest)
        start = found.index(after) + 1 if after else 0
        raws = [msgspec.Raw(json.dumps({"id": c, "created": self.rows[c]}).encode()) for c in found[start : start + 2]]
        return Page(raws, start + 2 < len(found))

    def _newest(self, customer: str) -> tuple[int, int]:
        return (-self.rows[customer], -int(customer.partition("_")[2]))


class Dying(FakeLog):
    """Dies once, at one write, before or after it."""

    def __init__(self, at: int = 0, *, after: bool = False) -> None:
        super().__init__()
        self.at, self.after = at, after
        self.writes = 0

    async def append(self, topic: str, key: str, value: bytes | None, **more: Any) -> Place:
        self.writes += 1
        if self.writes == self.at and not self.after:
            raise Died
        place = await super().append(topic, key, value, **more)
        if self.writes == self.at:
            raise Died
        return place


def known(log: FakeLog) -> Imports:
    """What another process reads of the import."""
    found = Imports()
    for record in log.written:
        if record.topic == TOPICS.imports:
            found.apply(0, record.key, record.value)
    return found


def importer(
    vendor: Vendor, log: FakeLog, request: ImportRequest = REQUEST, wanted: Any = None, **more: Any
) -> Importer:
    async def client() -> Any:
        return vendor

    @asynccontextmanager
    async def keep_refusals() -> AsyncIterator[None]:
        try:
            yield
        except KeyRefused as error:
            raise ConnectionClosed(error.connection, error.message) from error

    progress = known(log).progress.get(request.id)
    return Importer(
        request,
        progress,
        Source(ACCOUNT, client, keep_refusals),
        cast(Log, log),
        TOPICS,
        wanted or (lambda: "run"),
        again_after=0,
        **more,
    )


def once() -> Any:
    """A person who pauses it at the first page."""
    asked = iter(["run"])
    return lambda: next(asked, "pause")


async def first_page(found: Importer) -> None:
    """As far as a person lets it go on."""
    await found.run()
    assert found.progress.state == "paused"


def events(log: FakeLog) -> list[str]:
    """The customers of whom there is an event, and each with its id."""
    found = [envelopes.decode(r.value) for r in log.written if r.topic == TOPICS.replay("customer")]
    assert {e.origin for e in found} <= {"backfill"}
    assert {e.cause for e in found} <= {REQUEST.id}
    return [Ref.parse(e.aggregate).id for e in found]


@pytest.mark.parametrize("after", [False, True], ids=["before the write", "after it"])
@pytest.mark.parametrize("at", range(1, 15))
async def test_whoever_goes_on_misses_nobody(at: int, after: bool) -> None:
    """A page whose progress was not written is listed again; its events have the same ids."""
    vendor, log = Vendor(9), Dying(at, after=after)
    try:
        await importer(vendor, log).run()
    except* Died:
        log.at = 0
        if not ((left := known(log).progress.get(REQUEST.id)) and left.ended):
            await importer(vendor, log).run()
    done = known(log).progress[REQUEST.id]

    assert set(events(log)) == set(vendor.rows)
    assert (done.state, done.listed, done.written) == ("listed", 9, 9)
    ids = {envelopes.decode(r.value).id for r in log.written if r.topic == TOPICS.replay("customer")}
    assert len(ids) == 9


@pytest.mark.parametrize("deleted", range(9))
async def test_a_customer_that_is_deleted_meanwhile_hides_no_other(deleted: int) -> None:
    """Also where the next page would begin after it."""
    vendor, log = Vendor(9), FakeLog()
    await first_page(importer(vendor, log, wanted=once()))
    vendor.rows.pop(f"cus_{deleted}")
    await importer(vendor, log).run()

    assert set(vendor.rows) <= set(events(log))
    assert len(events(log)) == len(set(events(log)))


async def test_what_is_made_meanwhile_is_no_part_of_it() -> None:
    """It comes as an event."""
    vendor, log = Vendor(4), FakeLog()
    vendor.rows["cus_99"] = REQUEST.created_until

    await importer(vendor, log).run()

    assert "cus_99" not in events(log)


async def test_a_list_leaves_time_to_others() -> None:
    """The next page waits until the rows of the one before have had theirs."""
    vendor, log = Vendor(6), FakeLog()
    running = asyncio.create_task(importer(vendor, log, a_second=0.001).run())
    for _ in range(1000):
        await asyncio.sleep(0)
    await ended(running)

    assert len(events(log)) == 2


async def test_a_pause_stops_it_and_it_goes_on_where_it_was() -> None:
    """Nothing is listed twice."""
    vendor, log, asked = Vendor(6), FakeLog(), iter(["run", "pause"])
    await importer(vendor, log, wanted=lambda: next(asked)).run()
    paused = known(log).progress[REQUEST.id]
    await importer(vendor, log).run()

    assert (paused.state, paused.written) == ("paused", 2)
    assert len(events(log)) == 6


@pytest.mark.parametrize(
    ("error", "said_as"),
    [
        (Unavailable("no answer"), "no answer"),
        (KeyRefused("401", connection="con_stripe"), "connection con_stripe is closed: 401"),
    ],
)
async def test_what_passes_is_waited_out_and_said(error: Exception, said_as: str) -> None:
    """The reason stands in its progress until it goes on."""
    vendor, log = Vendor(2), FakeLog()
    vendor.faults = [error]
    await importer(vendor, log).run()
    said = [imports.decode(r.value) for r in log.written if r.topic == TOPICS.imports and r.value]

    assert [found.problem for found in said if isinstance(found, ImportProgress)][0] == said_as
    assert known(log).progress[REQUEST.id].problem == ""
    assert set(events(log)) == set(vendor.rows)


async def test_what_the_vendor_refuses_for_good_ends_it() -> None:
    """With the vendor's words."""
    vendor, log = Vendor(2), FakeLog()
    vendor.faults = [Rejected("Invalid integer", status=400)]
    await importer(vendor, log).run()

    assert (known(log).progress[REQUEST.id].state, events(log)) == ("failed", [])


async def test_named_ones_alone() -> None:
    """Without a list."""
    vendor, log = Vendor(6), FakeLog()
    request = msgspec.structs.replace(REQUEST, ids=["cus_3", "cus_1"])
    await importer(vendor, log, request).run()

    assert sorted(events(log)) == ["cus_1", "cus_3"]


def of_togai(togai: FakeTogai, log: FakeLog, kind: str, wanted: Any = None) -> Importer:
    """An import from Togai's lists, whose pages have tokens."""
    request = msgspec.structs.replace(REQUEST, kind=kind, connection="con_togai")
    found = importer(cast(Any, togai), log, request, wanted)
    found._source = Source(TOGAI, found._source.client, found._source.keep_refusals)
    return found


@pytest.mark.parametrize("at", range(1, 10))
async def test_every_active_account_is_imported_once(at: int) -> None:
    """By tokens, whenever the process dies; archived ones stay out."""
    togai, log = FakeTogai(Clock(), size=2), Dying(at, after=True)
    for number in range(5):
        togai.add(f"c{number}")
    togai.put("accounts", "a-c3", status="ARCHIVED")
    try:
        await of_togai(togai, log, "accounts").run()
    except* Died:
        log.at = 0
        await of_togai(togai, log, "accounts").run()
    found = [envelopes.decode(r.value) for r in log.written if r.topic == TOPICS.replay("customer")]

    assert {Ref.parse(event.aggregate).id for event in found} == {"a-c0", "a-c1", "a-c2", "a-c4"}
    assert {event.type for event in found} == {"togai.account.created"}
    assert len({event.id for event in found}) == 4
    assert known(log).progress[REQUEST.id].state == "listed"


async def test_a_token_that_togai_refuses_begins_the_list_again() -> None:
    """Their events have the same ids then."""
    togai, log = FakeTogai(Clock(), size=2), FakeLog()
    for number in range(5):
        togai.add(f"c{number}")
    await first_page(of_togai(togai, log, "accounts", once()))
    togai.refused = {known(log).progress[REQUEST.id].slices[0].cursor.partition(" ")[2]}
    togai.during = togai.refused.clear
    await of_togai(togai, log, "accounts").run()

    assert {Ref.parse(e.aggregate).id for e in map(envelopes.decode, _replayed(log))} == set(togai.rows["accounts"])


async def test_tokens_that_are_always_refused_end_it() -> None:
    """Such a list would never end."""
    togai, log = FakeTogai(Clock(), size=2), FakeLog()
    for number in range(5):
        togai.add(f"c{number}")
    await first_page(of_togai(togai, log, "accounts", once()))
    togai.refused = {known(log).progress[REQUEST.id].slices[0].cursor.partition(" ")[2]}
    await of_togai(togai, log, "accounts").run()

    assert known(log).progress[REQUEST.id].state == "failed"


def _replayed(log: FakeLog) -> list[bytes]:
    return [record.value for record in log.written if record.topic == TOPICS.replay("customer") and record.value]


async def test_whoever_runs_it_reports_where_nothing_changes() -> None:
    """It waits out what holds it up, for an hour say, and must not be taken for dead."""
    log = FakeLog()
    found = importer(Vendor(1), log)
    found.progress = msgspec.structs.replace(found.progress, updated_at="2026-11-30T10:00:00.000Z")
    await found.report_alive(60.0)
    await found.report_alive(60.0)

    assert len(log.on(TOPICS.imports)) == 1
    assert known(log).progress["imp_1"].updated_at > "2026-11-30T10:00:00.000Z"
