"""Three hundred runs that an outage, a spell of 429s or a quota keeps: they go on within a minute after its end, and
make next to no call before. On a clock that jumps from one timer to the next.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable

import pytest
from shared.errors import QuotaUsed, RateLimited, SyncError, Unavailable
from shared.flows.runs import Run
from shared.retries import PROBE_EVERY
from shared.runtime.outages import Outages
from shared.runtime.pool import Pool, Work
from shared.runtime.records import work_of

from tests.contract.clients.test_gate import JumpingLoop
from tests.integration.runtime.harness import STRIPE, Harness, event

CALL = ("con_t", "customers.post")
MANY = 300
HOUR = 3600.0


class World:
    """A worker's pool and processor, and a vendor whose answer a test sets. Time is in seconds since the begin."""

    def __init__(self, loop: JumpingLoop) -> None:
        self.loop, self.began = loop, loop.time()
        self.harness = Harness(delay_scale="1", in_place_limit=0.001, bugs_in_a_row=1)
        self.harness.clients.outages = self.outages = Outages(loop.time)
        self.harness.now = 0.0
        self.harness.processor._clock = lambda: self.now
        self.error: Callable[[str], SyncError | None] = lambda subject: None
        self.calls: list[float] = []
        self.needed = True
        self.succeeded: list[str] = []
        self.subject = ""
        self.pool = Pool(
            self.handle,
            pause=lambda partition: None,
            resume=lambda partition: None,
            on_fatal=self.fatal,
            flush=lambda: asyncio.sleep(0),
            clock=lambda: self.now,
        )
        self.outages.on_answer.append(self.pool.answered)
        self.harness.answer = self.answer
        self.read = 0

    @property
    def now(self) -> float:
        return self.loop.time() - self.began

    def fatal(self, error: BaseException) -> None:
        raise error

    def answer(self) -> SyncError | None:
        if not self.needed:
            self.succeeded.append(self.subject)
            return None
        self.calls.append(self.now)
        self.outages.called(*CALL)
        if error := self.error(self.subject):
            return error
        self.outages.answered(*CALL)
        self.succeeded.append(self.subject)
        return None

    async def handle(self, work: Work) -> None:
        self.subject = work.aggregate
        await self.harness.processor.handle(work)
        written, self.read = self.harness.log.written[self.read :], len(self.harness.log.written)
        for offset, record in enumerate(written, self.read):
            if ".delay." in record.topic:
                self.submit(record.topic, offset, record.key, record.value, record.headers)

    def submit(self, topic: str, offset: int, key: str, value: bytes, headers: dict[str, bytes]) -> None:
        self.pool.submit(work_of((topic, 0), offset, key.encode(), value, headers, lambda: None, self.now))

    async def events(self, count: int) -> None:
        """One of each of so many customers, a second apart."""
        for number in range(count):
            value = event(f"evt_{number}", aggregate=f"{STRIPE}/customer/cus_{number}")
            self.pool.submit(self.harness.work(value))
            await asyncio.sleep(1)

    def runs(self) -> dict[str, Run]:
        return {run.event: run for run in self.harness.runs()}


ERRORS = {
    "outage": lambda _: Unavailable("Togai: 503"),
    "429": lambda _: RateLimited("Togai: 429"),
    "quota": lambda _: QuotaUsed("con_t", "The quota of 100 customers is used up"),
}


@pytest.mark.parametrize("kind", ERRORS)
@pytest.mark.parametrize("lasts", [600.0, HOUR])
def test_what_was_parked_goes_on_within_a_minute(kind: str, lasts: float) -> None:
    """The oldest first; while it lasts one of them looks, and nothing is given up on."""
    loop = JumpingLoop()

    async def scene() -> World:
        world = World(loop)
        world.error = ERRORS[kind]
        await world.events(MANY)
        await asyncio.sleep(lasts - world.now)
        world.error = lambda _: None
        # Whoever makes the first one reports that the vendor lets more stand.
        world.outages.on_answer.append(lambda _: world.pool.opened("con_t"))
        await asyncio.sleep(60)
        return world

    world = loop.run_until_complete(scene())
    loop.close()
    before = [at for at in world.calls if at < lasts]

    assert {run.state for run in world.runs().values()} == {"succeeded"}
    assert len(world.runs()) == len(world.succeeded) == MANY
    assert len(before) <= MANY + math.ceil(lasts / PROBE_EVERY)
    assert [run.started_at for run in world.runs().values()] == sorted(run.started_at for run in world.runs().values())


def test_who_ends_without_the_call_lets_the_others_go_on_too() -> None:
    """Both sides are equal by now, say: nobody makes the call that failed, so its success tells nobody."""
    loop = JumpingLoop()

    async def scene() -> World:
        world = World(loop)
        world.error = ERRORS["outage"]
        await world.events(MANY)
        world.needed = False
        await asyncio.sleep(3 * PROBE_EVERY)
        return world

    world = loop.run_until_complete(scene())
    loop.close()

    assert {run.state for run in world.runs().values()} == {"succeeded"}


def test_who_fails_alone_is_tried_at_the_ladders_pace() -> None:
    """The vendor answers everybody else: that is no outage, and nobody wakes for it."""
    loop = JumpingLoop()

    async def scene() -> World:
        world = World(loop)
        world.error = lambda subject: Unavailable("Togai: 500") if subject.endswith("cus_7") else None
        for _ in range(20):
            await world.events(180)
        return world

    world = loop.run_until_complete(scene())
    loop.close()

    assert world.runs()["evt_7"].state == "parked"
    assert world.runs()["evt_7"].failures <= 4


def test_who_fails_alone_where_nobody_else_calls_is_given_up_on_after_a_day() -> None:
    """It looks oftener than the ladder says, which makes it no more hopeless."""
    loop = JumpingLoop()

    async def scene() -> World:
        world = World(loop)
        world.error = ERRORS["outage"]
        await world.events(1)
        await asyncio.sleep(23 * HOUR)
        assert world.runs()["evt_0"].state == "parked"
        await asyncio.sleep(4 * HOUR)
        return world

    world = loop.run_until_complete(scene())
    loop.close()

    assert world.runs()["evt_0"].state == "dead"
