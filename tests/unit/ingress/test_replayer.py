"""A replay: which events are sent again, once for whom, and nothing lost or doubled whatever dies."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import msgspec
import pytest
from ingress.replays.reader import Page
from ingress.replays.replayer import Replayer
from shared.connections import Connection, FlowLink
from shared.errors import Unavailable
from shared.events import envelope as envelopes
from shared.events.envelope import Envelope
from shared.events.topics import Topics
from shared.flows.asked import Wanted
from shared.flows.replays import ReplayProgress, ReplayRequest, Replays
from shared.kafka.log import Headers, Log, Place
from shared.runtime.registry import Registry
from shared.settings import Settings

from tests.fakes.log import FakeLog
from tests.integration.runtime.harness import event

TOPICS = Topics(Settings(_env_file=None))
OUT, BACK, PAID = "link_changes", "link_stripe", "link_checkout"
LINKS = {OUT: "togai-account-changes", BACK: "stripe-customer-changes", PAID: "stripe-checkout-to-togai-plan"}
STRIPE, TOGAI = "stripe:test:acct_1", "togai:test:org_1"


def registry() -> Registry:
    """Two connections, and a flow link of each flow."""
    found = Registry()
    for name, account in (("s", STRIPE), ("t", TOGAI)):
        app = account.partition(":")[0]
        made = Connection(id=name, app=app, app_account=account, mode="test", api_base="", sealed="")
        found.connections[name] = made
    for name, flow in LINKS.items():
        found.links[name] = FlowLink(id=name, flow=flow, connections={"stripe": "s", "togai": "t"})
    return found


def customer(number: int, **changes: Any) -> Envelope:
    """A change of a Stripe customer."""
    entity = f"cus_{number}"
    given = {"type": "stripe.customer.updated", "appaccount": STRIPE, "aggregate": f"{STRIPE}/customer/{entity}"}
    return event(**(given | {"subject": entity} | changes))


@dataclass
class Kept:
    """A topic of two partitions that can be away for a while; `read` counts pages."""

    events: list[list[Envelope | None]]
    away: int = 0
    read_pages: int = 0
    page: int = 2
    asked: list[tuple[int, int]] = field(default_factory=list)

    @asynccontextmanager
    async def __call__(self) -> AsyncIterator[Kept]:
        if self.away:
            self.away -= 1
            raise Unavailable("Kafka does not answer")
        yield self

    async def bounds(self, topic: str, since: int, until: int) -> dict[int, tuple[int, int]]:
        assert topic in (TOPICS.events("customer"), TOPICS.events("plan"))
        self.asked.append((since, until))
        return {number: (0, len(events)) for number, events in enumerate(self.events)}

    async def read(self, topic: str, partition: int, begin: int, end: int) -> Page:
        self.read_pages += 1
        found = self.events[partition][begin : min(begin + self.page, end)]
        return Page([envelopes.encode(each) if each else b"{" for each in found], begin + len(found))


class Died(BaseException):
    """The process is gone."""


class Dying(FakeLog):
    """A log whose process dies at the `at`-th append, before or after it."""

    def __init__(self, at: int = -1, after: bool = False) -> None:
        super().__init__()
        self._left = at
        self._after = after

    async def append(
        self, topic: str, key: str, value: bytes | None, *, headers: Headers = (), deadline: float | None = None
    ) -> Place:
        self._left -= 1
        if self._left == 0 and not self._after:
            raise Died
        place = await super().append(topic, key, value, headers=headers, deadline=deadline)
        if self._left == 0:
            raise Died
        return place


def request(**changes: Any) -> ReplayRequest:
    """Everything of customers, for both flow links."""
    given: dict[str, Any] = {"id": "rpl_1", "noun": "customer", "flow_links": [OUT, BACK]}
    return ReplayRequest(**(given | {"requested_at": "", "since": 1, "until": 9} | changes))


def replayer(
    kept: Kept, log: FakeLog, asked: ReplayRequest, progress: ReplayProgress | None = None, wanted: Wanted = "run"
) -> Replayer:
    return Replayer(asked, progress, kept, registry(), cast(Log, log), TOPICS, lambda: wanted, again_after=0)


def sent(log: FakeLog, noun: str = "customer") -> list[Envelope]:
    """What stands on the replay topic."""
    return [envelopes.decode(record.value) for record in log.on(TOPICS.replay(noun))]


def state(log: FakeLog) -> ReplayProgress:
    """What the log says of the replay."""
    known = Replays()
    for record in log.on(TOPICS.replays):
        known.apply(0, record.key, record.value)
    return known.progress["rpl_1"]


async def test_an_entity_is_named_once_for_each_flow_link_that_its_event_starts() -> None:
    """Whatever it was that changed: what counts is what both sides are now."""
    log = FakeLog()
    account = customer(
        9, type="togai.account.updated", appaccount=TOGAI, subject="acc_9", aggregate=f"{TOGAI}/account/acc_9"
    )
    kept = Kept([[customer(1), customer(1, id="evt_2"), customer(2)], [account]])
    await replayer(kept, log, request()).run()

    found = {(one.subject, one.flowlink, one.connection, one.origin, one.cause) for one in sent(log)}
    assert found == {
        ("cus_1", BACK, "s", "replay", "rpl_1"),
        ("cus_2", BACK, "s", "replay", "rpl_1"),
        ("acc_9", OUT, "t", "replay", "rpl_1"),
    }
    assert len(sent(log)) == len(found)
    assert (state(log).state, state(log).read, state(log).written) == ("listed", 4, 3)
    assert kept.asked == [(1, 9)]


async def test_an_event_that_tells_more_is_sent_as_it_came() -> None:
    """A checkout holds facts of its own: each is sent, with its body."""
    body = msgspec.Raw(b'{"data": {"object": {"object": "checkout.session", "id": "cs_1", "payment_status": "paid"}}}')
    paid = customer(1, type="stripe.checkout.session.completed", aggregate=f"{STRIPE}/checkout.session/cs_1")
    events = [msgspec.structs.replace(paid, id=name, data=body) for name in ("evt_1", "evt_2")]
    log = FakeLog()
    await replayer(Kept([[*events], []]), log, request(noun="plan", flow_links=[PAID])).run()

    assert [(one.id, bytes(one.data)) for one in sent(log, "plan")] == [
        ("rpl_1-evt_1", bytes(body)),
        ("rpl_1-evt_2", bytes(body)),
    ]


@pytest.mark.parametrize(
    ("changes", "subjects"),
    [
        ({}, {"cus_1", "cus_2"}),
        ({"entities": ["cus_2"]}, {"cus_2"}),
        ({"types": ["togai.account.updated"]}, set()),
        ({"flow_links": [OUT]}, set()),
        ({"flow_links": ["link_removed"]}, set()),
    ],
)
async def test_what_was_not_asked_for_is_not_sent(changes: dict[str, Any], subjects: set[str]) -> None:
    """Nor what was refused, happened at another account, starts no flow, or is no event at all."""
    others = [
        customer(3, refused="wrong_mode"), customer(4, appaccount="stripe:test:acct_2"),
        customer(5, type="tandem.recheck.requested"), customer(6, type="togai.account.link_requested"), None,
    ]  # fmt: skip
    log = FakeLog()
    await replayer(Kept([[customer(1), *others], [customer(2)]]), log, request(**changes)).run()

    assert {one.subject for one in sent(log)} == subjects
    assert state(log).read == 7


async def test_a_dry_run_marks_each_event() -> None:
    """Whoever handles it writes nothing then."""
    log = FakeLog()
    await replayer(Kept([[customer(1)], []]), log, request(dry_run=True)).run()

    assert [one.dryrun for one in sent(log)] == [True]


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("at", range(1, 12))
async def test_whatever_write_it_dies_at_nothing_is_lost_or_new(at: int, after: bool) -> None:
    """The next one goes on from what the log says; an event that is sent twice has the same id."""
    kept = Kept([[customer(n) for n in range(5)], [customer(n) for n in range(5, 8)]])
    log = Dying(at, after)
    try:
        await replayer(kept, log, request()).run()
    except Died:
        known = Replays()
        for record in log.on(TOPICS.replays):
            known.apply(0, record.key, record.value)
        await replayer(kept, log, request(), known.progress.get("rpl_1")).run()

    assert {one.id for one in sent(log)} == {f"rpl_1-stripe.customer.updated-cus_{n}" for n in range(8)}
    assert (state(log).state, state(log).written) == ("listed", 8)


async def test_a_kafka_that_is_away_holds_it_up() -> None:
    """It says so, goes on by itself, and says nothing of it afterwards."""
    log = FakeLog()
    await replayer(Kept([[customer(1)], []], away=2), log, request()).run()

    problems = [msgspec.json.decode(record.value or b"{}").get("problem", "") for record in log.on(TOPICS.replays)]
    assert problems[0] == "Kafka does not answer"
    assert (state(log).state, state(log).problem, len(sent(log))) == ("listed", "", 1)


@pytest.mark.parametrize(("wanted", "ends"), [("pause", "paused"), ("cancel", "cancelled")])
async def test_a_person_stops_it(wanted: Wanted, ends: str) -> None:
    """After the page in hand; a paused one goes on from there."""
    log, kept = FakeLog(), Kept([[customer(n) for n in range(5)], []])
    await replayer(kept, log, request(), wanted=wanted).run()
    stopped = state(log)
    await replayer(kept, log, request(), stopped).run()

    assert stopped.state == ends
    assert len(sent(log)) == 5
