"""Slices of an import are listed side by side: none is missed and none comes twice, whoever dies or is deleted."""

from __future__ import annotations

import asyncio
import random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ingress.imports import slices
from shared.apps.listing import Listed
from shared.apps.stripe.client import Page
from shared.events import envelope as envelopes
from shared.flows.imports import Slice

from tests.fakes.log import FakeLog
from tests.unit.ingress.test_importer import (
    REQUEST,
    TOPICS,
    Died,
    Dying,
    Vendor,
    events,
    importer,
    known,
    once,
)

AT_ONCE = 3


class Slow(Vendor):
    """A list whose answers come in any order; it counts the calls under way, and may lose a customer at each."""

    def __init__(self, count: int, seed: int, *, loses: bool = False) -> None:
        super().__init__(count)
        self.random = random.Random(seed)
        # Most of them within a few seconds, the others over a long time: slices are never equal.
        self.rows = {name: self.random.choice([1990, 1991, self.random.randrange(2000)]) for name in self.rows}
        self.loses = loses
        self.calls = self.under_way = self.most = 0
        self.lost: set[str] = set()

    async def page_of(self, path: str, *, created: tuple[int, int], after: str = "", also: object = None) -> Page:
        self.calls += 1
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            for _ in range(self.random.randrange(4)):
                await asyncio.sleep(0)
            if self.loses and self.random.random() < 0.3:
                gone = after if after in self.rows else self.random.choice(sorted(self.rows))
                self.lost.add(gone)
                self.rows.pop(gone)
            page = await super().page_of(path, created=created, after=after)
            for _ in range(self.random.randrange(4)):
                await asyncio.sleep(0)
            return page
        finally:
            self.under_way -= 1


@pytest.mark.parametrize("seed", range(20))
async def test_everybody_is_listed_once(seed: int) -> None:
    """And several calls are under way at the same time, but no more than were asked for."""
    vendor, log = Slow(40, seed), FakeLog()
    await importer(vendor, log, side_by_side=AT_ONCE).run()
    done = known(log).progress[REQUEST.id]

    assert sorted(events(log)) == sorted(vendor.rows)
    assert (done.state, done.listed, done.written) == ("listed", 40, 40)
    assert vendor.most == AT_ONCE


async def test_a_short_list_costs_one_call() -> None:
    """It is cut only when there is more of it."""
    vendor, log = Slow(2, 1), FakeLog()
    await importer(vendor, log, side_by_side=AT_ONCE).run()

    assert vendor.calls == 1


@pytest.mark.parametrize("after", [False, True], ids=["before the write", "after it"])
@pytest.mark.parametrize("at", range(1, 30))
async def test_whoever_goes_on_misses_nobody(at: int, after: bool) -> None:
    """At whichever write the process died: counts and events are those of one that did not."""
    vendor, log = Slow(16, at), Dying(at, after=after)
    try:
        await importer(vendor, log, side_by_side=AT_ONCE).run()
    except* Died:
        log.at = 0
        if not ((left := known(log).progress.get(REQUEST.id)) and left.ended):
            await importer(vendor, log, side_by_side=AT_ONCE).run()
    done = known(log).progress[REQUEST.id]
    ids = {envelopes.decode(r.value).id for r in log.written if r.topic == TOPICS.replay("customer")}

    assert set(events(log)) == set(vendor.rows)
    assert (done.state, done.listed, len(ids)) == ("listed", 16, 16)


@pytest.mark.parametrize("seed", range(30))
async def test_who_is_deleted_meanwhile_hides_no_other(seed: int) -> None:
    """The cursor's own too; nobody comes twice."""
    vendor, log = Slow(30, seed, loses=True), FakeLog()
    await importer(vendor, log, side_by_side=AT_ONCE).run()

    assert set(vendor.rows) <= set(events(log)) <= set(vendor.rows) | vendor.lost
    assert len(events(log)) == len(set(events(log)))
    assert known(log).progress[REQUEST.id].listed == len(events(log))


async def test_a_pause_ends_the_pages_in_hand_and_keeps_every_slice() -> None:
    """It goes on where each was."""
    vendor, log = Slow(40, 3), FakeLog()
    asked = iter(["run"] * 4)
    await importer(vendor, log, wanted=lambda: next(asked, "pause"), side_by_side=AT_ONCE).run()
    paused = known(log).progress[REQUEST.id]
    await importer(vendor, log, side_by_side=AT_ONCE).run()

    assert paused.state == "paused"
    assert len(paused.slices) > 1
    assert sorted(events(log)) == sorted(vendor.rows)


async def test_ids_are_one_slice() -> None:
    """And so is a list that tells no times."""
    vendor, log = Slow(6, 1), FakeLog()
    request = msgspec.structs.replace(REQUEST, ids=["cus_1", "cus_2"])
    await importer(vendor, log, request, wanted=once(), side_by_side=AT_ONCE).run()

    assert (sorted(events(log)), vendor.calls) == (["cus_1", "cus_2"], 0)


SLICES = st.builds(
    lambda begin, more, reached, span: Slice(
        begin=begin, end=begin + more, reached=max(begin, begin + more - reached), cursor="c", span=span
    ),
    st.integers(0, 50),
    st.integers(1, 60),
    st.integers(1, 60),
    st.integers(0, 20),
)


@given(st.lists(SLICES, min_size=1, max_size=4))
def test_a_cut_covers_the_same_seconds(parts: list[Slice]) -> None:
    """No second is in both halves, and the one that a page ended in stays where its edge is known."""
    found = slices.cut(parts, range(len(parts)))
    if found is None:
        return
    index = next(place for place, part in enumerate(parts) if found[place] != part)
    newer, older = found[index], found[-1]

    assert (older.begin, older.end, newer.end) == (parts[index].begin, newer.begin, parts[index].end)
    assert older.begin < older.end <= newer.reached


def test_a_page_that_ends_in_the_same_second_adds_to_its_edge() -> None:
    """Whoever was written in it is not written again."""
    part = slices.after_page(Slice(begin=0, end=9), [Listed("a", 8), Listed("b", 7)], 2, "b")
    part = slices.after_page(part, [Listed("c", 7), Listed("d", 7)], 2, "d")

    assert (part.reached, part.edge, part.listed, part.done) == (7, ["b", "c", "d"], 4, False)
