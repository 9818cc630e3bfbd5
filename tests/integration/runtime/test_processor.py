"""What becomes of one record: ended, parked or dead-lettered, complete enough to go on, and never lost."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from shared.domains import TRIGGERS
from shared.errors import ConnectionClosed, Rejected, StopWorker, Unavailable, Waiting
from shared.events import envelope as envelopes
from shared.flows import runs
from shared.flows.hand_over import HandOver, handed_over
from shared.flows.runs import Parked
from shared.runtime.actions import Ended
from shared.runtime.known import Known

from tests.integration.runtime.harness import LINK, STRIPE, Harness, event

NO = Rejected("Togai: POST /customers answered 400: no", code="400", status=400)


async def test_a_dead_letter_is_enough_to_resume_by() -> None:
    """The record's bytes, its place, the run with its steps, why, and where: put on the replay topic it goes on."""
    harness = Harness()
    harness.answer = lambda: NO
    value = event()
    work = await harness.handle(value)
    (letter,) = harness.letters()
    (record,) = harness.log.on(harness.topics.dead_letters)

    assert (letter.state, letter.value, record.key) == ("open", envelopes.encode(value), letter.id)
    assert (letter.topic, letter.partition, letter.offset) == (*work.partition, work.offset)
    assert (letter.noun, letter.aggregate, letter.event) == ("customer", value.aggregate, "evt_1")
    assert (letter.event_type, letter.connection) == ("stripe.customer.created", "con_s")
    assert (letter.problem.error, letter.problem.code, letter.problem.retryable) == ("Rejected", "400", False)
    assert (letter.attempts, letter.step) == (1, "customer")
    assert letter.run is not None
    assert letter.run.state == "dead"
    assert harness.runs()[-1].id == letter.run.id

    harness.answer = lambda: None
    await harness.handle(letter.value, parked=runs.encode(Parked(run=letter.run, due=0)), topic="customer.replay")
    resumed = harness.runs()[-1]
    assert (resumed.id, resumed.state, resumed.attempts) == (letter.run.id, "succeeded", 2)
    assert [step.state for step in resumed.steps] == ["succeeded", "succeeded", "in_sync"]
    assert resumed.problem is None
    assert harness.called == [("create", True), ("create", False), ("write", False)]


async def test_a_retried_run_that_is_parked_is_open_again() -> None:
    """It has not ended: the time of its death is not its end any more."""
    harness = Harness()
    harness.answer = lambda: NO
    await harness.handle(event())
    (letter,) = harness.letters()
    harness.answer = lambda: Unavailable("away")
    await harness.handle(letter.value, parked=runs.encode(Parked(run=letter.run, due=0)))  # type: ignore[arg-type]

    assert harness.runs()[-1].state == "parked"
    assert harness.runs()[-1].ended_at == ""


async def test_a_run_goes_on_at_the_step_that_failed() -> None:
    """What an earlier attempt ended is not called again."""
    harness = Harness()
    await harness.handle(event())
    done = harness.runs()[-1]
    done.state, done.steps = "parked", done.steps[:1]
    await harness.handle(event(), parked=runs.encode(Parked(run=done, due=0)))

    assert [name for name, _ in harness.called] == ["create", "write", "write"]


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[]",
        b"{}",
        envelopes.encode(event(data=b"[]")),
        envelopes.encode(event(data={"data": None})),
        envelopes.encode(event(data={"data": {"object": {"id": ""}}})),
        envelopes.encode(event(data=b"[" * 900 + b"]" * 900)),
        envelopes.encode(event(data=b"[" * 50_000 + b"]" * 50_000)),
        envelopes.encode(event(time="yesterday")),
    ],
)
async def test_what_cannot_be_read_is_a_whole_dead_letter(value: bytes) -> None:
    """One record that nobody understands holds nobody up, and its bytes are kept."""
    harness = Harness()
    work = await harness.handle(value)
    await harness.handle(event("evt_good"))
    (letter,) = harness.letters()

    assert (letter.value, letter.run) == (value, None)
    assert (letter.topic, letter.partition, letter.offset) == (*work.partition, work.offset)
    assert letter.problem.reason
    assert harness.runs()[-1].state == "succeeded"


async def test_a_header_that_cannot_be_read_is_a_dead_letter() -> None:
    """With the event, which can be sent again without it."""
    harness = Harness()
    await harness.handle(event(), parked=b"{nonsense")
    (letter,) = harness.letters()

    assert letter.problem.error == "Malformed"
    assert letter.value == envelopes.encode(event(time=envelopes.decode(letter.value).time))


async def test_a_bug_becomes_a_dead_letter_with_its_traceback() -> None:
    """So that whoever mends it knows where."""
    harness = Harness()
    harness.answer = lambda: ZeroDivisionError("division by zero")
    await harness.handle(event())
    (letter,) = harness.letters()

    assert (letter.problem.error, letter.problem.retryable) == ("ZeroDivisionError", False)
    assert "harness.py" in letter.problem.traceback


@pytest.mark.parametrize(
    ("answer", "run", "step"),
    [
        (Ended("succeeded", "the link is marked"), "succeeded", "succeeded"),
        (Ended("in_sync", "linked meanwhile"), "in_sync", "in_sync"),
        (Ended("skipped", "it was deleted"), "skipped", "skipped"),
        (NO, "dead", "failed"),
        (ZeroDivisionError("division by zero"), "dead", "failed"),
        (Waiting("the account has no e-mail address"), "parked", "waiting"),
        (ConnectionClosed("con_s", "401"), "parked", "waiting"),
    ],
)
async def test_no_step_goes_on_when_its_run_does_not(answer: Exception, run: str, step: str) -> None:
    """However the run stopped: who looks at it must not think that somebody is still at work."""
    harness = Harness()
    harness.answer = lambda: answer
    await harness.handle(event())
    last = harness.runs()[-1]

    assert (last.state, [found.state for found in last.steps]) == (run, [step])
    assert last.steps[0].ended_at
    if isinstance(answer, Ended):
        assert last.steps[0].notes == [answer.reason]
    else:
        assert last.steps[0].problem is not None


async def test_an_input_that_does_not_fit_fails_its_step() -> None:
    """It was not called, and does not go on either."""
    harness = Harness()
    flow = harness.registry.flows[LINK.flow]
    broken = flow.steps[0].model_copy(update={"input": {"customer": "{{ trigger.nothing }}"}})
    harness.registry.flows[LINK.flow] = flow.model_copy(update={"steps": (broken, *flow.steps[1:])})
    await harness.handle(event())
    last = harness.runs()[-1]

    assert (last.state, last.steps[0].state, harness.called) == ("dead", "failed", [])


async def test_a_parked_run_whose_link_is_gone_says_nothing_of_its_former_reason() -> None:
    """It waits for nothing any more, and none of its steps does."""
    harness = Harness()
    harness.answer = lambda: Waiting("no e-mail address: add one, the run goes on by itself")
    await harness.handle(event())
    _, parked = harness.parked()[-1]
    del harness.registry.links[LINK.id]
    await harness.handle(event(), parked=runs.encode(parked), topic="customer.delay.1m", known=Known.CHANGED)
    last = harness.runs()[-1]

    assert (last.state, last.problem, [step.state for step in last.steps]) == ("skipped", None, ["skipped"])


@pytest.mark.parametrize("refusing", ["dead_letters", "runs"])
async def test_a_burial_that_fails_stops_the_worker(refusing: str) -> None:
    """Going on would acknowledge what is nowhere else."""
    harness = Harness()
    harness.answer = lambda: NO
    topic = getattr(harness.topics, refusing)
    seen: list[Any] = []

    def refuse() -> Rejected:
        harness.log.refusing.add(topic)
        seen.append(topic)
        return NO

    harness.answer = refuse
    with pytest.raises(StopWorker, match=topic):
        await harness.handle(event())

    assert harness.letters() == []
    assert seen == [topic]


async def test_a_parked_record_that_is_not_written_stops_the_worker() -> None:
    """The event is read again by whoever comes next."""
    harness = Harness(in_place_limit=0.001)
    harness.answer = lambda: Unavailable("away")
    harness.log.refusing.add(harness.topics.delay("customer", "1m"))

    with pytest.raises(StopWorker, match="delay"):
        await harness.handle(event())


async def test_many_bugs_in_a_row_stop_the_worker() -> None:
    """A bad deploy must not give up a topic: the one too many is no dead letter."""
    harness = Harness()
    harness.answer = lambda: KeyError("name")
    for number in range(3):
        await harness.handle(event(f"evt_{number}"))
    with pytest.raises(StopWorker, match="4 bugs in a row"):
        await harness.handle(event("evt_3"))

    assert [letter.event for letter in harness.letters()] == ["evt_0", "evt_1", "evt_2"]


@pytest.mark.parametrize("between", [None, NO])
async def test_bugs_that_are_not_in_a_row_stop_nothing(between: BaseException | None) -> None:
    """Some bad events among good or refused ones are bad events."""
    harness = Harness()
    answers: Iterator[BaseException | None] = iter([KeyError("x"), KeyError("x"), KeyError("x"), between] * 3)
    harness.answer = lambda: next(answers)
    for number in range(12):
        await harness.handle(event(f"evt_{number}"))

    assert len([e for e in harness.letters() if e.state == "open" and e.problem.error == "KeyError"]) == 9


async def test_refused_events_are_no_bugs() -> None:
    """However many: one broken connection stops no worker."""
    harness = Harness()
    harness.answer = lambda: NO
    for number in range(10):
        await harness.handle(event(f"evt_{number}"))

    assert len(harness.letters()) == 10


async def test_an_event_that_starts_nothing_is_recorded_as_skipped() -> None:
    """So that a person who looks for it finds why nothing happened."""
    harness = Harness()
    await harness.handle(event(type="stripe.customer.tax_id.created"))
    (run,) = harness.runs()

    assert (run.state, run.flow_link, run.event) == ("skipped", "", "evt_1")
    assert run.reason


async def test_an_event_that_was_finished_is_not_run_again() -> None:
    """Stripe sends at least once; one that was parked or died is no finished one."""
    harness = Harness()
    await harness.handle(event())
    await harness.handle(event())
    assert [name for name, _ in harness.called] == ["create", "write"]

    harness.answer = lambda: NO
    await harness.handle(event("evt_2"), offset=7)
    await harness.handle(event("evt_2"), offset=7)
    assert len(harness.letters()) == 2
    assert len({letter.id for letter in harness.letters()}) == 1


async def test_an_event_that_comes_again_later_leaves_the_first_run_as_it_was() -> None:
    """After a restart nobody remembers that it was handled: what it did then stays on record, beside the second run."""
    harness = Harness()
    await harness.handle(event())
    first = harness.runs()[-1]
    harness.processor.on_partitions_assigned()
    await harness.handle(event())

    assert first.state == "succeeded"
    assert harness.runs()[-1].id != first.id


async def test_after_an_assignment_nothing_is_taken_for_finished() -> None:
    """Another worker may have begun it once more and died: then its record says that the run goes on, for ever."""
    harness = Harness()
    await harness.handle(event())
    harness.processor.on_partitions_assigned()
    before = len(harness.runs())
    await harness.handle(event())

    assert [run.state for run in harness.runs()[before:]][-1] in runs.TERMINAL_STATES


@pytest.mark.parametrize("assigned", [False, True])
async def test_an_event_of_before_the_assignment_may_have_been_started(assigned: bool) -> None:
    """Also at the first assignment of a process: another may have died. It shows the present state of its subject, as
    any of the last minute.
    """
    harness = Harness()
    if assigned:
        harness.processor.on_partitions_assigned()
    for name, came_at in (("evt_1", harness.now - 1), ("evt_2", harness.now)):
        await harness.handle(event(name), came_at=came_at)

    assert harness.called == [("create", True), ("write", True)] * 2
    assert harness.first == [False, False, True, True]


@pytest.mark.parametrize(
    ("known", "present", "first"),
    [("", True, True), ("PRESENT", True, True), ("PRESENT_AGAIN", True, False), ("CHANGED", False, False)],
)
async def test_a_run_that_is_handed_over_knows_no_more_than_before(known: str, present: bool, first: bool) -> None:
    """It may have waited, or been started before: its event is new each time, and what it tells of is not."""
    harness = Harness()
    await harness.handle(event())
    began, shown = harness.runs()[0], TRIGGERS[event().type].extract(event().body()).model_dump(mode="json")
    harness.called.clear()
    harness.first.clear()
    work = HandOver(run=began, step="togai", trigger=shown, known=known)
    await harness.handle(handed_over(work, event().aggregate, "con_s", event(), datetime.now(UTC)))

    assert harness.called == [("create", present), ("write", present)]
    assert harness.first == [first, first]


async def test_a_run_that_a_dead_worker_had_started_for_the_same_event_comes_to_an_end() -> None:
    """One event stood twice in the log, and the second record represented the first one when the worker died. The next
    one handles the first record, and takes the second for a duplicate.
    """
    harness = Harness()
    first, again = harness.work(event(), offset=1), harness.work(event(), offset=2)
    again.folded = [first]
    harness.answer = _die
    with pytest.raises(asyncio.CancelledError):
        await harness.processor.handle(again)
    harness.answer = lambda: None
    harness.processor.on_partitions_assigned()
    for offset in (1, 2):
        await harness.handle(event(), offset=offset, came_at=harness.now - 1)
    written = len(harness.runs())
    await harness.handle(event(), offset=3, came_at=harness.now + 1)

    last = {run.id: run.state for run in harness.runs()}
    assert sorted(last.values()) == ["skipped", "succeeded"]
    assert len(harness.runs()) == written  # one that came since then was begun by nobody


def _die() -> None:
    raise asyncio.CancelledError


@pytest.mark.parametrize("version", ["2.0", "0.9"])
async def test_another_major_version_stops_the_worker(version: str) -> None:
    """A newer Tandem wrote it: a dead letter of it would lose what this one cannot read."""
    harness = Harness()
    with pytest.raises(StopWorker, match="schema version"):
        await harness.handle(event(schemaversion=version))

    assert harness.log.written == []
    await harness.handle(event("evt_2", schemaversion="1.7"))
    assert harness.runs()[-1].state == "succeeded"


async def test_an_event_of_another_account_starts_nothing() -> None:
    """A link is for its own app account."""
    harness = Harness()
    other = "stripe:test:acct_2"
    changes = {"source": f"urn:tandem:{other}", "aggregate": f"{other}/customer/cus_1", "connection": "con_other"}
    await harness.handle(event(appaccount=other, **changes))

    assert harness.called == []
    assert STRIPE not in harness.runs()[-1].aggregate
