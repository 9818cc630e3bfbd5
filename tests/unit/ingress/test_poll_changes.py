"""The polls of invoices and price plans, against an organization in memory: what becomes an event, and its cost."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
from shared.apps.togai.client import Page, TogaiApp
from shared.apps.togai.readers.changes import INVOICE_CHANGES, PLAN_CHANGES, PLAN_V2_CHANGES, STATUSES, ChangeReader
from shared.errors import NotFound, Rejected

from tests.fakes.polling import NOW, TOGAI, Clock, Memory, connection, moment

INTERVAL = 60.0
SIZE = 3


class Org:
    """Its list of due invoices, three on a page, the last changed first unless `shuffled`; tokens are places."""

    def __init__(self) -> None:
        self.rows: dict[str, dict[str, Any]] = {}
        self.calls = 0
        self.shuffled = False
        self.refuse: set[str] = set()

    def put(self, name: str, at: float, **fields: Any) -> None:
        row = {"id": name, "status": "DUE", "totalAmount": 10, "paidAmount": 0, "updatedAt": moment(at)}
        self.rows[name] = row | fields

    async def invoices(self, status: str, token: str = "") -> Page:
        self.calls += 1
        if token in self.refuse:
            raise Rejected("the token is old", code="400")
        due = [row for row in self.rows.values() if row["status"] == status]
        if not self.shuffled:
            due.sort(key=lambda row: row["updatedAt"], reverse=True)
        place = int(token or 0)
        after = place + SIZE
        return Page(due[place:after], str(after) if after < len(due) else "")


class Calls:
    """A share of the quota."""

    def __init__(self, most: int) -> None:
        self.most = most

    def calls_in(self, app_account: str, seconds: float) -> int:
        return self.most


class Polled:
    """One organization and its poller; `live` makes another process of it."""

    def __init__(self, most: int = 100) -> None:
        self.clock, self.org, self.memory, self.calls = Clock(NOW + 1000), Org(), Memory(), Calls(most)
        self.live()

    def live(self) -> None:
        self.memory = Memory(self.memory)
        self.reader = ChangeReader(self.memory.context(TOGAI, self.clock, budget=self.calls), INTERVAL, INVOICE_CHANGES)

    async def poll(self, times: int = 1) -> list[str]:
        """Polls, an interval apart. Returns whose events all of them appended, each once or more."""
        before = len(self.memory.events())
        for _ in range(times):
            self.clock.now += INTERVAL
            await self.reader.poll_once(connection("togai"), cast(TogaiApp, self.org))
        return [event["subject"] for event in self.memory.events()[before:]]


async def test_what_was_due_before_makes_no_event() -> None:
    """Connecting an organization collects nothing that is old; what becomes due afterwards is found once."""
    polled = Polled()
    polled.org.put("inv.old", NOW - 500)
    before = await polled.poll()
    polled.org.put("inv.new", polled.clock.now)
    found = await polled.poll(3)

    assert (before, found) == ([], ["inv.new"])
    assert polled.memory.events()[0]["type"] == "togai.invoice.updated"
    assert polled.memory.events()[0]["aggregate"] == f"{TOGAI}/invoice/inv.new"


async def test_a_draft_makes_an_event_when_it_is_final_and_when_it_is_due() -> None:
    """It is taxed, then collected. One that Togai still adds to makes none."""
    polled = Polled()
    polled.org.put("inv.1", polled.clock.now, status="DRAFT")
    before = await polled.poll()
    polled.org.put("inv.1", polled.clock.now, status="DRAFT", finalizingStatus="FINALIZING")
    finalizing = await polled.poll()
    polled.org.put("inv.1", polled.clock.now, status="DRAFT", finalizingStatus="FINALIZED")
    final = await polled.poll()
    polled.org.put("inv.1", polled.clock.now)

    assert (before, finalizing, final, await polled.poll()) == ([], [], ["inv.1"], ["inv.1"])


@pytest.mark.parametrize("status", [status for status in STATUSES if status != "DRAFT"])
async def test_what_was_closed_makes_an_event(status: str) -> None:
    """Voided, given up, paid elsewhere: Togai's webhooks may tell nobody."""
    polled = Polled()
    await polled.poll()
    polled.org.put("inv.1", polled.clock.now, status=status)

    assert await polled.poll(2) == ["inv.1"]


async def test_another_process_goes_on() -> None:
    """What the last one appended comes again under the same id at most; nothing is left out."""
    polled = Polled()
    await polled.poll()
    polled.org.put("inv.1", polled.clock.now)
    await polled.poll()
    polled.live()
    polled.org.put("inv.2", polled.clock.now)
    found = await polled.poll()

    assert "inv.2" in found
    assert len({event["id"] for event in polled.memory.events()}) == 2


async def test_a_poll_reads_no_further_than_the_last_one() -> None:
    """Of a list whose last changed come first the head is enough."""
    polled = Polled()
    for number in range(30):
        polled.org.put(f"inv.{number}", NOW - 9000 + number)
    await polled.poll()
    before = polled.org.calls
    await polled.poll()

    assert polled.org.calls == before + len(STATUSES)


async def test_a_list_in_no_order_is_read_whole() -> None:
    """As far as the quota goes in one poll; the next one goes on, also in another process."""
    polled = Polled(most=2)
    polled.org.shuffled = True
    for number in range(12):
        polled.org.put(f"inv.{number}", NOW + 500 + number * 17 % 7)
    first = await polled.poll()
    polled.live()
    rest = await polled.poll()

    assert (len(first), len(rest)) == (6, 6)
    assert {*first, *rest} == polled.org.rows.keys()


async def test_a_token_that_is_refused_begins_the_list_again() -> None:
    """Nothing is left out."""
    polled = Polled(most=1)
    polled.org.shuffled = True
    for number in range(6):
        polled.org.put(f"inv.{number}", NOW + 500 + number)
    await polled.poll()
    polled.org.refuse = {"3"}
    await polled.poll()
    polled.org.refuse = set()

    assert {*await polled.poll(), *(e["subject"] for e in polled.memory.events())} == polled.org.rows.keys()


async def test_a_row_without_an_id_holds_nothing_up() -> None:
    """It is reported, the others are taken."""
    polled = Polled()
    polled.org.put("inv.1", NOW + 500)
    polled.org.put("", NOW + 500)

    assert await polled.poll() == ["inv.1"]


async def test_price_plans_are_polled_alike() -> None:
    """What was there before makes no event; an activation, a new version and the archive make one each."""
    polled = Polled()
    plans: dict[str, dict[str, Any]] = {}

    class Plans:
        async def price_plans(self, status: str, token: str = "") -> Page:
            return Page([row for row in plans.values() if row["status"] == status], "")

    reader = ChangeReader(polled.memory.context(TOGAI, polled.clock, budget=polled.calls), INTERVAL, PLAN_CHANGES)
    found = []
    states = [("pp.old", "ACTIVE", 1), ("pp.1", "DRAFT", 1), ("pp.1", "ACTIVE", 1), ("pp.1", "ACTIVE", 2)]
    for name, status, version in [*states, ("pp.1", "ARCHIVED", 2)]:
        at = NOW - 500 if name == "pp.old" else polled.clock.now
        plans[name] = {"id": name, "status": status, "version": version, "updatedAt": moment(at)}
        polled.clock.now += INTERVAL
        before = len(polled.memory.events())
        for _ in range(2):
            await reader.poll_once(connection("togai"), cast(TogaiApp, Plans()))
        found.append([(event["type"], event["subject"]) for event in polled.memory.events()[before:]])

    assert found == [[], [], *[[("togai.price_plan.updated", "pp.1")]] * 3]


async def test_plans_of_the_second_api_are_polled_alike() -> None:
    """A list of all, without filters: a draft makes no event, nor does that of the next version; an organization
    without that API holds nobody up.
    """
    polled = Polled()
    plans: dict[str, dict[str, Any]] = {}

    class Second:
        there = True

        async def price_plans(self, token: str = "") -> Page:
            if not self.there:
                raise NotFound("no such API", status=404)
            return Page(list(plans.values()), "")

    second = Second()
    client = cast(TogaiApp, SimpleNamespace(v2=second))
    reader = ChangeReader(polled.memory.context(TOGAI, polled.clock, budget=polled.calls), INTERVAL, PLAN_V2_CHANGES)
    found = []
    states = [("pp.old", "ACTIVE", 1), ("pp.1", "DRAFT", 1), ("pp.1", "ACTIVE", 1), ("pp.1", "DRAFT", 2)]
    for name, status, version in [*states, ("pp.1", "ACTIVE", 2), ("pp.1", "ARCHIVED", 2)]:
        at = NOW - 500 if name == "pp.old" else polled.clock.now
        plans[name] = {"id": name, "status": status, "version": version, "updatedAt": moment(at)}
        polled.clock.now += INTERVAL
        before = len(polled.memory.events())
        for _ in range(2):
            await reader.poll_once(connection("togai"), client)
        found.append([(event["type"], event["subject"]) for event in polled.memory.events()[before:]])
    second.there = False

    assert found == [[], [], [("togai.price_plan.updated", "pp.1")], [], *[[("togai.price_plan.updated", "pp.1")]] * 2]
    assert await reader.poll_once(connection("togai"), client) == INTERVAL
