"""The poll of accounts' price plans, against an organization in memory: what becomes an event, and its cost."""

from __future__ import annotations

from typing import Any, cast

from shared.apps.togai.client import TogaiApp
from shared.apps.togai.readers.schedules import ScheduleReader
from shared.errors import NotFound
from shared.linking.index import Entity
from shared.linking.index import encode as encode_entity

from tests.fakes.polling import NOW, TOGAI, Clock, Memory, connection

INTERVAL = 60.0
FOREVER = "9999-01-01T00:00:00Z"


class Org:
    """Accounts and their schedules; whom it was asked about."""

    def __init__(self) -> None:
        self.schedules: dict[str, list[dict[str, Any]]] = {}
        self.asked: list[str] = []

    def attach(self, account: str, schedule: str, plan: str = "pp.1", until: str = FOREVER) -> None:
        row = {"id": schedule, "pricePlanId": plan, "startDate": "2026-09-01T00:00:00Z", "endDate": until}
        self.schedules.setdefault(account, []).append(row)

    async def pricing_schedules(self, account: str) -> list[dict[str, Any]]:
        self.asked.append(account)
        if account == "gone":
            raise NotFound("no such account", status=404)
        return self.schedules.get(account, [])


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
        self.changed: set[str] = set()
        self.live()

    def live(self) -> None:
        self.memory = Memory(self.memory)
        context = self.memory.context(TOGAI, self.clock, budget=self.calls)
        self.reader = ScheduleReader(context, INTERVAL, lambda: self.changed)

    async def account(self, *names: str, seq: int = 1) -> None:
        """The poll of the accounts has seen them, or a change of them."""
        for name in names:
            entity = Entity(ref=f"{TOGAI}/account/{name}", seq=seq)
            await self.memory.log.append(self.memory.topics.index, entity.ref, encode_entity(entity))

    async def poll(self, times: int = 1) -> list[str]:
        """Polls, an interval apart. Returns the subjects of the events that they appended."""
        before = len(self.memory.events())
        for _ in range(times):
            self.clock.now += INTERVAL
            await self.reader.poll_once(connection("togai"), cast(TogaiApp, self.org))
        return [event["subject"] for event in self.memory.events()[before:]]


async def test_what_was_attached_before_makes_no_event() -> None:
    """A plan that comes afterwards is found once, as an offer of it to the account."""
    polled = Polled()
    await polled.account("a", "b")
    polled.org.attach("a", "sch.old")
    before = await polled.poll()
    polled.org.attach("b", "sch.new")
    found = await polled.poll(3)

    assert (before, found) == ([], ["pp.1~b"])
    [event] = polled.memory.events()
    assert event["type"] == "togai.price_plan.attached"
    assert event["data"] == {"plan_id": "pp.1", "account_id": "b", "schedule_id": "sch.new", "since": "2026-09-01"}


async def test_a_new_version_of_the_same_plan_is_no_new_plan() -> None:
    """Nor is a schedule that has ended; another plan is one."""
    polled = Polled()
    await polled.account("a")
    polled.org.attach("a", "sch.1")
    await polled.poll()
    polled.org.attach("a", "sch.2")
    polled.org.attach("a", "sch.3", plan="pp.ended", until="2026-01-01T00:00:00Z")
    polled.org.attach("a", "sch.4", plan="pp.2")

    assert await polled.poll(2) == ["pp.2~a"]


async def test_another_process_goes_on() -> None:
    """What the last one appended does not come again, and the pass goes on where it was."""
    polled = Polled(most=4)
    await polled.account(*"abcdef")
    polled.org.attach("a", "sch.1")
    await polled.poll()
    polled.live()
    await polled.poll(2)
    polled.live()
    polled.org.attach("f", "sch.2")
    found = await polled.poll(3)
    polled.live()

    assert polled.org.asked[:6] == list("abcdef")
    assert (found, await polled.poll(3)) == (["pp.1~f"], [])


async def test_whoever_changed_is_asked_about_first() -> None:
    """A new account, and those whose plan changed; the pass over the others goes on beside them."""
    polled = Polled(most=4)
    await polled.account(*"abcdef")
    await polled.poll(3)
    polled.org.attach("e", "sch.e", plan="pp.9")
    await polled.poll(3)
    polled.org.asked.clear()
    await polled.account("z")
    await polled.poll()
    first = polled.org.asked[:]
    polled.clock.now += 4000
    polled.org.asked.clear()
    polled.changed = {"pp.9"}
    await polled.poll()

    assert first[0] == "z"
    assert len(first) == 2
    assert polled.org.asked[0] == "e"


async def test_an_account_that_is_gone_holds_up_nobody() -> None:
    """The poll of the accounts tells of it."""
    polled = Polled()
    await polled.account("gone", "z")
    await polled.poll()
    polled.org.attach("z", "sch.1")

    assert await polled.poll() == ["pp.1~z"]
