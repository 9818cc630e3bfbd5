"""What waits and what another stood for: on the right topic, with all that is needed to go on."""

from __future__ import annotations

import asyncio

import pytest
from shared.connections import FlowLink
from shared.errors import Blocked, Conflict, KeyRefused, Malformed, SyncError, Unavailable, Waiting
from shared.events import envelope as envelopes
from shared.flows import runs
from shared.flows.retries import LAST_PARKING
from shared.linking import index
from shared.linking.index import Entity
from shared.ratelimit.lanes import LANES, Lane, WorkPriority
from shared.runtime.records import PARKED_HEADER, work_of

from tests.integration.runtime.bench import LINK, TOGAI, Bench, event


async def test_a_failing_run_climbs_the_ladder() -> None:
    """1 min, 10 min, then every hour, with the event, the run and when it is due; its record comes first."""
    bench = Bench(in_place_limit=0.001)
    bench.answer = lambda: Unavailable("away", code="503")
    value = event()
    await bench.handle(value)
    for _ in range(3):
        topic, parked = bench.parked()[-1]
        bench.now = parked.due + 1
        await bench.handle(value, parked=runs.encode(parked), topic=f"customer.delay.{topic}")
    found = bench.parked()

    assert [topic for topic, _ in found] == ["1m", "10m", "1h", "1h"]
    assert [parked.run.parked for _, parked in found] == [1, 2, 3, 4]
    assert all(parked.run.state == "parked" and not parked.waiting for _, parked in found)
    assert [fresh for _, fresh in bench.called] == [True, False, False, False]
    record, waiting = bench.log.written[-2:]
    assert (record.topic, waiting.topic) == (bench.topics.runs, bench.topics.delay("customer", "1h"))
    assert (waiting.key, waiting.value) == (value.aggregate, envelopes.encode(value))
    assert runs.decode_run(record.value).next_attempt_at


async def test_a_run_that_only_fails_is_buried_after_a_day() -> None:
    """Marked as worth trying again."""
    bench = Bench(in_place_limit=0.001)
    bench.answer = lambda: Unavailable("away")
    await bench.handle(event())
    while not bench.letters():
        topic, parked = bench.parked()[-1]
        bench.now = parked.due + 1
        await bench.handle(event(), parked=runs.encode(parked), topic=f"customer.delay.{topic}")

    (letter,) = bench.letters()
    assert letter.problem.retryable
    assert letter.run
    assert [step.state for step in letter.run.steps] == ["failed"]
    assert len(bench.parked()) == 26


async def test_waiting_for_weeks_is_no_failure() -> None:
    """The first failure after it is tried again in a minute, and only a day of failures in a row buries the run.

    Whoever tries it again gives it another day.
    """
    bench = Bench(in_place_limit=0.001)
    bench.answer = lambda: Waiting("the account has no e-mail address")
    await bench.handle(event())

    async def go_on(times: int) -> None:
        for _ in range(times):
            topic, parked = bench.parked()[-1]
            bench.now = parked.due + 1
            await bench.handle(event(), parked=runs.encode(parked), topic=f"customer.delay.{topic}", heard=True)

    await go_on(30)
    bench.answer = lambda: Unavailable("away")
    await go_on(1)
    assert bench.parked()[-1][0] == "1m"
    assert bench.letters() == []

    await go_on(26)
    (letter,) = bench.letters()
    assert letter.run
    await bench.handle(event(), parked=runs.encode(runs.Parked(run=letter.run, due=0)), topic="customer.replay")
    assert bench.runs()[-1].state == "parked"
    assert bench.parked()[-1][0] == "1m"


async def test_a_waiting_run_looks_only_if_something_was_heard() -> None:
    """Due without news it is parked again without a call; woken by an event of its aggregate it looks."""
    bench = Bench()
    bench.answer = lambda: Waiting("the account has no e-mail address")
    await bench.handle(event())
    _, parked = bench.parked()[-1]
    bench.now, looks = parked.due + 1, len(bench.called)
    await bench.handle(event(), parked=runs.encode(parked), due=parked.due)
    assert len(bench.called) == looks

    _, again = bench.parked()[-1]
    assert again.looked_at == parked.looked_at
    bench.answer = lambda: None
    await bench.handle(event(), parked=runs.encode(again), due=again.due, heard=True)
    assert bench.runs()[-1].state == "succeeded"


async def test_a_conflict_shows_the_candidates_of_now() -> None:
    """A further one that the index brings later wakes the run, and stands in its record; a decision ends the watch."""
    bench, woken = Bench(), list[str]()
    bench.watch.on_news.append(woken.append)
    bench.answer = lambda: Conflict("several", candidates=shown())

    def shown() -> tuple[str, ...]:
        return tuple(entity.ref for entity in bench.registry.index.with_email(TOGAI, "a@x.test"))

    def indexed(account: str) -> None:
        entity = Entity(ref=f"{TOGAI}/account/{account}", email="a@x.test")
        bench.registry.folds(bench.topics)[bench.topics.index](0, entity.ref, index.encode(entity))

    indexed("one")
    bench.now += 1
    await bench.handle(event())
    assert (woken, bench.runs()[-1].problem.candidates) == ([], [*shown()])  # type: ignore[union-attr]

    indexed("two")
    assert woken == [event().aggregate]
    _, parked = bench.parked()[-1]
    await bench.handle(event(), parked=runs.encode(parked), heard=True)
    assert bench.runs()[-1].problem.candidates == [*shown()]  # type: ignore[union-attr]
    assert len(shown()) == 2

    bench.answer = lambda: None
    _, parked = bench.parked()[-1]
    await bench.handle(event(), parked=runs.encode(parked), heard=True)
    woken.clear()
    indexed("three")
    assert (bench.runs()[-1].state, woken) == ("succeeded", [])


async def test_a_run_does_not_wait_on_what_an_event_showed() -> None:
    """The news may have come before the event did: before it waits, a run looks once at the present state."""
    bench = Bench()
    answers: list[BaseException | None] = [Waiting("the snapshot has no e-mail address"), None]
    bench.answer = lambda: answers.pop(0)
    await bench.handle(event())

    assert bench.called[:2] == [("create", True), ("create", False)]
    assert bench.runs()[-1].state == "succeeded"
    assert bench.parked() == []


@pytest.mark.parametrize("lane", LANES)
async def test_a_parked_run_keeps_its_lane(lane: Lane) -> None:
    """Through every parking, and although a live event behind it made it live for a while."""
    bench = Bench(in_place_limit=0.001)
    bench.answer = lambda: Unavailable("away")
    work = bench.work(event(), lane=WorkPriority(lane))
    work.lane.promote()
    await bench.processor.handle(work)
    topic, parked = bench.parked()[-1]
    partition = (bench.topics.delay("customer", topic), 2)  # type: ignore[arg-type]
    again = work_of(partition, 1, b"k", work.value, {PARKED_HEADER: runs.encode(parked)}, lambda: None)
    await bench.processor.handle(again)

    assert again.lane.lane == lane
    assert [parked.lane for _, parked in bench.parked()] == [lane, lane]


async def test_events_that_another_stood_for_end_as_superseded() -> None:
    """Each has its run, which says by whom."""
    bench = Bench()
    last = bench.work(event("evt_3"))
    last.folded, last.look_again = [bench.work(event("evt_1")), bench.work(event("evt_2"))], True
    await bench.processor.handle(last)
    ended = {run.event: run for run in bench.runs() if run.state in runs.TERMINAL_STATES}

    assert bench.called == [("create", False), ("write", False)]
    assert {name: run.state for name, run in ended.items()} == {
        "evt_1": "superseded",
        "evt_2": "superseded",
        "evt_3": "succeeded",
    }
    assert (ended["evt_1"].superseded_by, ended["evt_1"].flow_link) == ("evt_3", LINK.id)


async def test_an_unreadable_event_that_another_stood_for_is_buried_itself() -> None:
    """Not the good one that stood for it, and none of the others goes without a trace."""
    bench = Bench()
    last = bench.work(event("evt_3"))
    last.folded = [bench.work(event("evt_1")), bench.work(b'{"type": "stripe.customer.created"}')]
    last.folded.append(bench.work(event("evt_2")))
    await bench.processor.handle(last)
    ended = {run.event: run.state for run in bench.runs() if run.state in runs.TERMINAL_STATES}

    assert [letter.value for letter in bench.letters()] == [b'{"type": "stripe.customer.created"}']
    assert ended == {"evt_1": "superseded", "evt_2": "superseded", "evt_3": "succeeded"}


async def test_a_parked_run_whose_link_was_switched_off_waits_until_it_is_on() -> None:
    """Nothing is called for it meanwhile, and the reason says what it waits for."""
    bench = Bench(in_place_limit=0.001)
    bench.answer = lambda: Waiting("no e-mail address")
    await bench.handle(event())
    on = bench.registry.links[LINK.id]
    bench.registry.links[LINK.id] = FlowLink(id=LINK.id, flow=LINK.flow, connections=LINK.connections, enabled=False)
    calls = len(bench.called)
    await bench.handle(event(), parked=runs.encode(bench.parked()[-1][1]), heard=True)
    held = bench.runs()[-1]
    bench.registry.links[LINK.id], bench.answer = on, lambda: None
    await bench.handle(event(), parked=runs.encode(bench.parked()[-1][1]))

    assert held.problem
    assert (held.state, held.problem.blocker) == ("parked", LINK.id)
    assert "is off" in held.reason
    assert bench.runs()[-1].state == "succeeded"
    assert calls < len(bench.called)


async def test_an_event_that_comes_while_its_link_is_off_is_missed() -> None:
    """It is recorded under the flow link, so that it can be counted and replayed."""
    bench = Bench()
    bench.registry.links[LINK.id] = FlowLink(id=LINK.id, flow=LINK.flow, connections=LINK.connections, enabled=False)
    await bench.handle(event())

    [run] = bench.runs()
    assert (run.state, run.flow_link, run.flow) == ("missed", LINK.id, LINK.flow)
    assert bench.called == []


async def test_copies_of_one_parked_run_become_one_again() -> None:
    """Each death between a parking and its acknowledgement leaves one more."""
    bench = Bench()
    bench.answer = lambda: Waiting("the account has no e-mail address")
    for _ in range(3):
        await bench.handle(event(), offset=7)
    copies = bench.parked()
    for turn in range(1, 4):
        before, looks = len(bench.parked()), len(bench.called)
        bench.now += 2 * 86400
        for topic, parked in copies:
            await bench.handle(event(), parked=runs.encode(parked), topic=f"customer.delay.{topic}", heard=True)
        copies = bench.parked()[before:]
        assert (len(copies), len(bench.called) - looks) == (1, 1), turn

    _, last = copies[0]
    bench.processor.begin_anew()
    await bench.handle(event(), parked=runs.encode(last), topic="customer.delay.1h", heard=True)
    await bench.handle(event(), parked=runs.encode(last), topic="customer.replay", heard=True)
    assert len(bench.called) - looks == 3


async def test_a_copy_that_was_cut_off_is_worked_on_again() -> None:
    """Only a later copy that stands in the log, or the run's end, makes it needless."""
    bench = Bench()
    bench.answer = lambda: Waiting("the account has no e-mail address")
    await bench.handle(event())
    topic, parked = bench.parked()[-1]
    bench.answer = asyncio.CancelledError
    with pytest.raises(asyncio.CancelledError):
        await bench.handle(event(), parked=runs.encode(parked), topic=f"customer.delay.{topic}", heard=True)
    looks, bench.answer = len(bench.called), lambda: None
    await bench.handle(event(), parked=runs.encode(parked), topic=f"customer.delay.{topic}", heard=True)
    assert len(bench.called) > looks
    assert bench.runs()[-1].state == "succeeded"


async def test_no_copy_of_a_run_that_ended_is_worked_on() -> None:
    """Whichever copy ended it. A new assignment forgets: another worker may have heard what this one did not."""
    bench = Bench()
    bench.answer = lambda: Waiting("the account has no e-mail address")
    for _ in range(3):
        await bench.handle(event(), offset=7)
    copies, bench.answer = bench.parked(), lambda: None
    for topic, parked in reversed(copies):
        await bench.handle(event(), parked=runs.encode(parked), topic=f"customer.delay.{topic}", heard=True)
    ended, looks = bench.runs()[-1], len(bench.called)
    assert [run.state for run in bench.runs()].count("succeeded") == 1

    bench.processor.begin_anew()
    topic, parked = copies[0]
    await bench.handle(event(), parked=runs.encode(parked), topic=f"customer.delay.{topic}", heard=True)
    assert len(bench.called) > looks
    assert bench.runs()[-1].id == ended.id


async def test_a_buried_run_that_is_tried_again_may_be_parked_again() -> None:
    """It ended once; what a person begins anew goes on until it ends again."""
    bench = Bench(in_place_limit=0.001)
    bench.answer = lambda: Malformed("no such field")
    await bench.handle(event())
    (letter,) = bench.letters()
    assert letter.run
    bench.answer = lambda: Unavailable("away")
    again = runs.Parked(run=letter.run, due=0.0)
    await bench.handle(event(), parked=runs.encode(again), topic="customer.replay")
    topic, parked = bench.parked()[-1]
    bench.answer = lambda: None
    await bench.handle(event(), parked=runs.encode(parked), topic=f"customer.delay.{topic}")
    assert bench.runs()[-1].state == "succeeded"


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (Blocked("con_t", "its api_base is not what its secrets were sealed for"), ""),
        (Blocked("con_t", "Togai: quota of customers", operation="customers.post", fingerprint="f"), "customers.post"),
        (KeyRefused("401", connection="con_t", fingerprint="f"), ""),
    ],
)
async def test_what_only_a_change_of_the_connection_mends_waits_as_long_as_it_takes(
    error: SyncError, told: str
) -> None:
    """Parked at once, tried again at the slowest pace, never given up on, and it says which connection."""
    bench = Bench()
    bench.answer = lambda: error
    await bench.handle(event())
    for _ in range(LAST_PARKING + 2):
        topic, parked = bench.parked()[-1]
        await bench.handle(event(), parked=runs.encode(parked), topic=f"customer.delay.{topic}")

    topic, parked = bench.parked()[-1]
    assert (topic, parked.waiting, bench.letters()) == ("1h", False, [])
    assert len(bench.called) == len(bench.parked())
    assert bench.clients.refused == [told] * len(bench.called)
    assert parked.run.problem
    kept = "Blocked" if isinstance(error, Blocked) else "ConnectionClosed"
    assert (parked.run.problem.error, parked.run.problem.connection) == (kept, "con_t")
