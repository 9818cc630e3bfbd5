"""Polls of Togai's lists, against an organization in memory: what becomes an event, and what it costs."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from ingress.polling.gate import PollGate
from shared.apps.togai.readers.lists import ListReader
from shared.apps.togai.webhooks import togai_event
from shared.domains import subject_of
from shared.errors import Unavailable
from shared.polls import epoch
from shared.settings import Settings

from tests.fakes.polling import NOW, TOGAI, Clock, FakeTogai, Memory, MemoryEventLog, connection

LONG_AGO = NOW - 1_000_000


class Org:
    """One organization and its poller; `live` makes another process of it."""

    def __init__(self, size: int = 100, quota: float = 1000.0, interval: float = 60.0) -> None:
        self.clock = Clock(LONG_AGO)
        self.togai = FakeTogai(self.clock, size)
        self.memory = Memory()
        self.interval = interval
        self.gate = PollGate(Settings(_env_file=None, togai_quota=quota))
        self.live()

    def live(self, left: int | None = None) -> None:
        """A new process over the records of the last one, which dies at an append."""
        self.memory = Memory(self.memory, left)
        self.event_log = MemoryEventLog(self.memory)
        self.lists = ListReader(self.memory.context(TOGAI, self.clock, self.event_log, self.gate), self.interval)

    async def report(self, account: str) -> None:
        """Togai's webhook of a new account, and the log is read to its end."""
        body, now = json.dumps({"accountId": account}).encode(), datetime.fromtimestamp(self.clock.now, UTC)
        known: Any = {"event_id": f"tgi_{account}", "now": now, "subject_of": subject_of}
        await self.memory.store.event(togai_event("account.created", body, connection("togai"), **known))
        await self.event_log.caught_up()

    async def connect(self) -> None:
        """The first pass, a long time after everything so far was made."""
        self.clock.now = NOW
        await self.poll()
        assert self.position("togai-accounts").complete

    async def poll(self, times: int = 1) -> int:
        """Polls, an interval apart. Returns the number of calls of the last one."""
        for _ in range(times):
            self.clock.now += self.interval
            before = len(self.togai.calls)
            await self.lists.poll_once(connection("togai"), self.togai)
        return len(self.togai.calls) - before

    def position(self, kind: Any) -> Any:
        return self.memory.store.polls.get(TOGAI, kind)

    def entity(self, noun: str, name: str) -> Any:
        return self.memory.store.index.get(f"{TOGAI}/{noun}/{name}")

    def appended(self) -> list[tuple[str, str]]:
        """Subjects and what happened to them."""
        return [(e["subject"], e["type"].rpartition(".")[2]) for e in self.memory.events()]


async def test_the_first_pass_fills_the_index_and_makes_no_events() -> None:
    """What was there before Tandem is not ours to create; addresses and states are known afterwards."""
    org = Org(size=10)
    for number in range(35):
        org.togai.add(f"c{number}", primaryEmail=f" C{number}@Example.test")
    org.togai.put("accounts", "a-c1", primaryEmail="own@example.test")
    org.togai.put("accounts", "a-c2", status="ARCHIVED")
    org.togai.put("customers", "c3", status="ARCHIVED")
    await org.connect()
    await org.poll(3)

    assert org.memory.events() == []
    assert org.entity("account", "a-c0").email == "c0@example.test"
    assert org.entity("account", "a-c0").parent == f"{TOGAI}/customer/c0"
    assert org.entity("account", "a-c1").email == "own@example.test"
    assert org.entity("account", "a-c2").state == "archived"
    assert org.entity("account", "a-c3").state == "archived"
    assert org.position("togai-accounts").seen == 35


async def test_an_account_of_a_customer_made_since_is_new_even_in_the_first_pass() -> None:
    """The connection was made, then the customer: its account is ours, whenever the poller gets to it."""
    org = Org()
    org.togai.add("old")
    org.clock.now = NOW
    org.togai.add("new")
    await org.poll()

    assert org.appended() == [("a-new", "created"), ("a-new", "updated")]


async def test_a_new_account_is_created_and_updated() -> None:
    """In this order, on one key, with its row and its customer's; nothing more comes of it."""
    org = Org()
    org.togai.add("old")
    await org.connect()
    org.togai.add("new")
    org.togai.put("accounts", "second", customerId="old", name="Second")
    await org.poll(3)

    assert sorted(org.appended()) == sorted((a, w) for a in ("a-new", "second") for w in ("created", "updated"))
    created, updated = org.memory.events("a-new")
    assert created["type"] == "togai.account.created"
    assert created["id"] == updated["id"] + "c"
    assert updated["origin"] == "poll"
    assert updated["aggregate"] == f"{TOGAI}/account/a-new"
    assert updated["data"]["account"]["customerId"] == updated["data"]["customer"]["id"] == "new"
    assert org.position("togai-accounts").found == 4
    began = [org.position(f"togai-{kind}").pass_began_at for kind in ("accounts", "customers")]
    assert [epoch(each) for each in began] == [org.clock.now] * 2


async def test_an_account_that_a_webhook_reported_is_created_all_the_same() -> None:
    """What that event started may have failed: Togai may not have shown the account yet."""
    org = Org()
    await org.connect()
    org.togai.add("new")
    await org.report("a-new")
    await org.poll(2)

    assert org.appended() == [("a-new", "created"), ("a-new", "created"), ("a-new", "updated")]


async def test_changes_become_events() -> None:
    """The account's own content, its archiving, and its customer's content, for each account of it."""
    org = Org()
    org.togai.add("c1", "a1", "a2")
    org.togai.add("c2", "a3")
    await org.connect()
    org.togai.put("accounts", "a3", netTermDays=45)
    await org.poll()
    org.togai.put("accounts", "a3", status="ARCHIVED")
    await org.poll()
    org.togai.put("customers", "c1", primaryEmail="new@example.test")
    await org.poll(2)

    assert sorted(org.appended()) == [("a1", "updated"), ("a2", "updated"), ("a3", "updated"), ("a3", "updated")]
    assert org.memory.events("a1")[0]["data"]["customer"]["primaryEmail"] == "new@example.test"
    assert org.entity("account", "a1").email == "new@example.test"
    assert org.entity("account", "a3").state == "archived"


async def test_a_new_time_alone_is_no_change() -> None:
    """`updatedAt` moved, nothing else did."""
    org = Org()
    org.togai.add("c1")
    await org.connect()
    org.togai.put("customers", "c1")
    await org.poll(2)

    assert org.memory.events() == []


async def test_back_and_forth_makes_events_of_their_own() -> None:
    """A, B and A again: the same content, and yet two different ids."""
    org = Org()
    org.togai.add("c1")
    await org.connect()
    for name in ("B", "A", "B", "A"):
        org.togai.put("accounts", "a-c1", name=name)
        await org.poll()

    assert len(set(org.memory.ids())) == len(org.memory.ids()) == 4


@pytest.mark.parametrize("by", ["accounts", "customers"])
async def test_an_account_is_created_when_it_leaves_the_archive(by: str) -> None:
    """Nothing is made for one in the archive. One that was there before Tandem stays as it is: it is not ours."""
    org = Org()
    org.togai.add("old")
    org.togai.put("accounts", "a-old", status="ARCHIVED")
    await org.connect()
    org.togai.add("new", "gone")
    place = "gone" if by == "accounts" else "new"
    org.togai.put(by, place, status="ARCHIVED")
    await org.poll(2)
    assert org.appended() == [("gone", "updated")]

    org.togai.put(by, place, status="ACTIVE")
    org.togai.put("accounts", "a-old", status="ACTIVE")
    await org.poll(2)
    assert sorted(org.appended()[1:]) == [("a-old", "updated"), ("gone", "created"), ("gone", "updated")]


async def test_an_account_that_is_gone_is_marked_after_it_was_asked_for() -> None:
    """No list shows it and Togai does not know it: one event, and the index tells that it is gone."""
    org = Org()
    org.togai.add("c1", "a1", "a2")
    await org.connect()
    del org.togai.rows["accounts"]["a2"]
    await org.poll(3)

    (event,) = org.memory.events()
    assert (event["subject"], event["type"]) == ("a2", "togai.account.updated")
    assert event["data"] == {"account": {"id": "a2", "customerId": "c1"}}
    assert org.entity("account", "a2").state == "deleted"


async def test_an_account_that_lists_do_not_show_is_not_gone() -> None:
    """A draft: it is asked for once an hour, and its state is an event once."""
    org = Org()
    org.togai.add("c1", "a1", "a2")
    await org.connect()
    org.togai.put("accounts", "a2", status="DRAFT")
    await org.poll(30)

    assert org.appended() == [("a2", "updated")]
    assert org.entity("account", "a2").state == "active"
    assert org.togai.calls.count("account") == 1


async def test_a_list_that_moves_while_it_is_read_loses_nobody() -> None:
    """Accounts that change while the pages are read jump to the front, behind the reader: nobody is taken for gone."""
    org = Org(size=5)
    for number in range(30):
        org.togai.add(f"c{number}")
    await org.connect()
    moves = iter(range(30))
    org.togai.during = lambda: org.togai.put("accounts", f"a-c{next(moves, 0)}", netTermDays=30)
    await org.poll()
    org.togai.during = lambda: None
    await org.poll(3)

    assert {org.entity("account", f"a-c{n}").state for n in range(30)} == {"active"}
    assert {name for name, _ in org.appended()} >= {f"a-c{n}" for n in range(5)}


async def test_a_row_that_is_none_is_stepped_over() -> None:
    """One broken row costs itself only."""
    org = Org()
    org.togai.add("c1", "a1", "a2")
    await org.connect()
    org.togai.rows["accounts"]["a1"]["customerId"] = None
    org.togai.put("accounts", "a2", name="new")
    await org.poll(2)

    assert org.appended() == [("a2", "updated")]


@pytest.mark.parametrize("size", [3, 100])
async def test_dead_at_any_append_leaves_no_gap(size: int) -> None:
    """Whatever the last confirmed record was, the next process ends with every event, and repeats ids only."""

    async def lives(die_at: int | None) -> tuple[list[str], bool]:
        org = Org(size)
        for number in range(4):
            org.togai.add(f"c{number}", f"a{number}", f"b{number}")
        org.live(die_at)
        finished = True
        try:
            await org.connect()
            org.togai.put("customers", "c1", name="changed")
            org.togai.put("accounts", "a2", name="changed")
            org.togai.add("new")
            await org.poll(2)
        except Unavailable:
            finished = False
            org.live()
            await org.connect()
            org.togai.put("customers", "c1", name="changed")
            org.togai.put("accounts", "a2", name="changed")
            if "new" not in org.togai.rows["customers"]:
                org.togai.add("new")
            await org.poll(2)
        return org.memory.ids(), finished

    whole, _ = await lives(None)
    assert len(whole) == 5
    die_at, finished = 1, False
    while not finished:
        ids, finished = await lives(die_at)
        assert set(ids) == set(whole), die_at
        die_at += 1
    assert die_at > 30
