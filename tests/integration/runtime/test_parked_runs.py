"""What waits and what another replaced: on the right topic, with all that is needed to go on."""

from __future__ import annotations

import asyncio

import pytest
from shared.connections import FlowLink
from shared.errors import Blocked, Conflict, KeyRefused, Malformed, SyncError, Unavailable, Waiting
from shared.events import envelope as envelopes
from shared.flows import runs
from shared.linking import index
from shared.linking.index import Entity
from shared.ratelimit.lanes import LANES, Lane, WorkPriority
from shared.retries import LAST_PARKING
from shared.runtime.known import Known
from shared.runtime.records import PARKED_HEADER, work_of

from tests.integration.runtime.harness import LINK, TOGAI, Harness, event


async def test_a_failing_run_climbs_the_ladder() -> None:
    """1 min, 10 min, then every hour, with the event, the run and when it is due; its record comes first."""
    harness = Harness(in_place_limit=0.001)
    harness.answer = lambda: Unavailable("away", code="503")
    value = event()
    await harness.handle(value)
    for _ in range(3):
        topic, parked = harness.parked()[-1]
        harness.now = parked.due + 1
        await harness.handle(value, parked=runs.encode(parked), topic=f"customer.delay.{topic}")
    found = harness.parked()

    assert [topic for topic, _ in found] == ["1m", "10m", "1h", "1h"]
    assert [parked.run.parked for _, parked in found] == [1, 2, 3, 4]
    assert all(parked.run.state == "parked" and not parked.checked_at for _, parked in found)
    assert [snapshot_used for _, snapshot_used in harness.called] == [True, False, False, False]
    record, waiting = harness.log.written[-2:]
    assert (record.topic, waiting.topic) == (harness.topics.runs, harness.topics.delay("customer", "1h"))
    assert (waiting.key, waiting.value) == (value.aggregate, envelopes.encode(value))
    assert runs.decode_run(record.value).next_attempt_at


async def test_a_run_that_only_fails_is_given_up_after_a_day() -> None:
    """Marked as worth trying again."""
    harness = Harness(in_place_limit=0.001)
    harness.answer = lambda: Unavailable("away")
    await harness.handle(event())
    while not harness.letters():
        topic, parked = harness.parked()[-1]
        harness.now = parked.due + 1
        await harness.handle(event(), parked=runs.encode(parked), topic=f"customer.delay.{topic}")

    (letter,) = harness.letters()
    assert letter.problem.retryable
    assert letter.run
    assert [step.state for step in letter.run.steps] == ["failed"]
    assert len(harness.parked()) == 26


async def test_waiting_for_weeks_is_no_failure() -> None:
    """The first failure after it is tried again in a minute, and only a day of failures in a row makes a dead letter.

    Whoever tries it again gives it another day.
    """
    harness = Harness(in_place_limit=0.001)
    harness.answer = lambda: Waiting("the account has no e-mail address")
    await harness.handle(event())

    async def go_on(times: int) -> None:
        for _ in range(times):
            topic, parked = harness.parked()[-1]
            harness.now = parked.due + 1
            await harness.handle(
                event(), parked=runs.encode(parked), topic=f"customer.delay.{topic}", known=Known.CHANGED
            )

    await go_on(30)
    harness.answer = lambda: Unavailable("away")
    await go_on(1)
    assert harness.parked()[-1][0] == "1m"
    assert harness.letters() == []

    await go_on(26)
    (letter,) = harness.letters()
    assert letter.run
    await harness.handle(event(), parked=runs.encode(runs.Parked(run=letter.run, due=0)), topic="customer.replay")
    assert harness.runs()[-1].state == "parked"
    assert harness.parked()[-1][0] == "1m"


async def test_a_waiting_run_is_checked_only_if_there_was_news() -> None:
    """Due without news it is parked again without a call; woken by an event of its aggregate it looks."""
    harness = Harness()
    harness.answer = lambda: Waiting("the account has no e-mail address")
    await harness.handle(event())
    _, parked = harness.parked()[-1]
    harness.now, looks = parked.due + 1, len(harness.called)
    await harness.handle(event(), parked=runs.encode(parked), due=parked.due)
    assert len(harness.called) == looks

    _, again = harness.parked()[-1]
    assert again.checked_at == parked.checked_at
    harness.answer = lambda: None
    await harness.handle(event(), parked=runs.encode(again), due=again.due, known=Known.CHANGED)
    assert harness.runs()[-1].state == "succeeded"


async def test_a_conflict_shows_the_candidates_of_now() -> None:
    """A further one that the index brings later wakes the run, and stands in its record; a decision ends the watch."""
    harness, woken = Harness(), list[str]()
    harness.watch.on_news.append(woken.append)
    harness.answer = lambda: Conflict("several", candidates=shown())

    def shown() -> tuple[str, ...]:
        return tuple(entity.ref for entity in harness.registry.index.with_email(TOGAI, "a@x.test"))

    def indexed(account: str) -> None:
        entity = Entity(ref=f"{TOGAI}/account/{account}", email="a@x.test")
        harness.registry.folds(harness.topics)[harness.topics.index](0, entity.ref, index.encode(entity))

    indexed("one")
    harness.now += 1
    await harness.handle(event())
    assert (woken, harness.runs()[-1].problem.candidates) == ([], [*shown()])  # type: ignore[union-attr]

    indexed("two")
    assert woken == [event().aggregate]
    _, parked = harness.parked()[-1]
    await harness.handle(event(), parked=runs.encode(parked), known=Known.CHANGED)
    assert harness.runs()[-1].problem.candidates == [*shown()]  # type: ignore[union-attr]
    assert len(shown()) == 2

    harness.answer = lambda: None
    _, parked = harness.parked()[-1]
    await harness.handle(event(), parked=runs.encode(parked), known=Known.CHANGED)
    woken.clear()
    indexed("three")
    assert (harness.runs()[-1].state, woken) == ("succeeded", [])


async def test_what_a_parked_run_did_is_news_to_others_of_its_entity() -> None:
    """No event tells of it. What an event started is none: that event has woken them."""
    harness, woken = Harness(), list[str]()
    harness.watch.on_news.append(woken.append)
    harness.answer = lambda: Waiting("Stripe has no card")
    await harness.handle(event())
    _, parked = harness.parked()[-1]
    await harness.handle(event(), parked=runs.encode(parked), known=Known.CHANGED)
    waits = list(woken)
    harness.answer = lambda: None
    _, parked = harness.parked()[-1]
    await harness.handle(event(), parked=runs.encode(parked), known=Known.CHANGED)
    await harness.handle(event("evt_2"))

    assert (waits, woken) == ([], [event().aggregate])


async def test_a_run_does_not_wait_on_what_an_event_showed() -> None:
    """The news may have come before the event did: before it waits, a run looks once at the present state."""
    harness = Harness()
    answers: list[BaseException | None] = [Waiting("the snapshot has no e-mail address"), None]
    harness.answer = lambda: answers.pop(0)
    await harness.handle(event())

    assert harness.called[:2] == [("create", True), ("create", False)]
    assert harness.runs()[-1].state == "succeeded"
    assert harness.parked() == []


@pytest.mark.parametrize("lane", LANES)
async def test_a_parked_run_keeps_its_lane(lane: Lane) -> None:
    """Through every parking, and although a live event behind it made it live for a while."""
    harness = Harness(in_place_limit=0.001)
    harness.answer = lambda: Unavailable("away")
    work = harness.work(event(), lane=WorkPriority(lane))
    work.lane.promote()
    await harness.processor.handle(work)
    topic, parked = harness.parked()[-1]
    partition = (harness.topics.delay("customer", topic), 2)  # type: ignore[arg-type]
    again = work_of(partition, 1, b"k", work.value, {PARKED_HEADER: runs.encode(parked)}, lambda: None)
    await harness.processor.handle(again)

    assert again.lane.lane == lane
    assert [parked.lane for _, parked in harness.parked()] == [lane, lane]


async def test_events_that_another_stood_for_end_as_superseded() -> None:
    """Each has its run, which says by whom."""
    harness = Harness()
    last = harness.work(event("evt_3"))
    last.folded, last.known = [harness.work(event("evt_1")), harness.work(event("evt_2"))], Known.CHANGED
    await harness.processor.handle(last)
    ended = {run.event: run for run in harness.runs() if run.state in runs.TERMINAL_STATES}

    assert harness.called == [("create", False), ("write", False)]
    assert {name: run.state for name, run in ended.items()} == {
        "evt_1": "superseded",
        "evt_2": "superseded",
        "evt_3": "succeeded",
    }
    assert (ended["evt_1"].superseded_by, ended["evt_1"].flow_link) == ("evt_3", LINK.id)


async def test_an_unreadable_event_that_another_replaced_becomes_a_dead_letter() -> None:
    """Not the good one that replaced it, and none of the others goes without a trace."""
    harness = Harness()
    last = harness.work(event("evt_3"))
    last.folded = [harness.work(event("evt_1")), harness.work(b'{"type": "stripe.customer.created"}')]
    last.folded.append(harness.work(event("evt_2")))
    await harness.processor.handle(last)
    ended = {run.event: run.state for run in harness.runs() if run.state in runs.TERMINAL_STATES}

    assert [letter.value for letter in harness.letters()] == [b'{"type": "stripe.customer.created"}']
    assert ended == {"evt_1": "superseded", "evt_2": "superseded", "evt_3": "succeeded"}


async def test_a_parked_run_whose_link_was_switched_off_waits_until_it_is_on() -> None:
    """Nothing is called for it meanwhile, and the reason says what it waits for."""
    harness = Harness(in_place_limit=0.001)
    harness.answer = lambda: Waiting("no e-mail address")
    await harness.handle(event())
    on = harness.registry.links[LINK.id]
    harness.registry.links[LINK.id] = FlowLink(id=LINK.id, flow=LINK.flow, connections=LINK.connections, enabled=False)
    calls = len(harness.called)
    await harness.handle(event(), parked=runs.encode(harness.parked()[-1][1]), known=Known.CHANGED)
    held = harness.runs()[-1]
    harness.registry.links[LINK.id], harness.answer = on, lambda: None
    await harness.handle(event(), parked=runs.encode(harness.parked()[-1][1]))

    assert held.problem
    assert (held.state, held.problem.blocker) == ("parked", LINK.id)
    assert "is off" in held.reason
    assert harness.runs()[-1].state == "succeeded"
    assert calls < len(harness.called)


async def test_an_event_that_comes_while_its_link_is_off_is_missed() -> None:
    """It is recorded under the flow link, so that it can be counted and replayed."""
    harness = Harness()
    harness.registry.links[LINK.id] = FlowLink(id=LINK.id, flow=LINK.flow, connections=LINK.connections, enabled=False)
    await harness.handle(event())

    [run] = harness.runs()
    assert (run.state, run.flow_link, run.flow) == ("missed", LINK.id, LINK.flow)
    assert harness.called == []


async def test_copies_of_one_parked_run_become_one_again() -> None:
    """Each death between a parking and its acknowledgement leaves one more."""
    harness = Harness()
    harness.answer = lambda: Waiting("the account has no e-mail address")
    for _ in range(3):
        await harness.handle(event(), offset=7)
    copies = harness.parked()
    for turn in range(1, 4):
        before, looks = len(harness.parked()), len(harness.called)
        harness.now += 2 * 86400
        for topic, parked in copies:
            await harness.handle(
                event(), parked=runs.encode(parked), topic=f"customer.delay.{topic}", known=Known.CHANGED
            )
        copies = harness.parked()[before:]
        assert (len(copies), len(harness.called) - looks) == (1, 1), turn

    _, last = copies[0]
    harness.processor.on_partitions_assigned()
    await harness.handle(event(), parked=runs.encode(last), topic="customer.delay.1h", known=Known.CHANGED)
    await harness.handle(event(), parked=runs.encode(last), topic="customer.replay", known=Known.CHANGED)
    assert len(harness.called) - looks == 3


async def test_a_copy_that_was_cut_off_is_worked_on_again() -> None:
    """Only a later copy that stands in the log, or the run's end, makes it needless."""
    harness = Harness()
    harness.answer = lambda: Waiting("the account has no e-mail address")
    await harness.handle(event())
    topic, parked = harness.parked()[-1]
    harness.answer = asyncio.CancelledError
    with pytest.raises(asyncio.CancelledError):
        await harness.handle(event(), parked=runs.encode(parked), topic=f"customer.delay.{topic}", known=Known.CHANGED)
    looks, harness.answer = len(harness.called), lambda: None
    await harness.handle(event(), parked=runs.encode(parked), topic=f"customer.delay.{topic}", known=Known.CHANGED)
    assert len(harness.called) > looks
    assert harness.runs()[-1].state == "succeeded"


async def test_no_copy_of_a_run_that_ended_is_worked_on() -> None:
    """Whichever copy ended it. A new assignment forgets: another worker may have got news that this one did not."""
    harness = Harness()
    harness.answer = lambda: Waiting("the account has no e-mail address")
    for _ in range(3):
        await harness.handle(event(), offset=7)
    copies, harness.answer = harness.parked(), lambda: None
    for topic, parked in reversed(copies):
        await harness.handle(event(), parked=runs.encode(parked), topic=f"customer.delay.{topic}", known=Known.CHANGED)
    ended, looks = harness.runs()[-1], len(harness.called)
    assert [run.state for run in harness.runs()].count("succeeded") == 1

    harness.processor.on_partitions_assigned()
    topic, parked = copies[0]
    await harness.handle(event(), parked=runs.encode(parked), topic=f"customer.delay.{topic}", known=Known.CHANGED)
    assert len(harness.called) > looks
    assert harness.runs()[-1].id == ended.id


async def test_a_dead_lettered_run_that_is_tried_again_may_be_parked_again() -> None:
    """It ended once; what a person restarts goes on until it ends again."""
    harness = Harness(in_place_limit=0.001)
    harness.answer = lambda: Malformed("no such field")
    await harness.handle(event())
    (letter,) = harness.letters()
    assert letter.run
    harness.answer = lambda: Unavailable("away")
    again = runs.Parked(run=letter.run, due=0.0)
    await harness.handle(event(), parked=runs.encode(again), topic="customer.replay")
    topic, parked = harness.parked()[-1]
    harness.answer = lambda: None
    await harness.handle(event(), parked=runs.encode(parked), topic=f"customer.delay.{topic}")
    assert harness.runs()[-1].state == "succeeded"


@pytest.mark.parametrize(
    ("error", "reported"),
    [
        (Blocked("con_t", "its api_base is not what its secrets were sealed for"), ""),
        (Blocked("con_t", "Togai: quota of customers", operation="customers.post", fingerprint="f"), "customers.post"),
        (KeyRefused("401", connection="con_t", fingerprint="f"), ""),
    ],
)
async def test_what_only_a_change_of_the_connection_mends_waits_as_long_as_it_takes(
    error: SyncError, reported: str
) -> None:
    """Parked at once, tried again at the slowest pace, never given up on, and it says which connection."""
    harness = Harness()
    harness.answer = lambda: error
    await harness.handle(event())
    for _ in range(LAST_PARKING + 2):
        topic, parked = harness.parked()[-1]
        await harness.handle(event(), parked=runs.encode(parked), topic=f"customer.delay.{topic}")

    topic, parked = harness.parked()[-1]
    assert (topic, bool(parked.checked_at), harness.letters()) == ("1h", False, [])
    assert len(harness.called) == len(harness.parked())
    assert harness.clients.refused == [reported] * len(harness.called)
    assert parked.run.problem
    kept = "Blocked" if isinstance(error, Blocked) else "ConnectionClosed"
    assert (parked.run.problem.error, parked.run.problem.connection) == (kept, "con_t")
